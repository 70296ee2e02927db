"""When a public word is suggested, when it falls, and when it may be posted."""

from datetime import timedelta
from typing import Any

import pytest

from services.responder.domain.closures import LASTS, Closure, after, begin, confirms, seen, skip, suggest, why_not
from services.responder.domain.eligibility import CanReply, Verdict
from services.responder.domain.replies import Kind, Reply, State, Target
from tests.unit.responder.builders import MINUTE, NOON, SECOND, reply, target

HOUR = timedelta(hours=1)
API = Verdict("api", "named", "they named the handle")


def verdict(can: CanReply) -> Verdict:
    return Verdict(can, "named", "")


def thanks(post_id: str = "1003", at: timedelta = HOUR, **more: Any) -> Target:
    fields: dict[str, Any] = {"private": True, "intent": "praise_thanks", "sentiment": "positive"}
    return target(post_id=post_id, posted_at=NOON + at, **fields | more)


def said(**more: Any) -> Reply:
    return reply(more.pop("state", "posted"), private=True, posted_at=NOON + 30 * MINUTE, **more)


def closure(**more: Any) -> Closure:
    fields: dict[str, Any] = {
        "conversation_id": "cnv_1",
        "network": "x",
        "handle": "acme",
        "team": "main",
        "post_id": "1001",
        "confirmed_by": "1003",
        "confirmed_at": NOON + HOUR,
        "state": "suggested",
        "updated_at": NOON + HOUR,
    }
    return Closure(**fields | more)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"sentiment": "neutral"}, True),
        ({"sentiment": ""}, True),
        ({"sentiment": "negative"}, False),
        ({"private": False}, False),
        ({"intent": "chatter"}, False),
        ({"outcome": "deleted"}, False),
    ],
)
def test_a_thank_you_in_private_confirms(fields: dict[str, Any], expected: bool) -> None:
    assert confirms(thanks(**fields)) is expected


def test_what_began_in_public_and_was_settled_in_private_is_suggested() -> None:
    began = target(team="care")
    suggested = suggest(thanks(), began, said(), API, None, NOON + 2 * HOUR)

    assert suggested == closure(team="care", updated_at=NOON + 2 * HOUR)
    assert suggested is not None
    assert suggested.expires_at == NOON + HOUR + LASTS


@pytest.mark.parametrize(
    ("began", "answer", "can"),
    [
        (None, said(), "api"),
        (target(private=True), said(), "api"),
        (target(), None, "api"),
        (target(), said(kind="holding"), "api"),
        (target(), said(), "manual"),
        (target(outcome="deleted"), said(), "no"),
    ],
)
def test_it_is_not_suggested_where_a_condition_is_missing(
    began: Target | None, answer: Reply | None, can: CanReply
) -> None:
    assert suggest(thanks(), began, answer, verdict(can), None, NOON + 2 * HOUR) is None
    assert suggest(thanks(), target(), said(), verdict("uncertain"), None, NOON + 2 * HOUR) is not None


def test_a_confirmation_is_worth_something_for_two_days() -> None:
    assert suggest(thanks(), target(), said(), API, None, NOON + HOUR + LASTS - SECOND) is not None
    assert suggest(thanks(), target(), said(), API, None, NOON + HOUR + LASTS) is None


