"""What is an exchange, what is covered, and at which hour something was, in whatever order it is told."""

import random
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.responder.domain.report import DISMISSED, NOT_ANSWERED, Answered, Kept, coverage, exchanges, offsets
from tests.unit.responder.builders import MINUTE, NOON


def answered(post_id: str, at: int, by: str, by_at: int, **more: Any) -> Answered:
    """A message so many minutes after noon, and a post of ours so many after it."""
    fields: dict[str, Any] = {
        "conversation_id": "cnv_1",
        "network": "x",
        "handle": "acme",
        "queue": "fr",
        "language": "fr",
        "intent": "complaint",
        "team": "main",
        "urgency": "high",
        "needed": True,
        "business_seconds": None,
    }
    return Answered(
        post_id=post_id,
        own_post_id=by,
        posted_at=NOON + at * MINUTE,
        answered_at=NOON + by_at * MINUTE,
        latency_seconds=60.0 * (by_at - at),
        **fields | more,
    )


TALK = [
    answered("m1", 0, "o1", 10),
    answered("m2", 4, "o1", 10),
    answered("m2", 4, "o3", 40),  # named later, answered before
    answered("m3", 20, "o2", 25),
    answered("m9", 1, "o9", 3, conversation_id="cnv_2"),
]


def seen(rows: list[Answered]) -> list[tuple[str, str, str, float, int]]:
    return [(e.conversation_id, e.kind, e.post_id, e.elapsed_seconds, e.messages) for e in exchanges(rows)]


def test_what_one_post_of_ours_answered_first_is_one_exchange_and_the_oldest_message_says_how_long() -> None:
    assert seen(TALK) == [
        ("cnv_1", "first", "m1", 600, 2),
        ("cnv_1", "next", "m3", 300, 1),
        ("cnv_2", "first", "m9", 120, 1),
    ]


def test_exchanges_are_the_same_in_whatever_order_their_messages_come() -> None:
    for seed in range(20):
        rows = TALK.copy()
        random.Random(seed).shuffle(rows)
        assert exchanges(rows) == exchanges(TALK)


def test_what_needed_no_answer_does_not_begin_the_wait_unless_it_is_all_there_is() -> None:
    thanks = answered("m0", -60, "o1", 10, needed=False)
    assert [each.post_id for each in exchanges([thanks, *TALK[:2]])] == ["m1"]
    assert [each.post_id for each in exchanges([thanks])] == ["m0"]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 300), st.integers(0, 8)), min_size=1, max_size=40,
        unique_by=lambda row: row[1],
    )
)  # fmt: skip
def test_every_answered_message_is_in_one_exchange_and_each_conversation_has_one_first(
    talk: list[tuple[int, int, int]],
) -> None:
    rows = [
        answered(f"m{at}", at, f"o{conversation}-{post}", 300 + post, conversation_id=f"cnv_{conversation}")
        for conversation, at, post in talk
    ]

    found = exchanges(rows)

    assert sum(each.messages for each in found) == len(rows)
    for _, conversation in groupby(found, key=lambda each: each.conversation_id):
        kinds = [each.kind for each in sorted(conversation, key=lambda each: each.answered_at)]
        assert kinds == ["first", *["next"] * (len(kinds) - 1)]


def test_coverage_is_of_those_that_needed_an_answer_and_nobody_is_lost() -> None:
    states = {"direct": 6, "covered": 2, "set_aside": 30, "set_aside_answered": 3, "spam": 4, "waiting": 1, "closed": 1}

    found = coverage("fr", states)

    assert (found.mentions, found.needed, found.share) == (47, 10, 0.8)
    assert (found.set_aside, found.set_aside_answered, found.dismissed["spam"]) == (33, 3, 4)
    assert found.mentions == found.needed + found.set_aside + sum(found.dismissed.values())
    assert {reason for reason, n in found.not_answered.items() if n} == {"waiting", "closed"}
    assert (set(found.not_answered), set(found.dismissed)) == (set(NOT_ANSWERED), set(DISMISSED))


def test_where_nothing_needed_an_answer_there_is_no_share() -> None:
    assert coverage(None, {"set_aside": 3}).share is None
    assert Kept(0, 0, running=4).share is None
    assert Kept(3, 1, running=9, canceled=9).share == 0.75


@pytest.mark.parametrize(
    ("zone", "when", "ahead"),
    [
        ("Europe/Paris", datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), 3600),
        ("Europe/Paris", datetime(2026, 3, 29, 1, tzinfo=UTC), 7200),
        ("Europe/Paris", datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC), 7200),
        ("Europe/Paris", datetime(2026, 10, 25, 1, tzinfo=UTC), 3600),
        ("Asia/Kolkata", datetime(2026, 7, 1, tzinfo=UTC), 19_800),
        ("UTC", datetime(2026, 7, 1, tzinfo=UTC), 0),
    ],
)
def test_a_zone_changes_at_the_second_it_changes(zone: str, when: datetime, ahead: int) -> None:
    year = offsets(ZoneInfo(zone), datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert [seconds for moment, seconds in year if moment <= when][-1] == ahead


@given(
    st.sampled_from(["Europe/Paris", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca"]),
    st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)),
)
def test_offsets_are_the_zones_own(zone: str, moment: datetime) -> None:
    at = moment.replace(tzinfo=UTC)
    found = offsets(ZoneInfo(zone), at - timedelta(days=200), at + timedelta(days=100))
    expected = at.astimezone(ZoneInfo(zone)).utcoffset()
    assert timedelta(seconds=[seconds for since, seconds in found if since <= at][-1]) == expected
