"""When a customer is asked, and what becomes of a survey."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.responder.domain.surveys import (
    AFTER,
    LOOK_AGAIN,
    OPEN_FOR,
    TOO_LATE,
    Survey,
    Talk,
    cooling,
    expired,
    followed,
    queued,
    rated,
    resolved,
    suppressed,
    why_not_asked,
    why_not_sent,
)
from tests.unit.responder.builders import MINUTE, NOON, SECOND, reply

LATER = NOON + 90 * MINUTE
DAY = timedelta(days=1)


def survey(state: Any = "scheduled", **more: Any) -> Survey:
    fields: dict[str, Any] = {
        "conversation_id": "cnv_1",
        "network": "x",
        "handle": "acme",
        "author_id": "222",
        "team": "main",
        "queue": "fr",
        "language": "fr",
        "intent": "complaint",
        "agent": "ana",
        "key": "key-jo",
        "state": state,
        "reason": "",
        "resolved_at": NOON,
        "due_at": NOON + AFTER,
        "updated_at": NOON,
    }
    return Survey(**fields | more)


@pytest.mark.parametrize(
    ("talk", "why"),
    [
        (Talk(True, True), ""),
        (Talk(False, True), "not_private"),
        (Talk(True, False), "not_private"),
        (Talk(True, True, incident=True), "incident"),
        (Talk(True, True, way=False), "no_way"),
        (Talk(True, True, stopped=True), "stop"),
        (Talk(True, True, cooling=True), "cooldown"),
    ],
)
def test_only_who_began_in_private_and_was_not_asked_lately_is_asked(talk: Talk, why: str) -> None:
    assert why_not_asked(talk) == why


@pytest.mark.parametrize(
    ("asked_at", "waits"),
    [(None, False), (NOON - 90 * DAY, False), (NOON - 90 * DAY + SECOND, True), (NOON, True)],
)
def test_the_cooldown_is_over_after_its_days(asked_at: datetime | None, waits: bool) -> None:
    assert cooling(asked_at, 90, NOON) is waits


@pytest.mark.parametrize(
    ("known", "taken"),
    [
        (None, True),
        (survey(), True),
        (survey("suppressed", reason="wrote_again"), True),
        (survey(reply_id="rep_1"), False),
        (survey("sent"), False),
        (survey("answered"), False),
        (survey("expired"), False),
        (survey("suppressed", reason="stop"), False),
        (survey("suppressed", reason="canceled"), False),
        (survey(resolved_at=LATER), False),
        (survey(resolved_at=LATER + SECOND), False),
    ],
)
def test_a_later_end_counts_until_somebody_was_asked(known: Survey | None, taken: bool) -> None:
    new = survey(resolved_at=LATER, due_at=LATER + AFTER)
    assert resolved(known, new) == (new if taken else None)


@pytest.mark.parametrize(
    ("again", "stopped", "cools", "now", "why"),
    [
        (False, False, False, NOON + AFTER, ""),
        (False, False, False, NOON + AFTER + TOO_LATE, ""),
        (False, False, False, NOON + AFTER + TOO_LATE + SECOND, "too_late"),
        (True, False, False, NOON + AFTER, "wrote_again"),
        (True, True, True, NOON + AFTER, "stop"),
        (False, False, True, NOON + AFTER, "cooldown"),
    ],
)
def test_what_happened_since_is_looked_at_before_it_goes(
    again: bool, stopped: bool, cools: bool, now: datetime, why: str
) -> None:
    assert why_not_sent(survey(), wrote_again=again, stopped=stopped, cooling=cools, now=now) == why


def test_a_survey_follows_its_message() -> None:
    on_its_way = queued(survey(), "rep_1", LATER)
    assert (on_its_way.state, on_its_way.reply_id, on_its_way.due_at) == ("scheduled", "rep_1", LATER + LOOK_AGAIN)

    sent = followed(on_its_way, reply("posted", posted_at=LATER + SECOND), OPEN_FOR, LATER + MINUTE)
    assert (sent.state, sent.sent_at, sent.due_at) == ("sent", LATER + SECOND, LATER + SECOND + OPEN_FOR)
    for state in ("queued", "sending", "unknown"):
        waits = followed(on_its_way, reply(state), OPEN_FOR, LATER + MINUTE)
        assert waits == replace(on_its_way, due_at=LATER + MINUTE + LOOK_AGAIN)


@pytest.mark.parametrize(
    ("state", "words", "reason"),
    [
        ("refused", "the network said 403: no", "refused"),
        ("canceled", "stop", "stop"),
        ("canceled", "wrote_again", "wrote_again"),
        ("canceled", "we don't know whether this went out", "canceled"),
    ],
)
def test_one_whose_message_did_not_go_is_suppressed_in_one_word(state: Any, words: str, reason: str) -> None:
    after = followed(survey(reply_id="rep_1"), reply(state, reason=words), OPEN_FOR, LATER)
    assert (after.state, after.reason) == ("suppressed", reason)


@pytest.mark.parametrize(
    ("known", "rating", "at", "taken"),
    [
        (survey("sent", due_at=LATER), 1, NOON, True),
        (survey("sent", due_at=LATER), 5, LATER, True),
        (survey("sent", due_at=LATER), 5, LATER + SECOND, False),
        (survey("sent", due_at=LATER), 0, NOON, False),
        (survey("sent", due_at=LATER), 6, NOON, False),
        (survey("answered", rating=4, due_at=LATER), 1, NOON, False),
        (survey("expired", due_at=LATER), 1, NOON, False),
        (survey("scheduled", due_at=LATER), 1, NOON, False),
        (survey("suppressed", due_at=LATER), 1, NOON, False),
    ],
)
def test_the_first_rating_in_time_counts(known: Survey, rating: int, at: datetime, taken: bool) -> None:
    after = rated(known, rating, "bien", at, LATER)
    assert (after is not None) is taken
    if after is not None:
        assert (after.state, after.rating, after.comment, after.answered_at) == ("answered", rating, "bien", at)


def test_the_ends_that_nobody_answered() -> None:
    assert expired(survey("sent"), LATER) == survey("expired", updated_at=LATER)
    assert suppressed(survey(), "canceled", LATER) == survey("suppressed", reason="canceled", updated_at=LATER)
