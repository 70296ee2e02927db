"""A rehearsal decides as the router does: order, skills, hours, capacity, conversations."""

from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from services.router.domain.eligibility import Agent, never, parse_line
from services.router.domain.hours import is_open
from services.router.domain.simulation.report import report_of
from services.router.domain.simulation.traffic import Worker
from tests.unit.router.rehearsals import DESK, HOUR, MINUTE, MONDAY, NOON, agent, arrival, ran, set_up, taken

# --- the order, and who may


def test_the_most_urgent_goes_first_then_the_nearest_deadline() -> None:
    waiting = [arrival(2, urgency="low"), arrival(3, NOON + MINUTE, urgency="high"), arrival(4, urgency="high")]
    late_comer = arrival(5, NOON + 2 * MINUTE, urgency="critical")
    floor = ran([arrival(1, NOON - MINUTE), *waiting, late_comer], [agent("ana")])
    assert [item for item, _ in taken(floor)] == ["01", "05", "04", "03", "02"]


def test_every_fifth_pick_is_the_oldest_late_one() -> None:
    begins = arrival(0, NOON - 3 * HOUR, work=3 * 3600)
    late = [arrival(number, NOON - 2 * HOUR + number * MINUTE) for number in range(1, 4)]
    in_time = [arrival(number, NOON - MINUTE, work=1) for number in range(10, 20)]
    records = {r.item.id: r for r in ran([begins, *late, *in_time], [agent("ana")]).records}
    order = sorted(records.values(), key=lambda r: r.begun_at or NOON)
    assert [r.why for r in order[:10]] == ["at_once"] + ["in_time"] * 3 + ["fifth_pick"] + ["in_time"] * 4 + [
        "fifth_pick"
    ]
    assert order[4].item.id == "x/000001"


