"""Take the next: all who ask at the same moment are served in one transaction, in the order they asked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.db import Database
from libs.common.outbox import emit
from libs.common.problems import Problem
from services.router.handlers.desk import assigned_event, cannot_take
from services.router.store import agents, items
from services.router.store.items import WorkItem
from services.router.store.queues import queues_for_routing

AT_ONCE = 100  # who asks while a hundred are being served waits for the next turn


@dataclass(frozen=True)
class Ask:
    """An agent wants the next item of these queues; of all that the caller sees when none is named."""

    agent: str
    queues: tuple[str, ...]
    teams: frozenset[str]
    actor: str
    traceparent: str = ""


Answer = WorkItem | Problem | None
"""What the agent has now, why not, or None where nothing waits."""


class Takers:
    """The door of take-next: a crowd costs one transaction, not one each."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Ask, asyncio.Future[Answer]]] = []
        self._serving: asyncio.Task[None] | None = None

    async def take(self, ask: Ask) -> WorkItem | None:
        """The first item by our order that nobody has, or None.

        Raises:
            Problem: 404 for an unknown agent, 409 for one who is not available or has no room.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, answer))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        given = await answer
        if isinstance(given, Problem):
            raise given
        return given

    async def _serve(self) -> None:
        while self._waiting:
            turn, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            try:
                answers = await self._database.write(partial(take_next, asks=[ask for ask, _ in turn]))
            except Exception as error:
                for _, future in turn:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), answer in zip(turn, answers, strict=True):
                if not future.done():  # its caller may have gone; the item is theirs all the same
                    future.set_result(answer)


async def take_next(session: AsyncSession, asks: Sequence[Ask]) -> list[Answer]:
    """Serve each in turn: the most urgent item first, then the oldest, nobody above capacity."""
    known = await agents.lock_agents(session, {ask.agent for ask in asks})
    now = await db.now(session)
    wanted = await _queues_of(session, asks)
    queues = sorted({queue for named in wanted for queue in named})
    line = await items.waiting(session, queues, most=len(asks))
    answers: list[Answer] = []
    given: list[WorkItem] = []
    actors: list[str] = []
    for ask, named in zip(asks, wanted, strict=True):
        agent = known.get(ask.agent)
        if agent is not None and not _sees(ask, agent.team):
            agent = None
        if problem := cannot_take(ask.agent, agent):
            answers.append(problem)
            continue
        item = next((item for item in line if item.queue in named and _sees(ask, item.team)), None)
        if item is None or agent is None:
            answers.append(None)
            continue
        line.remove(item)
        known[agent.slug] = replace(agent, used=agent.used + 1)
        taken = replace(
            item, state="assigned", agent=agent.slug, reason="taken", assigned_at=now, version=item.version + 1,
            updated_at=now,
        )  # fmt: skip
        given.append(taken)
        actors.append(ask.actor)
        answers.append(taken)
        emit(session, [assigned_event(taken, now, ask.traceparent)])
    if given:
        await items.assign(session, given, "taken", actors)
    return answers


async def _queues_of(session: AsyncSession, asks: Sequence[Ask]) -> list[frozenset[str]]:
    """The queues each may take from."""
    if all(ask.queues for ask in asks):
        return [frozenset(ask.queues) for ask in asks]
    known = await queues_for_routing(session)
    return [frozenset(ask.queues) or frozenset(queue.slug for queue in known if _sees(ask, queue.team)) for ask in asks]


def _sees(ask: Ask, team: str) -> bool:
    return team in ask.teams or "*" in ask.teams
