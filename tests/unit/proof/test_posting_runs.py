"""The judge of the posting runs: it finds each mistake, and calls nothing a mistake that is none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.proof.posting_runs.fates import FATES
from tests.proof.posting_runs.judging import Post, Row, Run, judge

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
GIVE_UP = timedelta(seconds=18)
FATE = {fate.name: fate for fate in FATES}
RUN = Run("rep_1", "1001", "Réponse 1 ^Ana", FATE["nothing"])
ROW = Row("rep_1", "posted", "1001", "5001", None, NOON)
POST = Post("5001", "1001", "@jo Réponse 1 ^Ana")
TOLD = {"rep_1": "5001"}


def broken(**change: Any) -> list[str]:
    given: dict[str, Any] = {"runs": [RUN], "rows": [ROW], "posts": [POST], "told": TOLD, "give_up": GIVE_UP} | change
    return [verdict.promise for verdict in judge(**given) if verdict.broken]


def ended(fate: str, state: str, *, struck: bool = False, waited: timedelta | None = GIVE_UP) -> dict[str, Any]:
    """One run of this fate that ended so, its post on the network only where it is posted."""
    out = state == "posted"
    row = replace(ROW, state=state, post_id="5001" if out else None, unknown_since=NOON - waited if waited else None)
    run = replace(RUN, fate=FATE[fate], struck=struck)
    return {"runs": [run], "rows": [row], "posts": [POST] if out else [], "told": TOLD if out else {}}


def test_a_reply_that_is_out_once_breaks_nothing() -> None:
    assert broken() == []


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        ({"rows": []}, "every reply that was acknowledged is kept"),
        ({"rows": [ROW, replace(ROW, id="rep_2", mention="1002")]}, "and no other"),
        ({"posts": [POST, replace(POST, id="5002")]}, "at most one post for each mention"),
        ({"posts": [POST, replace(POST, id="5002", mention="1002")]}, "and for each text"),
        ({"posts": []}, "what is posted is on the network"),
        ({"posts": [replace(POST, text="@jo Autre chose")]}, "with its words"),
        ({"posts": [POST, Post("5002", "1002", "@jo Autre")]}, "what is on the network is a posted reply"),
        ({"told": {}}, "what is posted was told"),
        ({"told": {"rep_1": "5001 and 5002"}}, "what is posted was told"),
        ({"told": {**TOLD, "rep_9": "5009"}}, "and nothing else"),
        ({"rows": [replace(ROW, state="refused", post_id=None)]}, "is not on the network"),
        (ended("nothing", "unknown"), "every reply came to an end"),
        (ended("nothing", "refused"), "it ended as the network made it end"),
        (ended("refused", "posted", waited=None), "it ended as the network made it end"),
        (ended("timeline unreadable", "posted", struck=True), "it ended as the network made it end"),
        (ended("nothing", "needs_human"), "a person is asked only where nobody knew"),
        (ended("posted, answer cut", "needs_human", waited=GIVE_UP / 2), "no sooner than agreed"),
    ],
)
def test_each_mistake_is_found(change: dict[str, Any], promise: str) -> None:
    assert any(promise in each for each in broken(**change))


@pytest.mark.parametrize(
    ("fate", "end", "struck"),
    [
        ("refused", "refused", False),
        ("refused", "posted", False),  # nobody heard the refusal; looked for, not found, sent again
        ("not to us", "manual_required", False),
        ("timeline unreadable", "needs_human", False),
        ("error after posting", "posted", False),
        ("nothing", "needs_human", True),
    ],
)
def test_an_end_that_the_network_or_a_strike_explains_is_none(fate: str, end: str, struck: bool) -> None:
    assert broken(**ended(fate, end, struck=struck)) == []
