"""What a rehearsal shows: figures as queueing theory has them, the same every time, before and after a change."""

from collections.abc import Mapping
from datetime import timedelta
from math import log
from random import Random
from statistics import fmean, median

import msgspec
import pytest

from services.router.domain.eligibility import Agent
from services.router.domain.reading import Unreadable
from services.router.domain.setup import Setup
from services.router.domain.simulation.floor import Floor
from services.router.domain.simulation.rehearsed import Things, rehearsed
from services.router.domain.simulation.report import Report, compare, report_of
from services.router.domain.simulation.traffic import Arrival, Case, Handling, parse_promise
from tests.unit.router.rehearsals import DESK, HOUR, MINUTE, MONDAY, NOON, agent, arrival, ran, set_up

# --- known answers


def test_one_agent_and_random_work_wait_as_long_as_theory_says() -> None:
    """M/M/1: the time from the post to the answer is exponential with rate mu - lambda."""
    chance = Random(7)
    rate, service = 1 / 200, 1 / 100
    at = MONDAY
    arrivals = []
    for number in range(30_000):
        at += timedelta(seconds=chance.expovariate(rate))
        arrivals.append(arrival(number, at, urgency="none", work=chance.expovariate(service)))  # no deadline: in order
    report = report_of(ran(arrivals, [agent("ana")]))
    assert report.total.elapsed.p50_seconds == pytest.approx(log(2) / (service - rate), rel=0.05)
    assert report.total.elapsed.p90_seconds == pytest.approx(log(10) / (service - rate), rel=0.05)
    assert report.agents[0].utilisation == pytest.approx(rate / service, rel=0.03)


def test_fixed_work_waits_half_as_long() -> None:
    """M/D/1, by Pollaczek and Khinchine: the mean wait is rho / (2 mu (1 - rho))."""
    chance = Random(11)
    at = MONDAY
    arrivals = []
    for number in range(30_000):
        at += timedelta(seconds=chance.expovariate(1 / 125))
        arrivals.append(arrival(number, at, urgency="none", work=100))
    records = ran(arrivals, [agent("ana")]).records
    waits = [((r.begun_at or at) - r.item.enqueued_at).total_seconds() for r in records]
    assert fmean(waits) == pytest.approx(0.8 * 100 / (2 * 0.2), rel=0.1)


def test_idle_busy_and_overtime_add_up() -> None:
    shift = (NOON, NOON + HOUR)
    floor = ran([arrival(1, NOON + 55 * MINUTE, work=600)], [agent("ana", shift=shift)], end=NOON + 2 * HOUR)
    [figures] = report_of(floor).agents
    assert (figures.idle_seconds, figures.busy_seconds, figures.overtime_seconds) == (0, 300, 300)
    assert figures.utilisation == 1  # the time of the traffic begins with the first message


# --- reports


def busy_day(number: int = 300) -> list[Arrival]:
    chance = Random(5)
    return [
        arrival(
            n,
            MONDAY + timedelta(seconds=chance.randrange(24 * 3600)),
            urgency=chance.choice(["high", "normal", "low"]),
            language=chance.choice(["fr", "en"]),
            work=Handling(seed=1).seconds(str(n)),
        )
        for n in range(number)
    ]


def encoded(report: Report) -> bytes:
    return msgspec.json.encode(report)


def test_the_same_seed_gives_the_same_report() -> None:
    workers = [agent("ana"), agent("tom")]
    reports = [encoded(report_of(ran(busy_day(), workers), with_items=True)) for _ in range(2)]
    assert reports[0] == reports[1]
    assert reports[0] == encoded(report_of(ran(reversed(busy_day()), workers[::-1]), with_items=True))


def test_a_case_can_be_run_again() -> None:
    case = Case(Setup(), busy_day())
    floors = [Floor(case, [agent("ana")]) for _ in range(2)]
    for floor in floors:
        floor.run()
    assert encoded(report_of(floors[0])) == encoded(report_of(floors[1]))


def test_work_is_log_normal_and_hangs_on_the_seed_and_the_message_alone() -> None:
    drawn = [Handling(240, 0.6, 1).seconds(str(n)) for n in range(4000)]
    assert median(drawn) == pytest.approx(240, rel=0.05)
    assert fmean(map(log, drawn)) == pytest.approx(log(240), rel=0.01)
    assert drawn[:9] == [Handling(240, 0.6, 1).seconds(str(n)) for n in range(9)]
    assert drawn[:9] != [Handling(240, 0.6, 2).seconds(str(n)) for n in range(9)]
    assert Handling(240, 0).seconds("any") == 240


