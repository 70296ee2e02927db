"""What people do to one conversation: hold, snooze, resolve, reopen, dismiss. Each in the caller's transaction."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.errors import Raced
from libs.common.lists import check_if_match
from libs.common.problems import Problem
from services.router.domain import conversations as domain
from services.router.domain.conversations import CLOSES_AFTER, After, Dismissal, Nobody, NotFrom
from services.router.domain.routing import Conversation
from services.router.domain.setup import Setup
from services.router.domain.waiting import Item
from services.router.domain.words import HELD_STATES, OPEN_STATES
from services.router.handlers.desk import unknown
from services.router.handlers.figures import Figures
from services.router.handlers.ledger import Ledger
from services.router.ids import typed_id
from services.router.store import agents, items, leases, talks
from services.router.store.agents import Agent
from services.router.store.setup import Setups

HINT = "GET /v1/conversations lists them."


@dataclass(frozen=True, slots=True)
class By:
    """Who asks: with which teams and key, and the ETag they saw."""

    teams: Collection[str]
    actor: str
    if_match: str | None = None

    def sees(self, team: str) -> bool:
        return team in self.teams or "*" in self.teams


@dataclass(frozen=True)
class Scene:
    """One (locked) conversation with its (locked) item, and the agents it concerns."""

    setup: Setup
    now: datetime
    talk: Conversation
    people: dict[str, Agent]

    @property
    def has_room(self) -> bool:
        """Whether the agent who put its item aside can go on with it."""
        return can_go_on(self.talk.item, self.people)


def can_go_on(item: Item | None, people: dict[str, Agent]) -> bool:
    """Whether the agent of an item that was put aside is there and has room for it."""
    agent = people.get(item.agent) if item is not None else None
    return agent is not None and domain.has_room(agent.presence, agent.used, agent.capacity, item)


async def locked(session: AsyncSession, setups: Setups, id_: str, by: By, *, further: Collection[str] = ()) -> Scene:
    """One conversation for changing: it, its agent and `further` ones, then its item.

    Raises:
        Problem: 404; 412 where somebody changed it since the caller read it.
        Raced: its item changed hands meanwhile.
    """
    setup = await setups.current(session)
    talk = (await talks.lock(session, [id_])).get(id_)
    if talk is None or not by.sees(talk.team):
        raise unknown("conversation", id_, HINT)
    check_if_match(by.if_match, talk.version)
    people, talk = await with_item(session, talk, further)
    return Scene(setup, await db.now(session), talk, people)


async def with_item(
    session: AsyncSession, talk: Conversation, further: Collection[str] = ()
) -> tuple[dict[str, Agent], Conversation]:
    """The agents, locked, and the conversation with its item as it is once that is locked too."""
    seen = talk.item
    wanted = {*further, *([seen.agent] if seen is not None and seen.agent else [])}
    people = await agents.lock_agents(session, wanted) if wanted else {}
    if seen is None:
        return people, talk
    work = await items.lock_item(session, seen.id, {"*"})
    if work is None or work.item.agent != seen.agent:
        raise Raced("the item changed hands")
    return people, replace(talk, item=work.item if work.item.state in OPEN_STATES else None)


class Conversations:
    """The steps that people take with conversations."""

    def __init__(self, setups: Setups, figures: Figures, closes_after: timedelta = CLOSES_AFTER) -> None:
        self.setups = setups
        self._figures = figures
        self._closes_after = closes_after

    async def resolve(self, session: AsyncSession, id_: str, by: By) -> Conversation:
        """Done; what waits is completed, and its clock canceled unless it was answered.

        Raises:
            Problem: 404; 409 where its state does not allow it; 412.
        """
        scene = await locked(session, self.setups, id_, by)
        after = domain.resolve(scene.talk, scene.now, self._closes_after)
        await leases.drop(session, [id_])
        return await self._keep(session, scene, after, "resolved", by.actor)

    async def dismiss(self, session: AsyncSession, id_: str, reason: Dismissal, by: By) -> Conversation:
        """It needs no answer; what waits is canceled.

        Raises:
            Problem: as `resolve`.
        """
        scene = await locked(session, self.setups, id_, by)
        after = domain.dismiss(scene.talk, reason)
        await leases.drop(session, [id_])
        return await self._keep(session, scene, after, reason, by.actor)

    async def hold(self, session: AsyncSession, id_: str, reason: str, by: By) -> Conversation:
        """It waits for a third party; its agent keeps it, and it uses no capacity.

        Raises:
            Problem: as `resolve`; 409 where nobody has it.
        """
        scene = await locked(session, self.setups, id_, by)
        after = domain.hold(scene.talk, reason, scene.setup, scene.now)
        return await self._keep(session, scene, after, "on_hold", by.actor, {"reason": reason} if reason else None)

    async def snooze(self, session: AsyncSession, id_: str, until: datetime, by: By) -> Conversation:
        """Until then nothing can be done; its agent keeps it, and it uses no capacity.

        Raises:
            Problem: as `hold`; 422 for a time that is over.
        """
        scene = await locked(session, self.setups, id_, by)
        if until <= scene.now:
            raise Problem(
                422,
                "time-over",
                "This time is over",
                f"$.until: {until.isoformat()} is not after {scene.now.isoformat()}.",
                "Name a time that is still to come.",
                errors=[{"in": "body", "path": "$.until", "detail": "not in the future"}],
            )
        after = domain.snooze(scene.talk, until, scene.setup, scene.now)
        return await self._keep(session, scene, after, "snoozed", by.actor, {"until": until})

    async def resume(self, session: AsyncSession, id_: str, by: By) -> Conversation:
        """It goes on, with its agent if they are there and have room, else in its queue with its age.

        Raises:
            Problem: as `resolve`.
        """
        scene = await locked(session, self.setups, id_, by)
        after = domain.resume(scene.talk, scene.setup, scene.now, has_room=scene.has_room)
        return await self._keep(session, scene, after, "resumed", by.actor)

    async def reopen(self, session: AsyncSession, id_: str, by: By) -> Conversation:
        """It needs an answer after all: a new item waits, from the unanswered message's time, else from now.

        Raises:
            Problem: as `resolve`; 409 where all its messages are deleted.
        """
        scene = await locked(session, self.setups, id_, by)
        return await self.open_again(session, scene, "reopened", by.actor)

    async def open_again(
        self, session: AsyncSession, scene: Scene, reason: str, actor: str, why: Any = None
    ) -> Conversation:
        """As `reopen`, of a conversation that is locked."""
        latest = await talks.latest_message(session, scene.talk)
        if latest is None:
            raise Problem(
                409,
                "nothing-to-answer",
                "There is nothing to answer",
                f"All that the customer wrote in {scene.talk.id} is deleted.",
                "Nothing is to be done.",
            )
        message, now = latest.message, scene.now
        after = domain.reopen(
            scene.talk,
            message,
            scene.setup,
            now,
            since=now if latest.answered_at is not None else message.posted_at,
            new_item_id=typed_id("itm", now, scene.talk.id, str(scene.talk.version)),
        )
        kept = await self._keep(session, scene, after, reason, actor, why)
        before = scene.talk.item
        if kept.item is not None and (before is None or kept.item.id != before.id):
            await talks.add_item(session, kept.item, message, reason, actor, now)
        return kept

    async def _keep(
        self,
        session: AsyncSession,
        scene: Scene,
        after: After | NotFrom | Nobody,
        reason: str,
        actor: str,
        why: Any = None,
    ) -> Conversation:
        if not isinstance(after, After):
            raise not_possible(scene.talk, after)
        ledger = Ledger(scene.now, actor, self._figures)
        ledger.talk(scene.talk, after.talk, reason, why)
        if after.item is not None and scene.talk.item is not None:
            ledger.item(scene.talk.item, after.item, scene.talk.key, _reason_of(after.item, reason))
        await ledger.write(session)
        return after.talk


def _reason_of(item: Item, reason: str) -> str:
    """Why the item changed; one that should have gone on with its agent went back because that one could not."""
    return "agent_not_there" if reason == "resumed" and item.state not in HELD_STATES else reason


def not_possible(talk: Conversation, why: NotFrom | Nobody) -> Problem:
    """A 409 that says from where it would be possible."""
    if isinstance(why, Nobody):
        return Problem(
            409,
            "nobody-has-it",
            "Nobody has this conversation",
            f"{talk.id} is {talk.state}, and its item is {why.state}." if why.state else f"{talk.id} has no open item.",
            "Claim its item first: what is put aside comes back to the agent who has it.",
            state=talk.state,
        )
    into = f" into {talk.merged_into}" if talk.merged_into else ""
    return Problem(
        409,
        "not-from-this-state",
        "This is not possible in its state",
        f"{talk.id} is {why.state}{into}; {why.action} is possible in {', '.join(why.possible_in)}.",
        f"Act on {talk.merged_into}." if into else "Look at it again: somebody may have been quicker.",
        state=why.state,
        possible_in=list(why.possible_in),
    )
