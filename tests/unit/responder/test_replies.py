"""A reply's states and how it begins."""

from datetime import timedelta
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.responder.domain.posting import (
    ByHand,
    GaveUp,
    Missing,
    Outcome,
    Posted,
    Postponed,
    Refused,
    Unknown,
)
from services.responder.domain.replies import (
    FINAL,
    IN_FLIGHT,
    LIVE,
    MACHINE,
    TEXT_LIMIT,
    Accepted,
    Kind,
    NothingToFollow,
    State,
    Taken,
    accept,
    approve,
    begin,
    borrow,
    cancel,
    doubt,
    may_become,
    reply_id,
    reserve,
    settle,
    wrong_with,
)
from tests.unit.responder.builders import MINUTE, NOON, PACE, SECOND, reply

STATES: tuple[State, ...] = get_args(State)
LEGAL = {
    ("draft", "approval_pending"),
    ("draft", "queued"),
    ("draft", "manual_required"),
    ("draft", "canceled"),
    ("approval_pending", "queued"),
    ("approval_pending", "canceled"),
    ("queued", "sending"),
    ("queued", "canceled"),
    ("sending", "posted"),
    ("sending", "queued"),
    ("sending", "refused"),
    ("sending", "manual_required"),
    ("sending", "unknown"),
    ("unknown", "posted"),
    ("unknown", "queued"),
    ("unknown", "needs_human"),
    ("needs_human", "posted"),
    ("needs_human", "canceled"),
    ("needs_human", "unknown"),
    ("manual_required", "posted"),
    ("manual_required", "canceled"),
}
BY_PEOPLE = {("draft", "manual_required"), ("needs_human", "unknown")}
OUTCOMES: dict[State, Outcome] = {
    "posted": Posted("2001"),
    "queued": Postponed("later", NOON + MINUTE),
    "refused": Refused("no"),
    "manual_required": ByHand("not by us"),
    "unknown": Unknown("no answer"),
    "needs_human": GaveUp("we don't know"),
}


@pytest.mark.parametrize(("state", "new"), list(product(STATES, STATES)))
def test_only_the_legal_paths_can_be_taken(state: State, new: State) -> None:
    assert may_become(state, new) == ((state, new) in LEGAL)


@pytest.mark.parametrize(("state", "new"), list(product(STATES, OUTCOMES)))
def test_an_outcome_moves_a_reply_along_a_legal_path_or_not_at_all(state: State, new: State) -> None:
    before = reply(state, version=7)
    after = settle(before, OUTCOMES[new], NOON + MINUTE, PACE)

    if (state, new) in LEGAL - BY_PEOPLE:
        assert after is not None
        assert (after.state, after.version, after.updated_at) == (new, 8, NOON + MINUTE)
        assert after.text == before.text
    else:
        assert after is None


def test_a_final_state_is_left_by_a_person_only() -> None:
    assert not {(state, new) for state, new in LEGAL if state in FINAL} - {
        ("needs_human", "posted"),
        ("needs_human", "canceled"),
        ("needs_human", "unknown"),
        ("manual_required", "posted"),
        ("manual_required", "canceled"),
    }


def test_a_reservation_raises_the_fence() -> None:
    reserved = reserve(reply(fence=2, reason="too many"), NOON)
    assert (reserved.state, reserved.fence, reserved.reserved_at, reserved.reason) == ("sending", 3, NOON, "")


def test_an_unknown_reply_is_looked_for_no_sooner_than_its_first_try_can_be_over() -> None:
    sending = reply("sending", reserved_at=NOON)
    for unknown in (settle(sending, Unknown("?"), NOON + 20 * SECOND, PACE), doubt(sending, NOON + 20 * SECOND, PACE)):
        assert unknown is not None
        assert unknown.look_at == NOON + 180 * SECOND
        assert unknown.unknown_since == NOON + 20 * SECOND


def test_the_first_doubt_is_remembered_over_a_second_try() -> None:
    unknown = reply("unknown", reserved_at=NOON, unknown_since=NOON, missed_at=NOON + 3 * MINUTE)
    again = settle(unknown, Postponed("it did not go out", NOON + 4 * MINUTE), NOON + 4 * MINUTE, PACE)
    assert again is not None
    doubted = doubt(reserve(again, NOON + 4 * MINUTE), NOON + 5 * MINUTE, PACE)
    assert (doubted.unknown_since, doubted.missed_at) == (NOON, None)


def test_missing_leaves_it_unknown_until_the_next_look() -> None:
    missing = settle(reply("unknown"), Missing(NOON + MINUTE, NOON, "not there"), NOON, PACE)
    assert missing is not None
    assert (missing.state, missing.look_at, missing.missed_at) == ("unknown", NOON + MINUTE, NOON)
    assert settle(reply("posted"), Missing(NOON, None, ""), NOON, PACE) is None


