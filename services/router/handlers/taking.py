"""Take the next: all who ask at the same moment are served in one transaction, in the order they asked."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.db import Database
from libs.common.errors import Raced
from libs.common.events import Event
from libs.common.outbox import emit
from libs.common.problems import Problem
from services.router.domain import serving
from services.router.domain.setup import Setup
from services.router.domain.waiting import given
from services.router.handlers.desk import cannot_take, unknown
from services.router.handlers.events_of import assigned_event
from services.router.handlers.figures import Figures
from services.router.store import agents, items, lines
from services.router.store.items import Change, WorkItem
from services.router.store.setup import Setups

AT_ONCE = 100  # who asks while a hundred are being served waits for the next turn
A_FEW = 50
AT_MOST = 3200  # heads of each lane that are looked at where those before them are not for one who asks


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

    def __init__(self, database: Database, setups: Setups, figures: Figures) -> None:
        self._database = database
        self._setups = setups
        self._figures = figures
        self._waiting: list[tuple[Ask, asyncio.Future[Answer]]] = []
        self._serving: asyncio.Task[None] | None = None

    async def take(self, ask: Ask) -> WorkItem | None:
        """The first item by our order that nobody has, or None.

        Raises:
            Problem: 404 for an unknown agent or queue, 409 for one who is not available or has no room.
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
                answers = await self._database.write(partial(self._take_next, asks=[ask for ask, _ in turn]))
            except Exception as error:
                for _, future in turn:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), answer in zip(turn, answers, strict=True):
                if not future.done():  # its caller may have gone; the item is theirs all the same
                    future.set_result(answer)

    async def _take_next(self, session: AsyncSession, asks: Sequence[Ask]) -> list[Answer]:
        answers = await take_next(session, self._setups, asks)
        taken = [answer for answer in answers if isinstance(answer, WorkItem)]
        self._figures.assigned(session, [work.item for work in taken], await db.now(session))
        return answers


async def take_next(session: AsyncSession, setups: Setups, asks: Sequence[Ask]) -> list[Answer]:
    """Serve each in turn: the first item by our order that they may have, nobody above capacity."""
    setup = setups.last  # most probably as it is: who is asked below says so
    wanted = [_queues_of(ask, setup) for ask in asks]
    named = sorted({queue for queues in wanted if isinstance(queues, frozenset) for queue in queues})
    overseen = [slug for slug, queue in setup.queues.items() if queue.supervisor in named and slug not in named]
    of_queues = await lines.lock(session, [*named, *overseen])
    seen, current = await agents.see_agents(session, {ask.agent for ask in asks}, setups)
    if setup is not current:
        raise Raced("the set-up changed since we looked")
    now = await db.now(session)
    asking = [
        (seen[ask.agent].as_candidate(setup), queues)
        for ask, queues in zip(asks, wanted, strict=True)
        if ask.agent in seen and isinstance(queues, frozenset)
    ]
    needed = serving.lines_for(asking, of_queues, setup)
    for_each = Counter(queue for _, queues in asking for queue in queues)
    most, turn = max(for_each.values(), default=0), None
    while turn is None or (most < AT_MOST and turn.counter.walked >= most):
        most = most * 4 + A_FEW if turn is not None else most
        heads, picks = await items.waiting(session, needed, most)
        turn = _Turn(serving.Counter((work.item for work in heads), picks, setup, now), setup, now, dict(seen))
        turn.serve(asks, wanted, {work.item.id: work.key for work in heads})
    if turn.changes:
        agents.load_seen(session, turn.loads, seen)
        await items.write_at_commit(session, turn.changes, now)
        items.count_picks(session, turn.counter.gave.items())
        emit(session, turn.told)
    return turn.answers


class _Turn:
    """Who gets what, decided and not yet written."""

    def __init__(self, counter: serving.Counter, setup: Setup, now: datetime, known: dict[str, agents.Agent]) -> None:
        self.counter = counter
        self._setup, self._now, self._known = setup, now, known
        self.answers: list[Answer] = []
        self.changes: list[Change] = []
        self.loads: Counter[str] = Counter()
        self.told: list[Event] = []

    def serve(self, asks: Sequence[Ask], wanted: Sequence[frozenset[str] | Problem], keys: Mapping[str, str]) -> None:
        """Each in the order they asked; `keys`: of each waiting item's conversation."""
        for ask, queues in zip(asks, wanted, strict=True):
            self.answers.append(queues if isinstance(queues, Problem) else self._serve(ask, queues, keys))

    def _serve(self, ask: Ask, queues: frozenset[str], keys: Mapping[str, str]) -> Answer:
        agent = self._known.get(ask.agent)
        if agent is not None and not _sees(ask, agent.team):
            agent = None
        if problem := cannot_take(ask.agent, agent, self._setup, self._now):
            return problem
        assert agent is not None
        served = self.counter.serve(agent.as_candidate(self._setup), queues, ask.teams)
        if served is None:
            return None
        held = given(served.item, agent.slug, self._setup, self._now)
        self._known[agent.slug] = replace(agent, used=agent.used + held.weight)
        self.loads[agent.slug] += held.weight
        why = {"order": served.why, "rank": held.rank, "line": held.line, "used": agent.used, "of": agent.capacity}
        self.changes.append(Change(held, "taken", ask.actor, agent.slug, why))
        self.told.append(assigned_event(held, keys[held.id], self._now, ask.traceparent))
        return WorkItem(held, keys[held.id], "taken", self._now)


def _queues_of(ask: Ask, setup: Setup) -> frozenset[str] | Problem:
    """The queues one may take from; a name that is none is a mistake worth telling."""
    seen = frozenset(slug for slug, queue in setup.queues.items() if _sees(ask, queue.team))
    if not ask.queues:
        return seen
    if strange := sorted(set(ask.queues) - setup.queues.keys()):
        return unknown("queue", strange[0], "GET /v1/queues lists them.")
    return frozenset(ask.queues)


def _sees(ask: Ask, team: str) -> bool:
    return team in ask.teams or "*" in ask.teams
