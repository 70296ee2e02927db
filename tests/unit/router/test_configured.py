"""From what is written to what decides: bodies read, and what differs between two."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.router.domain.configured import KINDS, policy_of, setup_of, written
from services.router.domain.differences import body_of, differences
from services.router.domain.hours import is_open
from services.router.domain.reading import Unreadable
from services.router.domain.setup import BusinessHours, Queue, RoutingPolicy, Rule, Targets, When

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOURS = {"zone": "Europe/Paris", "week": {"mon-fri": ["09:00-18:00"]}, "exceptions": {"2026-03-03": []}}


def mistakes(kind: str, body: Any, slug: str = "a") -> list[tuple[str, str]]:
    with pytest.raises(Unreadable) as unreadable:
        written(kind, slug, body)
    return [(each.path, each.fix) for each in unreadable.value.mistakes]


def test_everything_has_a_default() -> None:
    for kind in KINDS:
        body = HOURS if kind == "business-hours" else {}
        assert written(kind, "a", body).slug == "a"


def test_a_set_up_is_made_of_what_is_kept() -> None:
    kept: list[tuple[str, str, int, dict[str, Any]]] = [
        ("queues", "fr", 3, {"languages": ["fr"], "hours": "office", "sla": "fast"}),
        ("business-hours", "office", 1, HOURS),
        ("sla-policies", "fast", 2, {"high_seconds": 600, "warn_at": [1.0, 0.5]}),
        ("a-kind-of-a-newer-version", "x", 1, {"anything": 1}),
    ]

    setup = setup_of(7, kept)

    assert setup.revision == 7
    assert set(setup.queues) == {"default", "fr"}
    hours, policy = setup.hours_of(setup.queues["fr"]), setup.sla_of(setup.queues["fr"])
    assert [is_open(hours, MONDAY + timedelta(days=days)) for days in (0, 1, 2)] == [True, False, True]
    assert (policy.targets["high"], policy.version, policy.warn_at) == (timedelta(minutes=10), 2, (0.5, 1.0))
    assert setup.sla_of(setup.queues["default"]).slug == "default"


def test_targets_are_the_default_ones_unless_written() -> None:
    policy = policy_of(Targets(slug="s", resolution_seconds=3600))

    assert policy.targets["information"] == timedelta(minutes=90)
    assert policy.targets["feedback"] == timedelta(hours=4)
    assert (policy.basis, policy.resolution, policy.promise) == ("business", timedelta(hours=1), timedelta(hours=2))


@pytest.mark.parametrize(
    ("kind", "body", "path", "fix"),
    [
        ("queues", [], "$", 'write {"name": ...}'),
        ("queues", {"langages": []}, "$.langages", 'did you mean "languages"?'),
        ("queues", {"languages": ["french!"]}, "$.languages[0]", 'write a BCP 47 code, such as "fr" or "pt-BR"'),
        ("queues", {"first_reply_seconds": 5}, "$.first_reply_seconds", "write a whole number of at least 60 and at"),
        ("queues", {"reservation_seconds": True}, "$.reservation_seconds", "write a whole number"),
        ("queues", {"reservation_seconds": 30.5}, "$.reservation_seconds", "write a whole number"),
        ("queues", {"name": "x" * 201}, "$.name", "write at most 200"),
        ("queues", {"team": "Nord"}, "$.team", "write lower-case letters, digits and hyphens"),
        ("queues", {"team": "nord\n"}, "$.team", "write lower-case letters, digits and hyphens"),
        ("routing-policies", {"rules": {}}, "$.rules", "write [...]"),
        ("routing-policies", {"rules": [{"queue": "a"}]}, "$.rules[0].name", "write it"),
        ("routing-policies", {"rules": [{"name": "a", "queue": "a", "wen": {}}]}, "$.rules[0].wen", 'mean "when"?'),
        (
            "routing-policies",
            {"rules": [{"name": "a", "queue": "a", "when": {"urgencies": ["hihg"]}}]},
            "$.rules[0].when.urgencies[0]",
            'did you mean "high"?',
        ),
        (
            "routing-policies",
            {"rules": [{"name": "a", "queue": "a", "steps": [{"requires": [{"skill": "x", "level": 6}]}]}]},
            "$.rules[0].steps[0].requires[0].level",
            "at most 5",
        ),
        ("sla-policies", {"warn_at": [0]}, "$.warn_at[0]", "write a number above 0 and at most 10"),
        ("business-hours", {"week": {"mon": ["9-10"]}, "zone": "Paris"}, "$.zone", 'did you mean "Europe/Paris"?'),
        ("business-hours", {"week": {"mon": [9]}}, "$.week.mon[0]", 'write "9"'),
        ("business-hours", {"week": {"mon": ["9-8"], "tue": ["07-09"]}}, "$.week.tue[0]", "let one end"),
        ("procedures", {"links": {"a": None}}, "$.links.a", "write a text, or leave it out"),
        ("teams", {"members": []}, "$.members", "leave it out; there are"),
    ],
)
def test_a_mistake_has_its_place_and_what_to_do(kind: str, body: Any, path: str, fix: str) -> None:
    [(where, what)] = mistakes(kind, body)

    assert where == path
    assert fix in what


def test_a_name_is_a_slug() -> None:
    assert mistakes("queues", {}, "Support FR")[0][0] == "$.slug"
    assert written("skills", "lang:fr", {}).slug == "lang:fr"
    assert mistakes("queues", {}, "lang:fr")


def test_whole_numbers_are_numbers_too() -> None:
    policy = written("sla-policies", "s", {"warn_at": [1]})

    assert isinstance(policy, Targets)
    assert policy.warn_at == (1.0,)


# --- what differs


def test_differences_name_the_field() -> None:
    before = body_of(Queue(slug="a", languages=("fr",)))
    after = body_of(Queue(slug="a", languages=("fr", "en"), hours="office"))

    assert differences(before, after) == [
        ("$.languages", ("fr",), ("fr", "en")),
        ("$.hours", None, "office"),
    ]
    assert differences(before, before) == []


def test_rules_are_compared_by_their_names() -> None:
    one, two = Rule(name="one", queue="a"), Rule(name="two", queue="a", when=When(private=True))
    before = body_of(RoutingPolicy(rules=(one, two)))
    after = body_of(RoutingPolicy(rules=(two, Rule(name="one", queue="b"))))

    assert differences(before, after) == [
        ("$.rules[one].queue", "a", "b"),
        ("$.rules (order)", ["one", "two"], ["two", "one"]),
    ]


def test_days_are_compared_one_by_one() -> None:
    before = body_of(BusinessHours(week={"mon": ("9-12",), "tue": ("9-12",)}))
    after = body_of(BusinessHours(week={"mon": ("9-13",), "wed": ("9-12",)}))

    assert differences(before, after) == [
        ("$.week.mon", ("9-12",), ("9-13",)),
        ("$.week.tue", ("9-12",), None),
        ("$.week.wed", None, ("9-12",)),
    ]
