"""Queues over REST: how each stands."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from libs.common.auth import Caller, needs
from services.router.domain.hours import is_open, next_change
from services.router.domain.promises import PLAIN
from services.router.domain.words import OPEN_STATES
from services.router.handlers.desk import unknown
from services.router.handlers.snapshot import Snapshot, State
from services.router.handlers.waits import Wait, Waits
from services.router.store.queues import QueueFigures

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Lower-case name, for ever the same")]


class Depth(BaseModel):
    """Open items by urgency."""

    total: int
    critical: int
    high: int
    normal: int
    low: int
    none: int


class ExpectedWait(BaseModel):
    """Time until a first human answer for what joins now; `unknown` is never 0."""

    p50_seconds: int | None = None
    p80_seconds: int | None = None
    state: str = "unknown"


class QueueOut(BaseModel):
    """How a queue stands. Ages and deadlines are of items nobody has yet."""

    queue: str
    team: str
    languages: list[str]
    open: bool
    next_change_at: datetime | None
    depth: Depth
    states: dict[str, int]
    oldest_age_seconds: int | None
    overdue: int
    next_due_at: datetime | None
    agents: dict[str, int]
    expected_wait: ExpectedWait
    as_of: datetime


class QueueList(BaseModel):
    """All queues of the caller's teams."""

    items: list[QueueOut]


def routes(snapshot: Snapshot, waits: Waits) -> APIRouter:
    """The queues' routes."""
    router = APIRouter(prefix="/v1/queues", tags=["queues"])

    @router.get("")
    async def list_queues(caller: Annotated[Caller, needs("queues:read")]) -> QueueList:
        """Every queue, zero-filled, at most 5 s old."""
        state = await snapshot.current()
        return QueueList(items=[_out(q, state, waits.now.get(q.queue)) for q in state.queues if caller.sees(q.team)])

    @router.get("/{queue}/stats")
    async def queue_stats(queue: str, caller: Annotated[Caller, needs("queues:read")]) -> QueueOut:
        """One queue."""
        state = await snapshot.current()
        found = next((q for q in state.queues if q.queue == queue and caller.sees(q.team)), None)
        if found is None:
            raise unknown("queue", queue, "GET /v1/queues lists them; PUT /v1/queues/{queue} makes one.")
        return _out(found, state, waits.now.get(queue))

    return router


def _out(figures: QueueFigures, state: State, wait: Wait | None) -> QueueOut:
    depth = Depth(total=sum(figures.depth.values()), **figures.depth)
    oldest, at = figures.oldest_at, state.at
    hours = state.setup.hours_of(state.setup.queues[figures.queue])
    return QueueOut(
        queue=figures.queue,
        team=figures.team,
        languages=list(figures.languages),
        open=is_open(hours, at),
        next_change_at=next_change(hours, at),
        depth=depth,
        states={state: figures.states.get(state, 0) for state in OPEN_STATES if state != "wrapping"},
        oldest_age_seconds=max(0, int((at - oldest).total_seconds())) if oldest else None,
        overdue=figures.overdue,
        next_due_at=figures.next_due_at,
        agents=state.crews[figures.queue].by_availability,
        expected_wait=_wait(wait),
        as_of=at,
    )


def _wait(wait: Wait | None) -> ExpectedWait:
    if wait is None:
        return ExpectedWait()
    p50, p80, _ = wait.seconds() or (None, None, None)
    return ExpectedWait(p50_seconds=p50, p80_seconds=p80, state=wait.memory.shown[PLAIN].state)
