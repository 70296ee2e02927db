"""Queues over REST."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.problems import Problem
from services.router.domain.routing import DEFAULT_QUEUE, OPEN_STATES
from services.router.handlers.desk import unknown
from services.router.handlers.snapshot import Snapshot
from services.router.store import queues as store

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


class QueueIn(BaseModel):
    """A queue takes the languages it names; without any it is a default queue."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", max_length=200)
    languages: list[Annotated[str, Field(pattern=r"^[a-zA-Z]{2,8}(-[a-zA-Z0-9]{1,8})*$")]] = []
    team: Slug = "main"


class QueueSaved(BaseModel):
    """The queue as it is kept."""

    queue: str
    name: str
    languages: list[str]
    team: str
    version: int


def routes(database: Database, snapshot: Snapshot) -> APIRouter:
    """The queues' routes."""
    router = APIRouter(prefix="/v1/queues", tags=["queues"])

    @router.get("")
    async def list_queues(caller: Annotated[Caller, needs("queues:read")]) -> QueueList:
        """Every queue, zero-filled, at most 5 s old."""
        state = await snapshot.current()
        return QueueList(items=[_out(q, state.agents, state.at) for q in state.queues if caller.sees(q.team)])

    @router.get("/{queue}/stats")
    async def queue_stats(queue: str, caller: Annotated[Caller, needs("queues:read")]) -> QueueOut:
        """One queue."""
        state = await snapshot.current()
        found = next((q for q in state.queues if q.queue == queue and caller.sees(q.team)), None)
        if found is None:
            raise unknown("queue", queue, "GET /v1/queues lists them; PUT /v1/queues/{queue} makes one.")
        return _out(found, state.agents, state.at)

    @router.put("/{queue}")
    async def put_queue(queue: Slug, body: QueueIn, caller: Annotated[Caller, needs("queues:write")]) -> QueueSaved:
        """Create or change a queue. Idempotent."""
        if not caller.sees(body.team):
            raise unknown("team", body.team, "Name a team of yours.")
        if queue == DEFAULT_QUEUE and body.languages:
            raise Problem(
                422,
                "default-queue",
                "The default queue takes all languages",
                "Without it a post in another language would wait nowhere.",
                "Leave `languages` empty, or make another queue for these.",
            )

        async def work(session: Any) -> int:
            now = await db.now(session)
            team = await store.team_of(session, queue)
            if team is not None and not caller.sees(team):
                raise Problem(409, "name-taken", "This name is taken", fix="Choose another one.")
            return await store.put_queue(session, queue, body.name or queue, body.languages, body.team, now)

        version = await database.write(work)
        snapshot.forget()
        return QueueSaved(
            queue=queue, name=body.name or queue, languages=body.languages, team=body.team, version=version
        )

    return router


def _out(figures: store.QueueFigures, agents: dict[str, int], at: datetime) -> QueueOut:
    depth = Depth(total=sum(figures.depth.values()), **figures.depth)
    oldest = figures.oldest_at
    return QueueOut(
        queue=figures.queue,
        team=figures.team,
        languages=list(figures.languages),
        open=True,
        next_change_at=None,
        depth=depth,
        states={state: figures.states.get(state, 0) for state in OPEN_STATES if state != "wrapping"},
        oldest_age_seconds=max(0, int((at - oldest).total_seconds())) if oldest else None,
        overdue=figures.overdue,
        next_due_at=figures.next_due_at,
        agents={name: agents.get(name, 0) for name in ("available", "at_capacity", "away")},
        expected_wait=ExpectedWait(),
        as_of=at,
    )
