"""The fewest agents that keep a promise: enough, and not one too many."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from msgspec.structs import replace

from libs.common.events import Labels
from services.router.domain.eligibility import Agent
from services.router.domain.setup import Setup
from services.router.domain.simulation.floor import Floor
from services.router.domain.simulation.rehearsed import Things, rehearsed
from services.router.domain.simulation.report import report_of
from services.router.domain.simulation.staffing import Group, Staffing, generalists, roster, staffing
from services.router.domain.simulation.traffic import Arrival, Case, Handling, Promise, Worker, heard

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
PROMISE = Promise(0.8, 1800)


def traffic(days: int = 3, a_day: int = 120, seed: int = 2) -> list[Arrival]:
    """Busy from 8 to 20, in two languages."""
    chance = Random(seed)
    handling = Handling(600, 0.6)
    return [
        heard(
            Labels(language=chance.choice(["fr", "fr", "en"]), intent="complaint", needs_response=True, urgency="high"),
            handling,
            network="x",
            post_id=f"{day}-{number}",
            handle="acme",
            author_id=f"{day}-{number}",
            thread_id="",
            posted_at=MONDAY + timedelta(days=day, seconds=8 * 3600 + chance.randrange(12 * 3600)),
        )
        for day in range(days)
        for number in range(a_day)
    ]


def set_up(changes: Mapping[str, Things]) -> Setup:
    return rehearsed(Setup(), (), changes, MONDAY)[0]


SPOKEN = set_up(
    {
        "routing-policies": {
            "main": {
                "rules": [
                    {"name": "spoken", "queue": "default", "steps": [{"requires": [{"skill": "lang:{language}"}]}]}
                ]
            }
        }
    }
)


def kept(case: Case, workers: list[Worker]) -> float:
    floor = Floor(case, workers)
    floor.run()
    return report_of(floor, promise=PROMISE).total.kept or 0.0


def one_less(found: Staffing) -> Iterator[list[Group]]:
    """Every way to send one agent home for one hour of the day."""
    for number, group in enumerate(found.groups):
        for kind in ("weekday", "weekend"):
            for hour, n in enumerate(getattr(group, kind)):
                if n:
                    day = list(getattr(group, kind))
                    day[hour] -= 1
                    yield [*found.groups[:number], replace(group, **{kind: tuple(day)}), *found.groups[number + 1 :]]


@pytest.mark.parametrize("setup", [Setup(), SPOKEN], ids=["anybody", "by language"])
def test_the_promise_is_kept_and_one_agent_less_breaks_it(setup: Setup) -> None:
    case = Case(setup, traffic())
    found = staffing(case, PROMISE)
    assert found.minimal
    assert kept(case, roster(case, found.groups)) == found.share >= PROMISE.share
    fewer = list(one_less(found))
    assert len(fewer) > 10
    assert all(kept(case, roster(case, groups)) < PROMISE.share for groups in fewer)


def test_each_language_gets_people_who_speak_it() -> None:
    found = staffing(Case(SPOKEN, traffic()), PROMISE)
    french, english = sorted(found.groups, key=lambda group: -sum(group.weekday))
    assert (french.skills, english.skills) == ({"lang:fr": 1}, {"lang:en": 1})
    assert sum(french.weekday) > sum(english.weekday) > 0
    assert not any(found.groups[0].weekend)  # nothing came on a Saturday
    assert found.agent_hours_a_week == 5 * (sum(french.weekday) + sum(english.weekday))


def test_round_the_clock_is_the_smallest_number_that_is_always_there() -> None:
    case = Case(Setup(), traffic())
    found = staffing(case, PROMISE)
    assert found.round_the_clock is not None
    assert kept(case, generalists(case, found.round_the_clock)) >= PROMISE.share
    assert kept(case, generalists(case, found.round_the_clock - 1)) < PROMISE.share


def test_people_are_chosen_of_the_kinds_there_are() -> None:
    both = Agent(slug="ana", skills={"lang:fr": 3, "lang:en": 2})
    found = staffing(Case(SPOKEN, traffic()), PROMISE, [both, replace(both, slug="tom")])
    assert [group.skills for group in found.groups] == [{"lang:fr": 3, "lang:en": 2}]


def test_people_work_where_they_may() -> None:
    setup = set_up({"queues": {"fr": {"languages": ["fr"]}, "en": {"languages": ["en"]}}})
    kinds = [Agent(slug="ana", queues=frozenset({"fr"})), Agent(slug="tom", queues=frozenset({"en", "default"}))]
    case = Case(setup, traffic())
    found = staffing(case, PROMISE, kinds)
    assert [group.queues for group in found.groups] == [("fr",), ("default", "en")]
    assert all(sum(group.weekday) > 5 for group in found.groups)
    assert kept(case, roster(case, found.groups)) == found.share >= PROMISE.share


def test_what_no_number_of_people_can_keep_is_said() -> None:
    case = Case(SPOKEN, traffic())
    found = staffing(case, PROMISE, [Agent(slug="ana", skills={"lang:en": 1})])
    assert found.groups == ()
    assert found.round_the_clock is None
    assert 0.2 < found.share < 0.5  # the English third


def test_closed_hours_want_nobody() -> None:
    setup = set_up(
        {
            "business-hours": {"desk": {"week": {"daily": ["10:00-16:00"]}}},
            "queues": {"default": {"hours": "desk"}},
        }
    )
    found = staffing(Case(setup, traffic()), PROMISE)
    [group] = found.groups
    assert [hour for hour, n in enumerate(group.weekday) if n] == list(range(10, 16))


def test_the_search_is_the_same_every_time_and_ends() -> None:
    case = Case(SPOKEN, traffic())
    heard_of: list[int] = []
    found = staffing(case, PROMISE, watch=heard_of.append)
    assert found == staffing(Case(SPOKEN, traffic()), PROMISE)
    assert heard_of == list(range(1, found.runs + 1))
    short = staffing(case, PROMISE, most_runs=12)
    assert not short.minimal
    assert short.share >= PROMISE.share
