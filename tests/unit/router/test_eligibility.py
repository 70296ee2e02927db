"""Who may get an item, why another may not, and who of several should."""

from typing import Any

import pytest

from services.router.domain.eligibility import choose, line_of, needs_of, parse_line, weight_of, why_not
from services.router.domain.hours import hours_from
from services.router.domain.setup import Requirement, Step
from tests.unit.router.builders import HOUR, NOON, agent

NEEDS = (("lang:fr", 3),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"presence": "offline"}, "offline"),
        ({"presence": "finishing"}, "finishing"),
        ({"hours": hours_from("mornings", "UTC", {"mon-fri": ["08:00-11:00"]})}, "outside_hours"),
        ({"team": "nord"}, "team"),
        ({"team": "nord", "teams": frozenset({"main"})}, None),
        ({"queues": frozenset({"en"})}, "queue"),
        ({"skills": {"lang:fr": 2}}, "skill:lang:fr"),
        ({"used": 3}, "capacity"),
    ],
)
def test_the_first_reason_is_told(changes: dict[str, Any], reason: str | None) -> None:
    ana = agent(**{"skills": {"lang:fr": 3}} | changes)

    assert why_not(ana, queue="fr", team="main", needs=NEEDS, weight=1, now=NOON) == reason


def test_who_declined_it_is_not_asked_again() -> None:
    assert why_not(agent(), queue="fr", team="main", needs=(), weight=1, now=NOON, declined_by=["ana"]) == "declined"


def test_what_weighs_more_than_the_room_left_does_not_fit() -> None:
    assert why_not(agent(used=2), queue="fr", team="main", needs=(), weight=2, now=NOON) == "capacity"


def test_experts_stay_free_then_the_least_loaded_the_longest_idle_the_first_by_name() -> None:
    expert = agent("expert", skills={"lang:fr": 5, "legal": 5})
    busy = agent("busy", skills={"lang:fr": 3}, used=2)
    fresh = agent("fresh", skills={"lang:fr": 3}, idle_since=NOON)
    bored = agent("bored", skills={"lang:fr": 3}, idle_since=NOON - HOUR)
    twin = agent("a-twin", skills={"lang:fr": 3}, idle_since=NOON - HOUR)

    order = []
    left = [expert, busy, fresh, bored, twin]
    while left:
        chosen = choose(left, NEEDS)
        assert chosen is not None
        order.append(chosen.slug)
        left.remove(chosen)
    assert order == ["a-twin", "bored", "fresh", "busy", "expert"]
    assert choose([], NEEDS) is None


def test_an_additional_skill_is_dropped_with_age() -> None:
    wanted = Step(requires=(Requirement(skill="lang:{language}"), Requirement(skill="vip", drop_after_seconds=60)))

    assert needs_of(wanted, 59, language="fr-CA", network="x") == (("lang:fr", 1), ("vip", 1))
    assert needs_of(wanted, 60, language="fr-CA", network="x") == (("lang:fr", 1),)


def test_a_line_names_what_its_items_require() -> None:
    assert line_of("fr", "main", NEEDS) == "fr main lang:fr=3"
    assert parse_line("fr main lang:fr=3") == ("fr", "main", NEEDS)
    assert parse_line(line_of("fr", "main", ())) == ("fr", "main", ())


def test_what_is_heavy_waits_in_a_line_of_its_own() -> None:
    assert line_of("fr", "main", NEEDS, 2) == "fr main x2 lang:fr=3"
    assert parse_line("fr main x2 lang:fr=3") == ("fr", "main", NEEDS)
    assert [weight_of(line) for line in ("fr main x12", "fr main x2 lang:fr=3", "fr main lang:fr=3")] == [12, 2, 1]
