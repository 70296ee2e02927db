"""The expected wait: its arithmetic, its edges, and what is published of it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from msgspec.structs import replace as changed

from services.router.domain.hours import ALWAYS, Hours, after_open, hours_from, open_intervals
from services.router.domain.order import LIFT_AFTER
from services.router.domain.pace import (
    ARRIVALS_FADE,
    CLASSES,
    GAP,
    Hour,
    Outlook,
    Pace,
    Profile,
    Seen,
    Speed,
    look,
    outlook,
    profile_of,
    speed,
)
from services.router.domain.promises import (
    MOST,
    REGIMES,
    UNCORRECTED,
    Memory,
    Outcome,
    Shown,
    due_at,
    factors,
    in_force,
    may_publish,
    publish,
    round_up,
    turn,
    wall_seconds,
)
from services.router.domain.public import moment_text, opening_text, span_text, wait_text
from services.router.domain.waits import Expected, Known, MoreThan, Served, Unknown, expected, posted_a_second

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OFFICE = hours_from("office", "UTC", {"mon-fri": ["09:00-18:00"]})
HIGH, NORMAL, LOW = 1, 2, 3
TEN_MINUTES = Served(idle=(600.0,) * 30, handled=(600.0,) * 30)
SIX_AN_HOUR = Speed(each=6 / 3600, replies=10_000.0)  # surely so


def waiting(**classes: int) -> tuple[int, ...]:
    names = ("critical", "high", "normal", "low", "none")
    return tuple(classes.get(name, 0) for name in names)


def seen(at: datetime = MONDAY, *, agents: int = 2, room: int = 0, **classes: int) -> Seen:
    return Seen(at, True, agents, room, waiting(**classes))


def ahead(
    *, at: datetime = MONDAY, hours: Hours = ALWAYS, agents: int = 2, arrivals: tuple[float, ...] = (0.0,) * CLASSES
) -> Outlook:
    """So many agents, and so many posts an hour by class, from now on."""
    pace = Pace(at=at, staff=float(agents), watched=3600.0, arrived=arrivals)
    return outlook(at, open_intervals(hours, at, at + timedelta(days=15)), pace, Profile(), UTC, agents)


def wait(number: int, what: Seen, outlook_: Outlook | None = None, mu: Speed | None = SIX_AN_HOUR) -> Expected:
    return expected(number, what, TEN_MINUTES, outlook_ or ahead(at=what.at, agents=what.agents), mu)


def p50(found: Expected) -> float:
    assert isinstance(found, Known), found
    return found.quantiles[0] / 60


# --- the formula


def test_with_somebody_free_and_nobody_ahead_it_is_what_such_items_waited() -> None:
    served = Served(idle=tuple(float(n) for n in range(60, 660, 6)))

    found = expected(NORMAL, seen(room=1), served, ahead(), None)

    assert isinstance(found, Known)
    assert found.regime == "idle"
    assert found.quantiles == pytest.approx((360, 540, 600), abs=12)


@pytest.mark.parametrize(
    ("what", "minutes"),
    [
        (seen(), 5 + 10),  # one start at 12 an hour, then ten minutes for the reply
        (seen(normal=11), 60 + 10),
        (seen(high=5, normal=6, low=50), 60 + 10),
        (seen(agents=4, normal=11), 30 + 10),
        (seen(normal=12, room=1), 60 + 10),
    ],
)
def test_it_is_the_time_of_all_starts_ahead_and_of_one_reply(what: Seen, minutes: float) -> None:
    assert p50(wait(NORMAL, what)) == pytest.approx(minutes, abs=3)


def test_who_is_more_urgent_and_comes_later_comes_first() -> None:
    six_an_hour_above = ahead(arrivals=(0.0, 6.0, 0.0, 0.0, 0.0))

    alone, overtaken = wait(NORMAL, seen(normal=11)), wait(NORMAL, seen(normal=11), six_an_hour_above)

    assert p50(overtaken) - 10 == pytest.approx(2 * (p50(alone) - 10), rel=0.1)
    assert wait(HIGH, seen(high=11), six_an_hour_above) == wait(HIGH, seen(high=11))


def test_where_more_comes_above_than_is_done_it_is_more_than_so_many_hours() -> None:
    found = wait(NORMAL, seen(normal=11), ahead(arrivals=(0.0, 13.0, 0.0, 0.0, 0.0)))

    assert isinstance(found, MoreThan)
    assert found.hours >= 1


def test_the_quantiles_are_apart_the_more_the_less_is_known() -> None:
    sure = wait(NORMAL, seen(normal=11))
    unsure = wait(NORMAL, seen(normal=11), mu=Speed(6 / 3600, 4.0))

    assert isinstance(sure, Known)
    assert isinstance(unsure, Known)
    assert sure.quantiles[0] < sure.quantiles[1] < sure.quantiles[2]
    assert unsure.quantiles[1] / unsure.quantiles[0] > sure.quantiles[1] / sure.quantiles[0]


def test_the_networks_posting_budget_caps_the_rate() -> None:
    free = wait(NORMAL, seen(normal=11))
    capped = expected(NORMAL, seen(normal=11), TEN_MINUTES, ahead(), SIX_AN_HOUR, most_a_second=6 / 3600)

    assert p50(capped) - 10 == pytest.approx(2 * (p50(free) - 10), rel=0.05)


def test_what_gets_late_stands_behind_those_who_come_later() -> None:
    crowd = ahead(arrivals=(0.0, 0.0, 9.0, 0.0, 0.0))
    never_late = expected(NORMAL, seen(normal=23), TEN_MINUTES, crowd, SIX_AN_HOUR)
    late = expected(NORMAL, seen(normal=23), TEN_MINUTES, crowd, SIX_AN_HOUR, target_seconds=3600.0)

    assert p50(late) > 1.5 * p50(never_late)


@pytest.mark.parametrize(
    ("what", "served", "reason"),
    [
        (seen(room=1), Served(idle=(60.0,) * 19, handled=(60.0,) * 19), "few_samples"),
        (seen(agents=0), TEN_MINUTES, "nobody_available"),
        (seen(agents=0, normal=5), TEN_MINUTES, "nobody_available"),
    ],
)
def test_what_is_not_known_is_said_to_be_unknown(what: Seen, served: Served, reason: str) -> None:
    assert expected(NORMAL, what, served, ahead(), SIX_AN_HOUR) == Unknown(reason)


def test_while_closed_somebody_must_be_expected_to_come() -> None:
    closed = changed(seen(agents=0, normal=5), open=False)

    assert wait(NORMAL, closed, ahead(at=MONDAY - HOUR, hours=OFFICE, agents=0)) == Unknown("nobody_available")


def test_hours_that_never_open_have_no_wait() -> None:
    closed = changed(seen(), open=False)
    past = hours_from("past", "UTC", {}, exceptions={"2020-01-01": ["09:00-10:00"]})

    assert wait(NORMAL, closed, ahead(hours=past)) == Unknown("never_open")


def test_waiting_lifts_over_a_closed_weekend() -> None:
    saturday = MONDAY + timedelta(days=5)
    closed = Seen(saturday, False, 0, 0, waiting(high=10))
    many_complaints = ahead(at=saturday, hours=OFFICE, arrivals=(0.0, 3.0, 0.0, 0.0, 0.0))

    assert timedelta(days=2) > 3 * LIFT_AFTER
    assert p50(wait(LOW, closed, many_complaints)) == p50(wait(HIGH, closed, many_complaints))


# --- how fast, and what comes


def test_the_rate_counts_replies_only_while_somebody_is_kept_waiting() -> None:
    pace = Pace()
    for minute in range(61):
        now = seen(MONDAY + minute * MINUTE, normal=5 if minute < 31 else 0, room=0 if minute < 31 else 2)
        pace, _ = look(pace, changed(now, replied=1))

    found = speed(pace, Profile(), None)

    assert found is not None
    assert found.each * 3600 == pytest.approx(30)  # one a minute, by two


def test_the_rate_is_blended_with_the_weeks_before() -> None:
    pace = Pace(replies=30.0, worked=3600.0)
    history = Profile(replies=400.0, worked=400 * 360.0)

    found = speed(pace, history, None)

    assert found is not None
    assert found.each * 3600 == pytest.approx((30 + 30) / (3600 + 30 * 360) * 3600)


def test_where_nothing_ever_waited_a_reply_takes_as_long_as_it_takes() -> None:
    assert speed(Pace(), Profile(), 600.0) == Speed(1 / 600, 3.0)
    assert speed(Pace(), Profile(), None) is None


def test_what_nobody_saw_is_not_counted() -> None:
    pace, _ = look(Pace(), seen(normal=5))

    after, more = look(pace, changed(seen(MONDAY + timedelta(seconds=GAP + 1), normal=5), replied=9, arrived=(9,) * 5))

    assert more is None
    assert (after.replies, after.watched) == (0, 0)


def test_a_crisis_counts_within_minutes() -> None:
    pace, _ = look(Pace(), seen())
    for minute in range(1, 16):
        pace, _ = look(pace, changed(seen(MONDAY + minute * MINUTE), arrived=(0, 2, 0, 0, 0)))

    assert ARRIVALS_FADE <= 900
    assert pace.arrived[HIGH] / pace.watched == pytest.approx(2 / 60)


def test_the_same_hour_of_the_week_says_who_comes_tomorrow() -> None:
    tuesday_ten = MONDAY + timedelta(days=1, hours=1)
    weeks = [
        Hour(tuesday_ten - timedelta(weeks=n), 3600.0, 4 * 3600.0, 0.0, 0.0, 3600.0, (0.0, 7.2, 0.0, 0.0, 0.0))
        for n in range(1, 5)
    ]
    intervals = open_intervals(OFFICE, MONDAY, MONDAY + timedelta(days=15))

    found = outlook(MONDAY, intervals, Pace(staff=1.0), profile_of(weeks, UTC), UTC, 1)

    piece = int(np.argmax(found.staff))
    assert found.staff[piece] == pytest.approx(4)
    assert found.arrivals[HIGH][piece] * 3600 == pytest.approx(7.2)


# --- what is published


@pytest.mark.parametrize(
    ("seconds", "rounded"),
    [(0, 300), (1, 300), (300, 300), (301, 600), (3600, 3600), (3601, 4500), (4500, 4500), (50_000, 50_400)],
)
def test_it_is_rounded_up(seconds: float, rounded: int) -> None:
    assert round_up(seconds) == rounded


def known(p80: float) -> Shown:
    return Shown("known", p80 / 2, p80, p80 * 1.2, (p80 / 2, p80, p80 * 1.2), "line", reason="")


def test_a_change_is_published_when_two_looks_differ_by_more_than_a_fifth() -> None:
    shown = publish(Shown(), known(1800), MONDAY)
    said = []
    for minute, p80 in enumerate([2100, 2700, 1800, 2700, 2700, 2700, 3000]):
        shown = publish(shown, known(p80), MONDAY + minute * MINUTE)
        said.append(shown.p80)

    assert said == [1800, 1800, 1800, 1800, 2700, 2700, 2700]


def test_unknown_is_published_as_any_other_change() -> None:
    shown = publish(Shown(), known(1800), MONDAY)

    once = publish(shown, Shown(reason="nobody_available"), MONDAY + MINUTE)
    twice = publish(once, Shown(reason="nobody_available"), MONDAY + 2 * MINUTE)

    assert (once.state, twice.state) == ("known", "unknown")


@pytest.mark.parametrize(
    ("joined", "due"),
    [
        (MONDAY, MONDAY + 30 * MINUTE),
        (MONDAY + timedelta(hours=8, minutes=45), MONDAY + timedelta(days=1, minutes=15)),  # half of it tomorrow
        (MONDAY + timedelta(days=4, hours=9), MONDAY + timedelta(days=7, minutes=30)),  # Friday at 18:00
    ],
)
def test_a_promise_rolls_over_closing(joined: datetime, due: datetime) -> None:
    assert due_at(known(1800), OFFICE, joined) == due
    assert after_open(OFFICE, joined, 30 * MINUTE) == due


def test_nothing_is_due_where_nothing_is_known() -> None:
    assert due_at(Shown(), OFFICE, MONDAY) is None
    assert wall_seconds(OFFICE, 60, MONDAY) == 300


def test_what_was_published_before_holds_for_who_joined_before() -> None:
    memory = Memory(
        shown=(changed(known(2700), since=MONDAY + MINUTE),) * 4, before=(changed(known(1800), since=MONDAY),) * 4
    )

    assert in_force(memory, NORMAL, MONDAY + MINUTE / 2).p80 == 1800
    assert in_force(memory, NORMAL, MONDAY + MINUTE).p80 == 2700


def outcomes(*ratios: float) -> list[Outcome]:
    return [Outcome("line", (500.0, 1000.0, 1500.0), 1000.0 * ratio) for ratio in ratios]


def test_the_ledger_corrects_so_that_four_fifths_would_have_been_kept() -> None:
    found = factors(outcomes(*[n / 50 for n in range(100)]), "line")

    assert found[1] == pytest.approx(81 / 50, abs=0.03)
    assert sum(n / 50 <= found[1] for n in range(100)) >= 80


def test_with_few_outcomes_nothing_is_corrected_and_never_by_much() -> None:
    assert factors(outcomes(*[2.0] * 19), "line") == UNCORRECTED
    assert factors(outcomes(*[50.0] * 30), "line")[1] == MOST


def test_the_latest_outcomes_count() -> None:
    assert factors(outcomes(*[4.0] * 300, *[1.5] * 200), "line")[1] == 1.5


@pytest.mark.parametrize(
    ("setting", "days", "kept", "published"),
    [("on", 0, 0, True), ("off", 30, 100, False), ("auto", 14, 80, True), ("auto", 13, 100, False),
     ("auto", 14, 79, False)],
)  # fmt: skip
def test_it_is_public_after_fourteen_days_that_kept_four_fifths(
    setting: str, days: int, kept: int, published: bool
) -> None:
    first = MONDAY - timedelta(days=days) if days else None

    assert may_publish(setting, first, kept, 100, MONDAY) is published


def test_looking_again_at_the_same_changes_nothing_but_the_clock() -> None:
    def again(memory: Memory, minute: int) -> Memory:
        return turn(
            memory, seen(MONDAY + minute * MINUTE, room=2), ALWAYS, UTC, served=TEN_MINUTES, profile=Profile(),
            corrections=dict.fromkeys(REGIMES, UNCORRECTED), targets=(None,) * 4,
        )  # fmt: skip

    once = again(Memory(), 0)
    later = again(again(once, 1), 2)

    assert later.shown == once.shown
    assert once.idle == (True,) * 4


# --- what people read


@pytest.mark.parametrize(
    ("seconds", "fr", "en"),
    [(300, "5 minutes", "5 minutes"), (3600, "1 h", "1 h"), (5400, "1 h 30", "1 h 30"),
     (50_400, "14 h", "14 h"), (140_400, "1 jour 15 h", "1 day 15 h"), (172_800, "2 jours", "2 days")],
)  # fmt: skip
def test_spans_in_both_languages(seconds: int, fr: str, en: str) -> None:
    assert (span_text(seconds, "fr"), span_text(seconds, "en")) == (fr, en)


def test_opening_is_said_with_the_day_and_the_zone() -> None:
    tomorrow = MONDAY + timedelta(days=1, minutes=30)

    assert moment_text(MONDAY + 9 * HOUR, MONDAY, UTC, "fr") == "18 h (UTC)"
    assert opening_text(False, tomorrow, MONDAY, UTC, "fr") == "Fermé ; ouvre mardi 3 mars à 9 h 30 (UTC)."
    assert opening_text(False, tomorrow, MONDAY, UTC, "en") == "Closed; opens Tuesday 3 March at 09:30 (UTC)."
    assert opening_text(True, None, MONDAY, UTC, "fr") == "Ouvert en permanence."


def test_what_is_not_known_is_said_so() -> None:
    assert wait_text("unknown", None, 0, "fr") == "Temps de réponse : pas encore connu."
    assert "more than 3" in wait_text("more_than", None, 3, "en")


@pytest.mark.parametrize(
    ("senders", "a_second"),
    [
        ([("x", "acme")], 100 / 900),
        ([("x", "acme"), ("x", "acme_fr")], 200 / 900),
        ([("x", "acme"), ("crm", "acme")], None),
        ([], None),
    ],
)
def test_what_the_networks_let_us_post_is_the_sum_of_handles(
    senders: list[tuple[str, str]], a_second: float | None
) -> None:
    assert posted_a_second(senders, {"x": 100}) == a_second
