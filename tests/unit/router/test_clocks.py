"""A clock's life: what stops it, what moves it, how it is counted; the bugs of others by name."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from services.router.domain.clocks import (
    DEFAULT_SLA,
    Kind,
    Recomputed,
    SlaPolicy,
    Warned,
    breach,
    cancel,
    counted,
    pause,
    recompute,
    resume,
    retarget,
    share,
    start_clock,
    starts_next_response,
    stop_clock,
    warnings,
    warnings_due,
)
from services.router.domain.hours import ALWAYS, hours_from
from tests.unit.router.clocks import BUSINESS, OFFICE, QUARTERS, SECOND, TICK, TUESDAY, clock, due_of
from tests.unit.router.weeks import DAY, HOUR, MINUTE

# --- the bugs of others, by name


def test_equality_is_met() -> None:
    started = clock()

    assert stop_clock(started, due_of(started)).state == "met"
    assert stop_clock(started, due_of(started) + TICK).state == "met_late"
    assert breach(started, due_of(started)).state == "running"
    assert breach(started, due_of(started) + TICK).state == "breached"


def test_the_clock_after_resolve_and_merci() -> None:
    waiting = cancel(clock(kind="next"), "resolved", TUESDAY + MINUTE)

    assert (waiting.state, waiting.reason) == ("canceled", "resolved")
    assert counted(waiting, TUESDAY + DAY) is None
    for reply_at in (TUESDAY + SECOND, TUESDAY + 2 * MINUTE):
        assert stop_clock(waiting, reply_at) is waiting
    assert not starts_next_response("praise_thanks", 0.93, "positive")


@pytest.mark.parametrize(
    ("intent", "confidence", "sentiment", "starts"),
    [
        ("praise_thanks", 0.9, "positive", False),
        ("praise_thanks", 0.9, "neutral", False),
        ("praise_thanks", 0.89, "positive", True),
        ("praise_thanks", 0.99, "negative", True),  # "Merci la SNCF, encore 2 h"
        ("complaint", 0.99, "positive", True),
    ],
)
def test_thanks_start_no_clock_where_they_are_meant(
    intent: str, confidence: float, sentiment: str, starts: bool
) -> None:
    assert starts_next_response(intent, confidence, sentiment) is starts


def test_a_reopened_conversation_is_a_new_cycle_and_the_old_one_is_kept() -> None:
    policy = SlaPolicy("solve", basis="elapsed", resolution=DAY)
    first = stop_clock(clock(policy, kind="resolution"), TUESDAY + HOUR)

    again = clock(policy, kind="resolution", start=TUESDAY + 2 * DAY)

    assert (first.state, first.stopped_at) == ("met", TUESDAY + HOUR)
    assert (again.state, again.due_at, again.paused_seconds) == ("running", TUESDAY + 3 * DAY, 0)


def test_a_late_post_whose_warnings_are_past_brings_one() -> None:
    started = clock()

    assert warnings_due(started, ALWAYS, QUARTERS, 0, TUESDAY + 50 * MINUTE) == Warned(0.75, TUESDAY + 45 * MINUTE)
    assert warnings_due(started, ALWAYS, QUARTERS, 0, TUESDAY + 5 * HOUR) == Warned(1.0, TUESDAY + HOUR)
    assert warnings_due(started, ALWAYS, QUARTERS, 0.75, TUESDAY + 50 * MINUTE) is None
    assert warnings(started, ALWAYS, QUARTERS, TUESDAY + 50 * MINUTE) == (Warned(1.0, TUESDAY + HOUR),)


def test_a_warning_is_due_at_its_moment_and_then_no_longer_to_come() -> None:
    started, half = clock(), TUESDAY + 30 * MINUTE

    assert warnings_due(started, ALWAYS, QUARTERS, 0, half - TICK) is None
    assert warnings_due(started, ALWAYS, QUARTERS, 0, half) == Warned(0.5, half)
    assert [each.fraction for each in warnings(started, ALWAYS, QUARTERS, half)] == [0.75, 1.0]


def test_a_warning_may_come_after_the_deadline() -> None:
    late = breach(clock(BUSINESS, OFFICE), TUESDAY + 2 * HOUR)

    assert warnings(late, OFFICE, (1.0, 1.5), TUESDAY) == (
        Warned(1.0, TUESDAY + HOUR), Warned(1.5, TUESDAY + 90 * MINUTE),
    )  # fmt: skip


def test_a_breached_clock_still_brings_its_last_warning_and_a_met_one_none() -> None:
    started = clock()
    late = TUESDAY + 2 * HOUR

    assert warnings_due(breach(started, late), ALWAYS, QUARTERS, 0.75, late) == Warned(1.0, TUESDAY + HOUR)
    assert warnings_due(stop_clock(started, TUESDAY + MINUTE), ALWAYS, QUARTERS, 0, late) is None


def test_warnings_wait_for_opening_as_the_target_does() -> None:
    closing = datetime(2026, 3, 6, 16, 30, tzinfo=UTC)  # half an hour before the weekend
    monday = datetime(2026, 3, 9, 8, tzinfo=UTC)
    started = clock(BUSINESS, OFFICE, start=closing)

    assert warnings(started, OFFICE, QUARTERS, closing) == (
        Warned(0.5, closing + 30 * MINUTE),
        Warned(0.75, monday + 15 * MINUTE),
        Warned(1.0, monday + 30 * MINUTE),
    )


def test_a_deadline_before_anybody_is_there_is_warned_of_all_the_same() -> None:
    saturday = datetime(2026, 3, 7, 9, tzinfo=UTC)
    started = clock(BUSINESS, OFFICE, "low", "feedback", saturday)

    assert [each.at for each in warnings(started, OFFICE, QUARTERS, saturday)] == [
        saturday + 12 * HOUR, saturday + 18 * HOUR, saturday + 24 * HOUR,
    ]  # fmt: skip


def test_warnings_leave_out_the_time_a_clock_stood_still() -> None:
    policy = SlaPolicy("solve", basis="elapsed", resolution=2 * HOUR)
    held = pause(clock(policy, kind="resolution"), TUESDAY + 30 * MINUTE)
    assert warnings(held, ALWAYS, QUARTERS, TUESDAY) == ()

    again = resume(held, ALWAYS, TUESDAY + 90 * MINUTE)

    assert [each.at for each in warnings(again, ALWAYS, QUARTERS, TUESDAY + 90 * MINUTE)] == [
        TUESDAY + 120 * MINUTE, TUESDAY + 150 * MINUTE, TUESDAY + 180 * MINUTE,
    ]  # fmt: skip


# --- a clock's life


def test_news_of_a_reply_in_time_makes_a_breached_clock_met() -> None:
    late = breach(clock(), TUESDAY + HOUR + SECOND)

    assert stop_clock(late, TUESDAY + 59 * MINUTE).state == "met"
    assert stop_clock(late, TUESDAY + 61 * MINUTE).state == "met_late"


def test_the_earliest_reply_counts_in_whatever_order_they_come() -> None:
    stopped = stop_clock(clock(), TUESDAY + 70 * MINUTE)
    earlier = stop_clock(stopped, TUESDAY + 10 * MINUTE)

    assert (stopped.state, earlier.state, earlier.stopped_at) == ("met_late", "met", TUESDAY + 10 * MINUTE)
    assert stop_clock(earlier, TUESDAY + 20 * MINUTE) is earlier


def test_a_reply_older_than_the_message_answers_it_not() -> None:
    started = clock()

    assert stop_clock(started, TUESDAY - SECOND) is started


def test_a_promise_counts_from_what_the_agent_said_and_no_policy_moves_it() -> None:
    promised = start_clock(
        BUSINESS, OFFICE, "promise", "normal", "", TUESDAY, clock_id="c", conversation_id="v", promised=10 * HOUR
    )

    assert promised is not None
    assert (promised.basis, promised.due_at) == ("elapsed", TUESDAY + 10 * HOUR)
    assert recompute(promised, DEFAULT_SLA, ALWAYS, TUESDAY, "policy") is promised
    assert retarget(promised, BUSINESS, OFFICE, "critical", TUESDAY, "safety") is promised
    assert clock(BUSINESS, OFFICE, kind="promise").due_at == TUESDAY + 2 * HOUR


def test_no_clock_where_nothing_is_promised() -> None:
    kinds: tuple[tuple[Kind, str], ...] = (("first", "none"), ("resolution", "high"))
    for kind, urgency in kinds:
        assert start_clock(BUSINESS, OFFICE, kind, urgency, "", TUESDAY, clock_id="c", conversation_id="v") is None


def test_a_pause_over_night_moves_an_opening_time_deadline_by_opening_time_only() -> None:
    policy = SlaPolicy("solve", resolution=4 * HOUR)
    held = pause(clock(policy, OFFICE, kind="resolution"), TUESDAY + HOUR)

    again = resume(held, OFFICE, TUESDAY + DAY)  # 8 of these 23 hours were open

    assert (again.state, again.paused_seconds) == ("running", 8 * 3600)
    assert again.due_at == TUESDAY + DAY + 3 * HOUR


def test_a_clock_that_stands_still_is_not_late() -> None:
    held = pause(clock(), TUESDAY + HOUR)

    assert breach(held, TUESDAY + DAY) is held
    assert stop_clock(held, TUESDAY + DAY).state == "met"
    assert pause(clock(), TUESDAY + HOUR + SECOND).state == "breached"
    assert resume(clock(), ALWAYS, TUESDAY) == clock()
    assert resume(held, ALWAYS, TUESDAY).due_at == held.due_at  # news in the wrong order


def test_what_is_breached_cannot_be_canceled_away() -> None:
    assert cancel(clock(), "duplicate", TUESDAY + 2 * HOUR).state == "breached"
    assert counted(cancel(clock(), "duplicate", TUESDAY + 2 * HOUR), TUESDAY + DAY) == "breached"


def test_silence_never_looks_good() -> None:
    silent, answered = clock(), stop_clock(clock(), TUESDAY + MINUTE)

    outcomes = [counted(each, TUESDAY + 2 * HOUR) for each in (silent, answered)]

    assert outcomes == ["breached", "met"]
    assert counted(silent, TUESDAY + HOUR) is None
    assert share(outcomes.count("met"), outcomes.count("breached")) == 0.5
    assert share(0, 0) is None


# --- changes


def test_a_fact_raises_and_leaves_ten_minutes_but_never_more_than_there_were() -> None:
    started = clock(urgency="normal")  # due at 10:30

    early = retarget(started, DEFAULT_SLA, ALWAYS, "critical", TUESDAY + MINUTE, "safety")
    later = retarget(started, DEFAULT_SLA, ALWAYS, "critical", TUESDAY + HOUR, "safety")
    last = retarget(started, DEFAULT_SLA, ALWAYS, "critical", TUESDAY + 85 * MINUTE, "safety")

    assert [early.due_at, later.due_at, last.due_at] == [
        TUESDAY + 15 * MINUTE, TUESDAY + 70 * MINUTE, TUESDAY + 90 * MINUTE,
    ]  # fmt: skip
    assert (early.urgency, early.target_seconds, early.basis) == ("critical", 900, "elapsed")
    assert early.history == (Recomputed(TUESDAY + MINUTE, started.due_at, "safety", 1),)


def test_a_person_lowers_it() -> None:
    started = clock()

    assert retarget(started, DEFAULT_SLA, ALWAYS, "low", TUESDAY, "manual").due_at == TUESDAY + 4 * HOUR
    lowered = retarget(started, DEFAULT_SLA, ALWAYS, "low", TUESDAY, "manual", intent="information_request")
    assert lowered.due_at == TUESDAY + 90 * MINUTE
    tight = SlaPolicy("tight", basis="elapsed", targets={"high": HOUR, "normal": 20 * MINUTE})
    assert retarget(clock(tight), tight, ALWAYS, "normal", TUESDAY + 50 * MINUTE, "manual").due_at == TUESDAY + HOUR
    assert retarget(started, DEFAULT_SLA, ALWAYS, "none", TUESDAY, "manual").state == "canceled"


def test_a_departure_that_is_told_later_counts_from_when_we_know() -> None:
    started = clock(SlaPolicy("slow", basis="elapsed", targets={"normal": 8 * HOUR}), urgency="normal")
    now = TUESDAY + 5 * HOUR

    raised = retarget(started, DEFAULT_SLA, ALWAYS, "normal", now, "deadline", event_at=now + 30 * MINUTE)

    assert raised.due_at == now + 10 * MINUTE  # of the target; half of the time would be 15
    slow = SlaPolicy("slow", basis="elapsed", targets={"high": 8 * HOUR, "normal": 9 * HOUR})
    raised = retarget(started, slow, ALWAYS, "high", now, "deadline", event_at=now + 30 * MINUTE)
    assert (raised.due_at, raised.event_at) == (now + 15 * MINUTE, now + 30 * MINUTE)
    assert recompute(raised, replace(slow, version=2), ALWAYS, now, "policy").due_at == now + 15 * MINUTE


def test_a_departure_is_remembered_until_a_person_lowers_the_urgency() -> None:
    leaves_at = TUESDAY + 90 * MINUTE
    told = retarget(clock(), DEFAULT_SLA, ALWAYS, "high", TUESDAY, "deadline", event_at=leaves_at)

    assert retarget(told, DEFAULT_SLA, ALWAYS, "critical", TUESDAY, "safety").event_at == leaves_at
    lowered = retarget(told, DEFAULT_SLA, ALWAYS, "low", TUESDAY, "manual")
    assert (lowered.event_at, lowered.due_at) == (None, TUESDAY + 4 * HOUR)


def test_for_a_clock_that_stands_still_now_is_when_it_was_paused() -> None:
    held = pause(clock(urgency="normal"), TUESDAY + MINUTE)

    raised = retarget(held, DEFAULT_SLA, ALWAYS, "critical", TUESDAY + HOUR, "safety")

    assert (raised.state, raised.due_at) == ("paused", TUESDAY + 15 * MINUTE)
    assert resume(raised, ALWAYS, TUESDAY + HOUR).due_at == TUESDAY + 74 * MINUTE


def test_a_pause_is_not_lost_when_the_policy_changes() -> None:
    policy = SlaPolicy("solve", basis="elapsed", resolution=4 * HOUR)
    held = resume(pause(clock(policy, kind="resolution"), TUESDAY + HOUR), ALWAYS, TUESDAY + 3 * HOUR)

    moved = recompute(held, replace(policy, resolution=5 * HOUR), ALWAYS, TUESDAY + 3 * HOUR, "policy")

    assert moved.due_at == TUESDAY + 7 * HOUR


def test_nothing_changes_where_nothing_changed() -> None:
    started = clock(BUSINESS, OFFICE)

    assert retarget(started, BUSINESS, OFFICE, "high", TUESDAY, "again") is started
    assert recompute(started, BUSINESS, OFFICE, TUESDAY, "again") is started


def test_what_is_over_stays_over() -> None:
    late = TUESDAY + 2 * HOUR
    generous = SlaPolicy("generous", 2, {"high": DAY, "low": DAY, "feedback": DAY}, basis="elapsed")

    for change in (
        recompute(clock(), generous, ALWAYS, late, "policy"),
        retarget(clock(), generous, ALWAYS, "low", late, "manual"),
    ):
        assert (change.state, change.due_at, change.history) == ("breached", TUESDAY + HOUR, ())


def test_new_hours_move_running_clocks_only_and_are_remembered() -> None:
    started = clock(BUSINESS, OFFICE, "normal", start=TUESDAY + 7 * HOUR)  # an hour before closing
    longer = hours_from("office", "Europe/Paris", {"mon-fri": ["09:00-20:00"]})
    now = TUESDAY + 7 * HOUR + MINUTE

    moved = recompute(started, replace(BUSINESS, version=2), longer, now, "hours")

    assert moved.due_at == TUESDAY + 8.5 * HOUR
    assert moved.history == (Recomputed(now, TUESDAY + 23.5 * HOUR, "hours", 1),)
    assert moved.policy_version == 2
    for over in (stop_clock(started, now), cancel(started, "resolved", now), pause(started, now)):
        assert recompute(over, BUSINESS, longer, now, "hours") is over


def test_a_tighter_policy_makes_nobody_late_at_once() -> None:
    tight = SlaPolicy("tight", 2, {"normal": 5 * MINUTE}, basis="elapsed")
    started = clock(urgency="normal")

    assert recompute(started, tight, ALWAYS, TUESDAY + HOUR, "policy").due_at == TUESDAY + 70 * MINUTE
    assert recompute(started, tight, ALWAYS, TUESDAY + 85 * MINUTE, "policy").due_at == TUESDAY + 90 * MINUTE
    dropped = recompute(started, SlaPolicy("no", targets={"normal": None}), ALWAYS, TUESDAY, "policy")
    assert (dropped.state, dropped.reason) == ("canceled", "policy")