def test_nobody_gets_what_they_may_not_have() -> None:
    """Whatever happens: skills, opening hours, shifts and capacity hold for everything that is taken."""
    chance = Random(3)
    setup = set_up(
        {
            "business-hours": {"desk": DESK},
            "queues": {
                "fr": {"languages": ["fr"], "hours": "desk", "dispatch": "push"},
                "en": {"languages": ["en"]},
            },
            "routing-policies": {
                "main": {
                    "rules": [
                        {
                            "name": "money",
                            "queue": "fr",
                            "when": {"topics": ["billing"]},
                            "steps": [
                                {"requires": [{"skill": "lang:{language}", "level": 2}], "expires_after_seconds": 1800}
                            ],
                            "weight": 2,
                        }
                    ]
                }
            },
        }
    )
    arrivals = [
        arrival(
            number,
            MONDAY + timedelta(minutes=chance.randrange(3 * 24 * 60)),
            urgency=chance.choice(["critical", "high", "normal", "low", "none"]),
            language=chance.choice(["fr", "en", "de"]),
            topics=chance.choice([("billing",), ()]),
            author=f"jo {chance.randrange(120)}",
            work=chance.expovariate(1 / 900),
        )
        for number in range(600)
    ]
    day = (MONDAY + 8 * HOUR, MONDAY + 60 * HOUR)
    workers = [agent("ana", 3, lang_fr=3), agent("tom", 2, lang_en=1, shift=day), agent("zoe", 1, shift=day)]
    floor = ran(arrivals, workers, setup)
    by_slug = {worker.agent.slug: worker for worker in workers}
    assert len(floor.records) > 300
    held: list[tuple[datetime, int, str]] = []
    for record in floor.records:
        item = record.item
        assert record.person is not None
        assert record.taken_at is not None
        assert record.answered_at is not None
        worker = by_slug[record.person.slug]
        queue, team, needs = parse_line(item.line)
        assert never(worker.agent, queue=queue, team=team, needs=needs) is None
        assert is_open(setup.hours_of(setup.queues[queue]), record.taken_at)
        assert worker.shifts is None or worker.shifts[0][0] <= record.taken_at < worker.shifts[0][1]
        held.append((record.taken_at, item.weight, worker.agent.slug))
        held.append((record.answered_at, -item.weight, worker.agent.slug))
    used = dict.fromkeys(by_slug, 0)
    for _, units, slug in sorted(held):  # at the same moment what is given back comes first
        used[slug] += units
        assert used[slug] <= by_slug[slug].agent.capacity


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_the_books_balance(seed: int) -> None:
    """Offers, wrap-ups, time-outs, overflow, shifts and people who write again, all at once."""
    chance = Random(seed)
    setup = set_up(
        {
            "business-hours": {"desk": DESK},
            "queues": {
                "fr": {
                    "languages": ["fr"], "hours": "desk", "dispatch": chance.choice(["push", "assign", "pull"]),
                    "wrap_up_seconds": 300, "first_reply_seconds": 900, "overflow": "default", "on_call": "night",
                },
                "en": {"languages": ["en"], "wrap_up_seconds": 60, "dispatch": "push", "supervisor": "night"},
                "night": {},
            },
            "routing-policies": {
                "main": {
                    "rules": [{"name": "heavy", "queue": "en", "when": {"topics": ["billing"]}, "weight": 2,
                               "steps": [{"requires": [{"skill": "money"}], "expires_after_seconds": 900}]}]
                }
            },
        }
    )  # fmt: skip
    arrivals = [
        arrival(
            number,
            MONDAY + timedelta(seconds=chance.randrange(3 * 24 * 3600)),
            urgency=chance.choice(["critical", "high", "normal", "low", "none"]),
            language=chance.choice(["fr", "en", "de"]),
            topics=chance.choice([("billing",), ()]),
            author=f"jo {chance.randrange(80)}",
            work=chance.expovariate(1 / 1200),
            set_aside=chance.random() < 0.1,
        )
        for number in range(500)
    ]
    shifts = [(MONDAY + hour * HOUR, MONDAY + (hour + 9) * HOUR) for hour in (7, 31, 55)]
    workers = [
        Worker(Agent(slug="ana", capacity=4, skills={"money": 2}), tuple(shifts)),
        Worker(Agent(slug="tom", capacity=2), tuple((on + 3 * HOUR, off + 3 * HOUR) for on, off in shifts)),
        Worker(Agent(slug="zoe", capacity=3)),
    ]
    floor = ran(arrivals, workers, setup)
    answered = [record for record in floor.records if record.answered_at is not None]
    assert len(floor.records) + floor.joined + floor.set_aside == 500
    assert sum(record.messages for record in floor.records) == len(floor.records) + floor.joined
    assert sum(person.given for person in floor.people) == len(answered) == len(floor.records)
    assert all(person.used == 0 and not person.todo and not person.wrapping for person in floor.people)
    assert all(queue.waiting == 0 for queue in floor.queues.values())
    for person in floor.people:
        spans = sorted((r.begun_at or NOON, r.answered_at or NOON) for r in answered if r.person is person)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_what_nobody_can_do_is_named() -> None:
    setup = set_up(
        {
            "routing-policies": {
                "main": {
                    "rules": [
                        {
                            "name": "refunds",
                            "queue": "default",
                            "when": {"topics": ["cancellation_refund"]},
                            "steps": [{"requires": [{"skill": "refunds", "level": 2}]}],
                        }
                    ]
                }
            }
        }
    )
    floor = ran([arrival(1), arrival(2, topics=("cancellation_refund",))], [agent("ana", refunds=1)], setup)
    report = report_of(floor)
    [gap] = report.gaps
    assert (gap.queue, gap.reason) == ("default", "nobody has refunds >= 2")
    assert (gap.items, gap.unanswered) == (1, 1)
    assert (report.total.items, report.total.answered) == (2, 1)
    assert report.total.elapsed.p90_seconds is None  # who was never answered waited longest
    assert report.total.breached == 1


def test_a_step_that_expires_lets_others_take_it() -> None:
    step = {"requires": [{"skill": "refunds", "level": 2}], "expires_after_seconds": 1200}
    rules = [{"name": "all", "queue": "default", "steps": [step]}]
    floor = ran([arrival(1)], [agent("ana")], set_up({"routing-policies": {"main": {"rules": rules}}}))
    [record] = floor.records
    assert record.taken_at == NOON + 20 * MINUTE
    assert [(gap.items, gap.unanswered) for gap in report_of(floor).gaps] == [(1, 0)]