@pytest.mark.parametrize(
    ("known", "version"),
    [
        (closure(), None),
        (closure(state="posted"), None),
        (closure(state="skipped", reason="not needed"), None),
        (closure(state="skipped", reason="deleted"), None),
        (closure(state="skipped", reason="wrote_again", version=2), 3),
        (closure(state="skipped", reason="too_late", version=4), 5),
    ],
)
def test_what_a_person_decided_stays_and_what_fell_by_itself_may_come_again(
    known: Closure, version: int | None
) -> None:
    again = suggest(thanks("1009", 3 * HOUR), target(), said(), API, known, NOON + 3 * HOUR)
    assert (again and (again.state, again.reason, again.confirmed_by, again.version)) == (
        version and ("suggested", "", "1009", version)
    )


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (target(post_id="1004", posted_at=NOON + 2 * HOUR), "wrote_again"),
        (target(post_id="1004", posted_at=NOON + 2 * HOUR, private=True, intent="assistance_request"), "wrote_again"),
        (target(post_id="1003", posted_at=NOON + HOUR, private=True, intent="complaint"), "wrote_again"),
        (target(post_id="1001", outcome="deleted"), "deleted"),
        (target(post_id="1003", outcome="deleted"), "deleted"),
        (target(post_id="1002", outcome="deleted"), None),
        (target(post_id="1002"), None),
        (thanks("1004", 2 * HOUR), None),
        (thanks("1004", 2 * HOUR, private=False), None),
    ],
)
def test_a_further_message_or_a_deletion_takes_the_suggestion_away(message: Target, reason: str | None) -> None:
    fallen = after(closure(), message, NOON + 2 * HOUR)
    assert (fallen and (fallen.state, fallen.reason, fallen.version)) == (reason and ("skipped", reason, 2))
    assert after(closure(state="posted"), message, NOON + 2 * HOUR) is None


def test_a_suggestion_whose_time_is_over_is_shown_as_skipped_unless_it_is_on_its_way() -> None:
    late = NOON + HOUR + LASTS
    assert seen(closure(), late - SECOND).state == "suggested"
    assert (seen(closure(), late).state, seen(closure(), late).reason) == ("skipped", "too_late")
    assert seen(closure(reply_id="rep_1"), late).state == "suggested"


@pytest.mark.parametrize(
    ("known", "began", "can", "mine", "at", "expected"),
    [
        (closure(), target(), "api", None, NOON + 2 * HOUR, None),
        (closure(), target(), "uncertain", None, NOON + 2 * HOUR, None),
        (closure(), target(), "manual", None, NOON + 2 * HOUR, "cannot_reply"),
        (closure(), target(outcome="deleted"), "no", None, NOON + 2 * HOUR, "deleted"),
        (closure(), None, "api", None, NOON + 2 * HOUR, "deleted"),
        (closure(), target(), "api", None, NOON + HOUR + LASTS, "too_late"),
        (closure(state="skipped", reason="not needed"), target(), "api", None, NOON + 2 * HOUR, "skipped"),
        (closure(state="skipped", reason="too_late"), target(), "api", None, NOON + 2 * HOUR, "too_late"),
        (closure(state="posted"), target(), "api", None, NOON + 2 * HOUR, "posted"),
    ],
)
def test_each_condition_is_looked_at_once_more(
    known: Closure, began: Target | None, can: CanReply, mine: Reply | None, at: Any, expected: str | None
) -> None:
    assert why_not(known, began, verdict(can), mine, at) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("approval_pending", "being_posted"),
        ("queued", "being_posted"),
        ("sending", "being_posted"),
        ("unknown", "being_posted"),
        ("needs_human", "being_posted"),
        ("manual_required", "being_posted"),
        ("posted", "posted"),
        ("refused", None),
        ("canceled", None),
    ],
)
def test_there_is_one_public_word(state: State, expected: str | None) -> None:
    mine = reply(state, kind="closure")
    assert why_not(closure(reply_id="rep_1"), target(), API, mine, NOON + 2 * HOUR) == expected


def test_who_decided_is_kept() -> None:
    begun = begin(closure(), reply(id="rep_9"), "ana", NOON + 2 * HOUR)
    assert (begun.state, begun.reply_id, begun.decided_by, begun.version) == ("suggested", "rep_9", "ana", 2)
    left = skip(closure(), "not needed", "bo", NOON + 2 * HOUR)
    assert (left.state, left.reason, left.decided_by, left.version) == ("skipped", "not needed", "bo", 2)


def test_only_an_answer_settles() -> None:
    kinds: tuple[Kind, ...] = ("holding", "closure", "survey", "automatic")
    assert all(suggest(thanks(), target(), said(kind=kind), API, None, NOON + 2 * HOUR) is None for kind in kinds)
