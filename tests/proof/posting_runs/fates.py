"""What the network does to a reply, drawn before it is asked for; and how a reply may end that fared so."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LAG_SECONDS = 0.6  # of the network's timeline, at most
ALWAYS = 1_000_000

Faults = Sequence[Mapping[str, Any]]
"""As `POST /sandbox/faults` takes them."""

_LOST: Mapping[str, Mapping[str, Any]] = {
    "error, not posted": {"kind": "error", "status": 503},
    "error after posting": {"kind": "error_after_posting", "status": 502},
    "posted, no answer": {"kind": "no_answer", "seconds": 2},
    "posted, answer cut": {"kind": "cut"},
}


@dataclass(frozen=True)
class Fate:
    """`end` is where it leads by itself. `doubtful`: at some moment nobody knows whether it went out."""

    name: str
    weight: int
    faults: Callable[[random.Random], Faults]
    end: str = "posted"
    doubtful: bool = True


def _late(chance: random.Random) -> Faults:
    return [{"kind": "late_timeline", "seconds": chance.uniform(0, LAG_SECONDS)}, chance.choice([*_LOST.values()][1:])]


def _several(chance: random.Random) -> Faults:
    return [chance.choice([*_LOST.values()]) for _ in range(3)]


def _blind(chance: random.Random) -> Faults:
    return [
        chance.choice([*_LOST.values()]),
        {"kind": "error", "on": "read", "count": ALWAYS},
    ]


def _refused(chance: random.Random) -> Faults:
    return [{"kind": "error", "status": chance.choice((400, 404, 422))}]


def _fates() -> Iterator[Fate]:
    yield Fate("nothing", 30, lambda _: [], doubtful=False)
    for name, fault in _LOST.items():
        yield Fate(name, 10, lambda _, fault=fault: [fault])  # type: ignore[misc]
    yield Fate("late timeline", 10, _late)
    yield Fate("several in a row", 6, _several)
    yield Fate("too many", 6, lambda _: [{"kind": "rate_limited", "seconds": 1}], doubtful=False)
    yield Fate("refused", 5, _refused, end="refused", doubtful=False)
    yield Fate("account stopped", 2, lambda _: [{"kind": "revoked"}], end="refused", doubtful=False)
    yield Fate("not to us", 4, lambda _: [{"kind": "not_engaged"}], end="manual_required", doubtful=False)
    yield Fate("timeline unreadable", 3, _blind, end="needs_human")


FATES = tuple(_fates())


def draw(chance: random.Random) -> Fate:
    """One of them, by weight."""
    return chance.choices(FATES, [fate.weight for fate in FATES])[0]