def test_what_is_late_comes_to_those_who_supervise() -> None:
    queues = {"fr": {"languages": ["fr"], "supervisor": "leads"}, "leads": {}}
    rules = [{"name": "all", "queue": "fr", "steps": [{"requires": [{"skill": "rare"}]}]}]
    setup = set_up({"queues": queues, "routing-policies": {"main": {"rules": rules}}})
    [record] = ran([arrival(1)], [agent("lea")], setup).records
    assert record.taken_at is not None
    assert timedelta(0) < record.taken_at - (NOON + 90 * MINUTE) < timedelta(seconds=1)


# --- hours


def test_what_comes_at_night_waits_for_the_morning() -> None:
    setup = set_up({"business-hours": {"desk": DESK}, "queues": {"default": {"hours": "desk"}}})
    night = MONDAY + 20 * HOUR
    floor = ran([arrival(1, night)], [agent("ana")], setup)
    figures = report_of(floor).total
    assert figures.elapsed.p50_seconds == 13 * 3600 + 300
    assert figures.opening.p50_seconds == 300
    assert figures.within_1h == 1


def test_who_goes_ends_what_they_write_and_gives_back_the_rest() -> None:
    setup = set_up({"queues": {"default": {"dispatch": "assign"}}})
    ana = agent("ana", 3, shift=(NOON, NOON + 10 * MINUTE))
    zoe = agent("zoe", 3, shift=(NOON + HOUR, NOON + 5 * HOUR))
    floor = ran([arrival(number, work=900) for number in (1, 2, 3)], [ana, zoe], setup)
    assert taken(floor) == [("01", "ana"), ("02", "zoe"), ("03", "zoe")]
    assert [p.given for p in floor.people] == [1, 2]
    assert floor.records[0].answered_at == NOON + 15 * MINUTE


# --- dispatch, capacity, conversations


def test_experts_stay_free_where_we_choose_and_not_where_people_take() -> None:
    people = [agent("ana", lang_fr=5, refunds=5), agent("tom")]
    idle_longest = agent("ana", lang_fr=5, refunds=5)
    assert taken(ran([arrival(1)], people, set_up({"queues": {"default": {"dispatch": "push"}}}))) == [("01", "tom")]
    assert taken(ran([arrival(1)], [idle_longest, people[1]])) == [("01", "ana")]


@pytest.mark.parametrize(("dispatch", "held"), [("pull", 1), ("push", 3), ("assign", 3)])
def test_who_takes_takes_one_and_who_is_given_is_given_what_fits(dispatch: str, held: int) -> None:
    setup = set_up({"queues": {"default": {"dispatch": dispatch}}})
    floor = ran([arrival(number) for number in range(5)], [agent("ana", 3)], setup)
    assert sum(record.taken_at == NOON for record in floor.records) == held
    assert len({record.begun_at for record in floor.records}) == 5  # one answer at a time


def test_the_wrap_up_keeps_the_capacity() -> None:
    setup = set_up({"queues": {"default": {"wrap_up_seconds": 120}}})
    floor = ran([arrival(1), arrival(2)], [agent("ana")], setup)
    assert [r.begun_at for r in floor.records] == [NOON, NOON + 7 * MINUTE]


def test_a_person_who_writes_again_while_waiting_has_one_item_and_may_be_more_urgent() -> None:
    again = arrival(2, NOON + MINUTE, author="jo", urgency="critical")
    floor = ran([arrival(0, work=600), arrival(1, author="jo"), again, arrival(3)], [agent("ana")])
    assert [(item, messages) for item, messages in ((r.item.id[-1], r.messages) for r in floor.records)] == [
        ("0", 1), ("1", 2), ("3", 1),
    ]  # fmt: skip
    assert [item for item, _ in taken(floor)] == ["00", "01", "03"]
    assert report_of(floor).joined == 1


def test_a_returning_person_finds_the_same_agent_while_there_is_room() -> None:
    first, back = arrival(1, author="jo"), arrival(3, NOON + HOUR, author="jo")
    other = arrival(2, NOON + 50 * MINUTE, work=60)
    records = ran([first, other, back], [agent("ana", 2), agent("tom", 2)]).records
    assert [(r.person.slug, r.why) for r in records if r.person] == [
        ("ana", "at_once"), ("tom", "at_once"), ("ana", "same_agent"),
    ]  # fmt: skip


def test_what_needs_no_answer_is_nobodys_work() -> None:
    report = report_of(ran([arrival(1), arrival(2, set_aside=True)], [agent("ana")]))
    assert (report.messages, report.total.items, report.set_aside) == (2, 1, 1)