def test_a_look_that_never_ends_is_looked_for_again() -> None:
    assert borrow(reply("unknown", look_at=NOON), NOON, PACE).look_at == NOON + PACE.look_again


@pytest.mark.parametrize("state", STATES)
def test_only_what_is_not_on_its_way_can_be_taken_back(state: State) -> None:
    assert (cancel(reply(state), NOON, "no") is not None) == ((state, "canceled") in LEGAL)


# --- setting out


def test_what_is_queued_can_be_taken_back_until_the_undo_is_over() -> None:
    begun = begin(reply("draft"), Accepted("queued"), "high", NOON, 30 * SECOND)
    assert (begun.state, begun.not_before, begun.version) == ("queued", NOON + 30 * SECOND, 1)


def test_an_approved_reply_can_be_taken_back_too() -> None:
    approved = approve(reply("approval_pending"), "boss", NOON, 30 * SECOND)
    assert approved is not None
    assert (approved.state, approved.approved_by, approved.not_before) == ("queued", "boss", NOON + 30 * SECOND)
    assert approve(reply("queued"), "boss", NOON, SECOND) is None


def test_the_urgent_goes_first_and_a_holding_reply_after_the_others() -> None:
    def priority(urgency: str, **more: Any) -> int:
        return begin(reply("draft", **more), Accepted("queued"), urgency, NOON, 0 * SECOND).priority

    assert priority("critical") < priority("high") < priority("critical", kind="holding")


# --- asking


def test_a_mention_that_has_no_reply_gets_one() -> None:
    assert accept([], "") == Accepted("queued")


@pytest.mark.parametrize("state", LIVE)
def test_a_mention_gets_no_second_reply(state: State) -> None:
    live = reply(state)
    assert accept([live], "") == Taken(live)


def test_the_latest_reply_is_named() -> None:
    first, second = reply("posted", id="rep_1"), reply("posted", id="rep_2", follow_up_of="rep_1")
    assert accept([first, second], "") == Taken(second)
    assert accept([first, second], "rep_1") == Taken(second)
    assert accept([first, second], "rep_2") == Accepted("queued")


@pytest.mark.parametrize("state", LIVE)
def test_a_follow_up_waits_until_it_is_known_what_it_follows(state: State) -> None:
    live = reply(state)
    expected = Taken(live) if state in IN_FLIGHT else Accepted("queued")
    assert accept([live], "rep_1") == expected


@pytest.mark.parametrize("live", [[], [reply("posted")]])
def test_nothing_follows_what_is_not_there(live: list[object]) -> None:
    assert accept(live, "rep_404") == NothingToFollow()  # type: ignore[arg-type]


def test_what_we_cannot_post_is_a_person_s_and_nobody_reads_it_first() -> None:
    assert accept([], "", by_hand="no way") == Accepted("manual_required", "no way")
    assert accept([], "", by_hand="no way", approval="new here") == Accepted("manual_required", "no way")
    assert accept([], "", approval="new here") == Accepted("approval_pending", "new here")


@pytest.mark.parametrize("state", LIVE)
@pytest.mark.parametrize("kind", MACHINE)
def test_what_a_machine_wrote_is_in_nobody_s_way(kind: Kind, state: State) -> None:
    machines = reply(state, id="rep_0", kind=kind, follow_up_of=kind)
    assert accept([machines], "") == Accepted("queued")
    assert accept([machines], "rep_0") == NothingToFollow()
    assert accept([reply("posted"), machines], "rep_1") == Accepted("queued")


@pytest.mark.parametrize("text", ["", "  \n", "a\0", "\ufeffa", "a\uffff", "\ud800", "x" * (TEXT_LIMIT + 1)])
def test_some_texts_no_network_takes(text: str) -> None:
    assert wrong_with(text)


@pytest.mark.parametrize("text", ["Bonjour", "👨‍👩‍👧‍👦 ✅", "x" * TEXT_LIMIT, "a\nb"])
def test_others_are_the_networks_to_judge(text: str) -> None:
    assert wrong_with(text) is None


def test_a_text_that_is_too_long_says_by_how_much() -> None:
    assert "2 more than" in (wrong_with("x" * (TEXT_LIMIT + 2)) or "")


@given(a=st.integers(0, 10**9), b=st.integers(0, 10**9), chance=st.binary(min_size=10, max_size=10))
def test_ids_sort_like_time(a: int, b: int, chance: bytes) -> None:
    first, second = (reply_id(NOON + timedelta(milliseconds=n), chance) for n in (a, b))
    assert (first < second) == (a < b)
    assert len(first) == len("rep_") + 26
