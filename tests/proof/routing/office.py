"""Who works in the story, and how the work is laid out: two teams, queues of every kind, hours that open and close."""

import random
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from services.router.domain.eligibility import Agent

SHIFTS = [f"{hour:02}:00-{hour:02}:40" for hour in range(24)]
OTHER_SHIFTS = [f"{hour:02}:10-{hour:02}:55" for hour in range(24)]

SETUP: dict[str, Any] = {
    "teams": {"nord": {"name": "Nord"}},
    "business-hours": {
        "shifts": {"zone": "UTC", "week": {"daily": SHIFTS}},
        "other-shifts": {"zone": "UTC", "week": {"daily": OTHER_SHIFTS}},
        "nord-shifts": {"zone": "UTC", "week": {"daily": OTHER_SHIFTS}, "team": "nord"},
    },
    "sla-policies": {
        "quick": {"critical_seconds": 600, "high_seconds": 1800, "normal_seconds": 3600, "basis": "elapsed"},
    },
    "skills": {name: {} for name in ("lang:fr", "lang:en", "lang:es", "refunds", "vip")},
    "queues": {
        "fr": {"languages": ["fr"], "hours": "shifts", "sla": "quick", "overflow": "overflow", "on_call": "on-call",
               "supervisor": "supervisors"},
        "en": {"languages": ["en"], "dispatch": "push", "reservation_seconds": 300, "supervisor": "supervisors"},
        "refunds": {"dispatch": "assign", "wrap_up_seconds": 60, "first_reply_seconds": 1800, "sla": "quick",
                    "hours": "other-shifts", "supervisor": "supervisors"},
        "overflow": {}, "on-call": {}, "supervisors": {}, "default": {},
        "nord": {"team": "nord", "hours": "nord-shifts", "wrap_up_seconds": 30},
        "nord-vip": {"team": "nord", "dispatch": "assign", "same_agent_seconds": 3600},
    },
    "routing-policies": {
        "main": {
            "rules": [
                {"name": "refunds", "queue": "refunds", "when": {"topics": ["cancellation_refund"]}, "weight": 2,
                 "steps": [{"requires": [{"skill": "refunds", "level": 4}], "expires_after_seconds": 900},
                           {"requires": [{"skill": "refunds", "level": 2}], "expires_at_share": 0.75}]},
                {"name": "accounts", "queue": "fr", "when": {"languages": ["fr"], "topics": ["account_access"]},
                 "weight": 2, "sla": "quick",
                 "steps": [{"requires": [{"skill": "lang:{language}", "level": 3}], "expires_at_share": 0.5}]},
                {"name": "english", "queue": "en", "when": {"languages": ["en"]},
                 "steps": [{"requires": [{"skill": "lang:en", "level": 2, "drop_after_seconds": 7200}]}]},
            ]
        },
        "nord": {
            "team": "nord",
            "rules": [
                {"name": "vip", "queue": "nord-vip", "when": {"min_followers": 900},
                 "steps": [{"requires": [{"skill": "vip", "level": 2}], "expires_after_seconds": 3600}]},
                {"name": "all", "queue": "nord"},
            ],
        },
    },
}  # fmt: skip

_CROWDS: Sequence[tuple[str, tuple[str, ...], tuple[str, ...]]] = (  # team, only these queues, asks for these
    ("main", (), ("fr",)),
    ("main", (), ()),
    ("main", (), ("default", "overflow")),
    ("main", ("refunds", "fr", "default"), ("fr", "default")),
    ("main", (), ("fr", "default")),
    ("main", ("supervisors", "on-call", "overflow"), ("supervisors", "on-call", "overflow")),
    ("nord", (), ("nord",)),
    ("nord", (), ()),
)


class Profile(Struct, frozen=True):
    """An agent: how they are set up, and from which queues they take (none: all)."""

    slug: str
    team: str
    teams: tuple[str, ...]
    skills: dict[str, int]
    queues: tuple[str, ...]
    capacity: int
    hours: str
    asks: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        """As REST takes it."""
        names = ("team", "teams", "skills", "queues", "capacity")
        return {"name": self.slug.title(), "hours": self.hours or None} | {name: getattr(self, name) for name in names}

    def candidate(self, hours: Any) -> Agent:
        """As the decisions see them, with nothing in hand."""
        return Agent(
            slug=self.slug, team=self.team, teams=frozenset(self.teams), skills=self.skills,
            queues=frozenset(self.queues), capacity=self.capacity, hours=hours,
        )  # fmt: skip


def profiles(count: int, chance: random.Random) -> list[Profile]:
    """People of all kinds."""
    made = []
    for number in range(count):
        team, queues, asks = _CROWDS[number % len(_CROWDS)]
        skills = {
            name: chance.randint(1, 5)
            for name in ("lang:fr", "lang:en", "lang:es", "refunds", "vip")
            if chance.random() < 0.6
        }
        both = team == "main" and not queues and chance.random() < 0.15
        hours = ("nord-shifts" if team == "nord" else "other-shifts") if chance.random() < 0.2 else ""
        made.append(
            Profile(
                f"agent-{number:02}", team, ("nord",) if both else (), skills, queues, chance.randint(2, 6), hours, asks
            )
        )
    return made
