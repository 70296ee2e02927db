"""Clocks, deadlines and warnings in any hours, under any policy, at any moment."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.clocks import (
    Recomputed,
    SlaPolicy,
    breach,
    cancel,
    counted,
    deadline,
    impossible,
    pause,
    recompute,
    resume,
    retarget,
    stop_clock,
    target_of,
    warnings,
    warnings_due,
)
from services.router.domain.hours import ALWAYS, Hours, is_open, open_seconds
from tests.unit.router.clocks import QUARTERS, TICK, ahead, clock, intents, policies, urgencies
from tests.unit.router.weeks import DAY, MINUTE, examples, moments


@given(moments(), policies, urgencies, intents)
@examples(800, 80)
def test_a_deadline_is_the_earliest_that_gives_the_target(
    moment: tuple[Hours, datetime], policy: SlaPolicy, urgency: str, intent: str
) -> None:
    hours, start = moment
    target = target_of(policy, urgency, intent)
    assert target is not None

    due = deadline(policy, hours, urgency, intent, start)

    if policy.basis == "elapsed" or urgency == "critical":
        assert due == start + min(target, DAY)
    elif due is None:
        assert open_seconds(hours, start, start + 1830 * DAY) < target.total_seconds()
    else:
        given_seconds = open_seconds(hours, start, due)
        capped = urgency == "low" and due == start + DAY
        assert capped or given_seconds == target.total_seconds()
        assert open_seconds(hours, start, due - TICK) < target.total_seconds()
        assert urgency != "low" or due <= start + DAY


@given(moments(), policies, urgencies, intents, st.lists(st.tuples(st.sampled_from("pprsbc"), ahead), max_size=8))
@examples(800, 80)
def test_a_clock_is_counted_once(
    moment: tuple[Hours, datetime], policy: SlaPolicy, urgency: str, intent: str, story: list[tuple[str, timedelta]]
) -> None:
    hours, now = moment
    held = clock(policy, hours, urgency, intent, now)
    outcomes = []
    for act, more in story:
        now += more
        match act:
            case "p":
                held = pause(held, now)
            case "r":
                held = resume(held, hours, now)
            case "s":
                held = stop_clock(held, now)
            case "b":
                held = breach(held, now)
            case _:
                held = cancel(held, "told", now)
        outcomes.append(counted(held, now))
    first = next((index for index, outcome in enumerate(outcomes) if outcome), len(outcomes))

    assert len(set(outcomes[first:])) <= 1


@given(moments(), policies, urgencies, intents, st.tuples(ahead, ahead))
@examples(800, 80)
def test_a_pause_takes_nothing_from_the_target(
    moment: tuple[Hours, datetime], policy: SlaPolicy, urgency: str, intent: str, times: tuple[timedelta, timedelta]
) -> None:
    hours, start = moment
    started = clock(policy, hours, urgency, intent, start)
    paused_at, resumed_at = start + times[0], start + times[0] + times[1]

    held = resume(pause(started, paused_at), hours, resumed_at)

    if started.due_at is None or paused_at > started.due_at or held.due_at is None:
        return
    calendar = hours if started.basis == "business" else ALWAYS
    still = open_seconds(calendar, paused_at, resumed_at)
    assert held.paused_seconds == still
    before, after = open_seconds(calendar, start, started.due_at), open_seconds(calendar, start, held.due_at)
    assert after - before == still
    assert held.due_at >= started.due_at


@given(moments(), policies, urgencies, urgencies, intents, ahead)
@examples(900, 80)
def test_a_change_of_urgency_follows_the_rule(
    moment: tuple[Hours, datetime], policy: SlaPolicy, urgency: str, new: str, intent: str, later: timedelta
) -> None:
    hours, start = moment
    started, now = clock(policy, hours, urgency, intent, start), start + later
    wanted = deadline(policy, hours, new, intent, start)

    moved = retarget(started, policy, hours, new, now, "told")

    if started.due_at is not None and now > started.due_at:
        assert moved.state == "breached"
        return
    order = ["critical", "high", "normal", "low"]
    expected = max(wanted, now + 10 * MINUTE) if wanted is not None else None
    if order.index(new) <= order.index(urgency) and started.due_at is not None:
        expected = min(started.due_at, expected) if expected is not None else started.due_at
        assert moved.due_at is not None
        assert moved.due_at <= started.due_at
    assert moved.due_at == expected
    assert moved.urgency == new
    assert breach(moved, now) == moved


@given(moments(), moments(), policies, policies, urgencies, intents, ahead)
@examples(800, 80)
def test_new_policies_and_hours_make_nobody_late_at_once(
    moment: tuple[Hours, datetime],
    other: tuple[Hours, datetime],
    policy: SlaPolicy,
    new: SlaPolicy,
    urgency: str,
    intent: str,
    later: timedelta,
) -> None:
    (hours, start), (new_hours, _) = moment, other
    started, now = clock(policy, hours, urgency, intent, start), start + later

    moved = recompute(started, new, new_hours, now, "told")

    if started.due_at is not None and now > started.due_at:
        assert moved == breach(started, now)
        return
    wanted = deadline(new, new_hours, urgency, intent, start)
    floor = now + 10 * MINUTE if started.due_at is None else min(started.due_at, now + 10 * MINUTE)
    assert moved.due_at == (max(wanted, floor) if wanted is not None else None)
    assert moved == started or moved.history[-1] == Recomputed(now, started.due_at, "told", policy.version)


@given(moments(), policies, urgencies, intents, ahead, st.sampled_from([0, 0.5, 0.75, 1.0]))
@examples(800, 80)
def test_warnings_come_in_order_at_their_share_of_the_time_and_late_ones_as_one(
    moment: tuple[Hours, datetime], policy: SlaPolicy, urgency: str, intent: str, later: timedelta, already: float
) -> None:
    hours, start = moment
    started, now = clock(policy, hours, urgency, intent, start), start + later

    every = warnings(started, hours, QUARTERS, start - TICK)
    coming = warnings(started, hours, QUARTERS, now, already)
    late = warnings_due(started, hours, QUARTERS, already, now)

    if started.due_at is None:
        assert (every, coming, late) == ((), (), None)
        return
    assert [each.fraction for each in every] == list(QUARTERS)
    assert [each.at for each in every] == sorted(each.at for each in every)
    assert every[-1].at == started.due_at
    whole = open_seconds(hours, start, started.due_at) if started.basis == "business" else 0.0
    calendar = hours if whole else ALWAYS
    for each in every[:-1]:
        used, wanted = (
            open_seconds(calendar, start, each.at),
            each.fraction * open_seconds(calendar, start, started.due_at),
        )
        assert used == pytest.approx(wanted, abs=1e-5)
    past = [each for each in every if each.at <= now and each.fraction > already]
    assert late == (past[-1] if past else None)
    assert coming == tuple(each for each in every if each.at > now and each.fraction > already)


@given(moments(), policies)
@examples(300, 60)
def test_what_is_called_impossible_is_so_and_nothing_before_it(
    moment: tuple[Hours, datetime], policy: SlaPolicy
) -> None:
    hours, start = moment

    found = impossible(policy, hours, start)

    until = found.posted_at if found is not None else start + 4 * DAY
    if found is not None:
        assert found.due_at == deadline(policy, hours, found.urgency, found.intent, found.posted_at)
        end = found.due_at if found.due_at is not None else found.posted_at + 1830 * DAY
        assert found.due_at is None or open_seconds(hours, found.posted_at, end) == 0
        assert not is_open(hours, found.posted_at)
    for part in range(8):
        posted_at = start + (until - start) * part / 8
        for urgency in ("high", "normal", "low"):
            due = deadline(policy, hours, urgency, "feedback", posted_at)
            somebody_comes = due is not None and open_seconds(hours, posted_at, due) > 0
            assert posted_at == until or is_open(hours, posted_at) or somebody_comes
