"""What the tables say of the whole story, in the order in which PostgreSQL committed it."""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import asyncpg

from services.router.domain.configured import setup_of
from services.router.domain.setup import Setup


class State(NamedTuple):
    """An item as one transaction left it."""

    seq: int
    id: str
    version: int
    state: str
    queue: str
    team: str
    line: str
    urgency: str
    rank: int
    late: bool
    sort_at: datetime
    enqueued_at: datetime
    weight: int
    declined_by: tuple[str, ...]


class Step(NamedTuple):
    """A line of `work_item_changes`."""

    seq: int
    item_id: str
    version: int
    state: str
    reason: str
    actor: str
    agent: str
    at: datetime  # the story's time
    why: Any


class Declared(NamedTuple):
    """A line of `agent_changes`."""

    seq: int
    agent: str
    version: int
    presence: str
    capacity: int
    reason: str


class Transaction(NamedTuple):
    """What one did; each part in its order."""

    committed: float  # real time, in seconds
    states: list[State]
    steps: list[Step]
    declared: list[Declared]


class History(NamedTuple):
    """All of it, and the set-up that was in force throughout."""

    transactions: list[Transaction]
    steps: list[Step]  # by item and version
    setup: Setup


class _Row(NamedTuple):
    committed: float
    xid: int
    what: State | Step | Declared


_COMMITTED = "extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8, xmin::text::bigint"
_STATES = f"""SELECT {_COMMITTED}, seq, id, version, state, queue, team, line, urgency, rank, late, sort_at,
  enqueued_at, weight, declined_by FROM proof.states"""
_STEPS = f"""SELECT {_COMMITTED}, seq, item_id, version, state, reason, actor, agent, at, why
  FROM router.work_item_changes"""
_DECLARED = f"SELECT {_COMMITTED}, seq, agent, version, presence, capacity, reason FROM router.agent_changes"
_SETUP = "SELECT kind, slug, version, body FROM router.setup"


async def read(connection: asyncpg.Connection) -> History:
    """All that happened, once nothing happens any more."""
    rows = [
        _Row(at, xid, State._make((*rest, _names(declined))))
        for at, xid, *rest, declined in await connection.fetch(_STATES)
    ]
    steps = [_Row(at, xid, Step._make((*rest, _why(why)))) for at, xid, *rest, why in await connection.fetch(_STEPS)]
    declared = [_Row(at, xid, Declared(*rest)) for at, xid, *rest in await connection.fetch(_DECLARED)]
    setup = setup_of(1, [(kind, slug, n, json.loads(body)) for kind, slug, n, body in await connection.fetch(_SETUP)])
    found = [step.what for step in steps if isinstance(step.what, Step)]
    return History(
        list(_transactions([*rows, *steps, *declared])),
        sorted(found, key=lambda step: (step.item_id, step.version)),
        setup,
    )


def _transactions(rows: list[_Row]) -> Iterator[Transaction]:
    rows.sort(key=lambda row: (row.committed, row.xid, row.what.seq))
    for (committed, _), group in groupby(rows, key=attrgetter("committed", "xid")):
        done = Transaction(committed, [], [], [])
        for row in group:
            match row.what:
                case State():
                    done.states.append(row.what)
                case Step():
                    done.steps.append(row.what)
                case Declared():
                    done.declared.append(row.what)
        yield done


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(json.loads(text)) if text else ()


def _why(text: str | None) -> Any:
    return json.loads(text) if text else None
