"""Each who asks gets the first item by our order that they may have."""

from msgspec.structs import replace

from services.router.domain.hours import hours_from
from services.router.domain.serving import Counter, lines_for
from services.router.domain.setup import Queue
from services.router.domain.waiting import Item
from tests.unit.router.builders import HOUR, MINUTE, NOON, SETUP, agent, item, setup

EVERYONE = frozenset({"*"})


def waiting(id_: str, **changes: object) -> Item:
    return item(id=id_, **changes)  # type: ignore[arg-type]


def test_the_most_urgent_is_served_first_and_nothing_twice() -> None:
    counter = Counter([waiting("a"), waiting("b", urgency="critical")], {"fr": 7}, SETUP, NOON)

    served = [counter.serve(agent(), ["fr"], EVERYONE) for _ in range(3)]

    assert [found.item.id if found else None for found in served] == ["b", "a", None]
    assert counter.gave == {"fr": 9}


def test_an_agent_passes_over_what_they_have_not_the_skill_for() -> None:
    hard = replace(waiting("hard", urgency="critical"), line="fr main legal=3")
    counter = Counter([hard, waiting("easy")], {}, SETUP, NOON)

    first = counter.serve(agent(), ["fr"], EVERYONE)
    second = counter.serve(agent("lex", skills={"legal": 4}), ["fr"], EVERYONE)

    assert first is not None
    assert second is not None
    assert (first.item.id, second.item.id) == ("easy", "hard")


def test_who_declined_it_gets_the_next_one() -> None:
    declined = waiting("a", urgency="critical")
    declined = replace(declined, routing=replace(declined.routing, declined_by=("ana",)))
    served = Counter([declined, waiting("b")], {}, SETUP, NOON).serve(agent(), ["fr"], EVERYONE)

    assert served is not None
    assert served.item.id == "b"


def test_a_closed_queue_serves_nobody() -> None:
    closed = {"night": hours_from("night", "UTC", {"daily": ["22:00-06:00"]})}
    known = setup(Queue(slug="fr", languages=("fr",), hours="night"), hours=closed)

    assert Counter([waiting("a")], {}, known, NOON).serve(agent(), ["fr"], EVERYONE) is None


def test_supervisors_get_what_is_late_in_the_queues_they_oversee_whatever_it_requires() -> None:
    known = setup(Queue(slug="fr", languages=("fr",), supervisor="leads"), Queue(slug="leads"))
    late = waiting("late", at=NOON + 2 * HOUR)
    late = replace(late, line="fr main legal=3")
    in_time = waiting("in-time", enqueued_at=NOON + 2 * HOUR, due_at=NOON + 3 * HOUR)
    counter = Counter([late, in_time], {}, known, NOON + 2 * HOUR)

    served = [counter.serve(agent("lea"), ["leads"], EVERYONE) for _ in range(2)]

    assert [found.item.id if found else None for found in served] == ["late", None]


def test_another_teams_items_are_not_seen() -> None:
    assert Counter([waiting("a")], {}, SETUP, NOON).serve(agent(), ["fr"], frozenset({"nord"})) is None


def test_what_weighs_too_much_is_passed_over() -> None:
    served = Counter([waiting("heavy", weight=3, due_at=NOON + MINUTE), waiting("light")], {}, SETUP, NOON).serve(
        agent(used=1), ["fr"], EVERYONE
    )

    assert served is not None
    assert served.item.id == "light"


def test_only_lines_out_of_which_somebody_may_be_served_are_walked() -> None:
    lines = ["fr main", "fr main legal=3", "fr main lang:fr=2 vip=1", "leads main"]
    known = setup(Queue(slug="fr", supervisor="leads"), Queue(slug="leads"))
    ana, lea = agent(skills={"lang:fr": 2, "vip": 1}), agent("lea")

    assert lines_for([(ana, ["fr"])], lines, known) == ["fr main", "fr main lang:fr=2 vip=1"]
    assert lines_for([(ana, ["fr"]), (lea, ["leads"])], lines, known) == lines, "who oversees gets what is late"


def test_a_lane_of_which_nothing_is_for_one_who_asks_is_known_to_be_walked_to_its_end() -> None:
    declined = [replace(waiting(id_), routing=replace(waiting(id_).routing, declined_by=("ana",))) for id_ in "abc"]
    counter = Counter([*declined, waiting("fresh", urgency="low")], {}, SETUP, NOON)

    first, second = (counter.serve(agent(), ["fr"], EVERYONE) for _ in range(2))

    assert (first is not None and first.item.id, second) == ("fresh", None)
    assert counter.walked == 4


def test_lines_of_what_is_too_heavy_for_all_who_ask_are_not_walked() -> None:
    lines = ["fr main", "fr main x2", "fr main x3"]

    assert lines_for([(agent(used=1), ["fr"])], lines, SETUP) == ["fr main", "fr main x2"]