def test_before_and_after_say_what_moved() -> None:
    day = busy_day()
    before = ran(day, [agent("ana")])
    after = ran(day, [agent("ana"), agent("tom")], set_up({"queues": {"english": {"languages": ["en"]}}}))
    both = compare(before, after, promise=parse_promise("72% in 1h"))
    english = sum(each.message.language == "en" for each in day)
    assert both.moved_queue == english
    assert both.moved_agent == both.after.agents[1].answered
    assert both.before.promise == both.after.promise
    assert (both.before.total.kept or 0) < (both.after.total.kept or 0)
    assert sum(figures.items for figures in both.after.hours) == both.after.total.items
    assert [figures.key for figures in both.after.queues] == ["default", "english"]


def test_percentiles_are_by_nearest_rank() -> None:
    people = [agent(f"a{number}") for number in range(10)]
    report = report_of(ran([arrival(n, work=60 * (n + 1)) for n in range(10)], people))
    assert (report.total.elapsed.p50_seconds, report.total.elapsed.p80_seconds) == (300, 480)
    assert report.total.elapsed.p90_seconds == 540


def test_nothing_to_rehearse_is_said() -> None:
    with pytest.raises(ValueError, match="no message"):
        Case(Setup(), busy_day(), MONDAY + 48 * HOUR)


@pytest.mark.parametrize(
    ("text", "share", "seconds"),
    [("72% in 1h", 0.72, 3600), ("90 % in 15 min", 0.9, 900), ("99.5% in 90s", 0.995, 90), ("80%  in 1.5H", 0.8, 5400)],
)
def test_a_promise_is_read(text: str, share: float, seconds: float) -> None:
    promise = parse_promise(text)
    assert promise.share == pytest.approx(share)
    assert promise.within_seconds == seconds


@pytest.mark.parametrize("text", ["", "72", "72% in", "0% in 1h", "101% in 1h", "72% in 0s", "72% in 1 fortnight"])
def test_what_is_no_promise_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="72% in 1h"):
        parse_promise(text)


# --- what is changed


def test_a_change_replaces_what_has_its_name_and_leaves_the_rest() -> None:
    was, _ = rehearsed(Setup(), (), {"queues": {"fr": {"languages": ["fr"]}, "en": {"languages": ["en"]}}}, MONDAY)
    becomes, people = rehearsed(
        was,
        [Agent(slug="ana", presence="away", used=2), Agent(slug="tom")],
        {"queues": {"fr": {"languages": ["fr", "it"]}, "en": None}, "agents": {"tom": None, "zoe": {"skills": ["it"]}}},
        MONDAY,
    )
    assert sorted(becomes.queues) == ["default", "fr"]
    assert becomes.queues["fr"].languages == ("fr", "it")
    assert [(worker.agent.slug, worker.agent.presence, worker.agent.used) for worker in people] == [
        ("ana", "available", 0), ("zoe", "available", 0),
    ]  # fmt: skip
    assert people[1].agent.skills == {"it": 1}


@pytest.mark.parametrize(
    ("changes", "place", "fix"),
    [
        ({"queus": {}}, "$.queus", 'did you mean "queues"?'),
        ({"queues": {"fr": {"langages": ["fr"]}}}, "$.queues.fr.langages", 'did you mean "languages"?'),
        ({"queues": {"fr": {"hours": "dsk"}}, "business-hours": {"desk": DESK}}, "$.queues.fr.hours", '"desk"?'),
        ({"agents": {"ana": {"hours": "dsk"}}, "business-hours": {"desk": DESK}}, "$.agents.ana.hours", '"desk"?'),
        ({"agents": {"ana": {"capacity": 0}}}, "$.agents.ana.capacity", "at least 1"),
        ({"queues": []}, "$.queues", "slug"),
    ],
)
def test_a_mistake_is_told_with_its_place(changes: Mapping[str, Things], place: str, fix: str) -> None:
    with pytest.raises(Unreadable) as told:
        set_up(changes)
    [mistake] = told.value.mistakes
    assert mistake.path == place
    assert fix in mistake.fix
