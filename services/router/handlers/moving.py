"""Conversations change hands: to a queue, a team or an agent; and two become one."""

from collections.abc import Collection
from dataclasses import replace as changed
from datetime import datetime
from typing import Any

from msgspec import convert
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.errors import Raced
from libs.common.events import Event, Labels, MentionRouted, derived_id
from libs.common.lists import check_if_match
from libs.common.outbox import emit
from libs.common.problems import Problem
from libs.common.trace import traceparent
from services.router.domain.conversations import merge
from services.router.domain.policies import Subject, plan_for
from services.router.domain.routing import Conversation, stale_at
from services.router.domain.setup import Queue, Setup
from services.router.domain.waiting import Item, given, moved
from services.router.domain.words import DEFAULT_TEAM, HELD_STATES
from services.router.handlers.conversations import HINT, By, Scene, locked
from services.router.handlers.desk import cannot_take, unknown
from services.router.handlers.figures import Figures
from services.router.handlers.ledger import Ledger
from services.router.ids import typed_id
from services.router.store import agents, items, notes, talks
from services.router.store.agents import Agent
from services.router.store.notes import Note
from services.router.store.setup import Setups


class Moving:
    """Transfers and merges."""

    def __init__(self, setups: Setups, figures: Figures) -> None:
        self._setups = setups
        self._figures = figures

    async def to_queue(self, session: AsyncSession, id_: str, queue: str, note: str, by: By) -> Conversation:
        """Its item waits there, with its age. A queue of another team than the one it waits with takes it along.

        Raises:
            Problem: 404; 409 where it has no open item; 412.
        """
        scene = await locked(session, self._setups, id_, by)
        there = scene.setup.queues.get(queue)
        if there is None:
            raise unknown("queue", queue, "GET /v1/queues lists them.")
        item = _open_item(scene)
        here = scene.setup.queues.get(item.queue)
        known = (scene.talk.team, here.team if here is not None else scene.talk.team)
        team = scene.talk.team if there.team in known else there.team
        return await self._move(session, scene, moved(item, there, scene.setup, scene.now, team=team), team, note, by)

    async def to_team(self, session: AsyncSession, id_: str, team: str, note: str, by: By) -> Conversation:
        """It belongs to that team from now on, which sees it and nothing else of the one that gave it.

        Its item waits where the team's own policies send it, with its age and its deadline.

        Raises:
            Problem: 404; 412.
        """
        scene = await locked(session, self._setups, id_, by)
        if not _is_team(team, scene.setup):
            raise unknown("team", team, "GET /v1/teams lists them.")
        item = scene.talk.item
        after = None
        if item is not None and item.state != "wrapping":
            queue = _queue_of_team(scene.talk, item, team, scene.setup)
            after = moved(item, queue, scene.setup, scene.now, team=team)
        return await self._move(session, scene, after, team, note, by)

    async def to_agent(self, session: AsyncSession, id_: str, agent: str, note: str, by: By) -> Conversation:
        """Into this agent's hands; to their team, where it is of none of theirs.

        Raises:
            Problem: 404; 409 where it has no open item, or they are not there or have no room; 412.
        """
        scene = await locked(session, self._setups, id_, by, further={agent})
        person = scene.people.get(agent)
        item = _open_item(scene)
        units = item.weight if item.routing.parked is None else item.routing.parked
        if problem := cannot_take(agent, _without(person, item), scene.setup, scene.now, weight=units):
            raise problem
        assert person is not None
        talk = scene.talk
        team = talk.team if talk.team == person.team or talk.team in person.teams else person.team
        queue = scene.setup.queues.get(item.queue) or next(iter(scene.setup.queues.values()))
        free = moved(item, queue, scene.setup, scene.now, team=team)
        free = replace(free, routing=replace(free.routing, sent_from=item.routing.sent_from), version=item.version)
        return await self._move(session, scene, given(free, agent, scene.setup, scene.now), team, note, by)

    async def _move(
        self, session: AsyncSession, scene: Scene, item: Item | None, team: str, note: str, by: By
    ) -> Conversation:
        before = scene.talk
        why: dict[str, Any] = {"team": team, "from_team": before.team, "note": note}
        ledger = Ledger(scene.now, by.actor, self._figures)
        after = replace(before, team=team, version=before.version + 1)
        if item is not None:
            after = replace(after, state="open", reason="", wake_at=stale_at(before.private, scene.now), item=item)
            why |= {"queue": item.queue, "agent": item.agent}
            assert before.item is not None
            ledger.item(before.item, item, before.key, "transferred", {"from": before.item.queue, "note": note})
        ledger.talk(before, after, "transferred", why)
        await ledger.write(session)
        if team != before.team:
            await talks.give_to_team(session, after, scene.now)
            rows = await talks.messages_of(session, after.id)
            emit(session, [_routed(row, after, after, scene.now) for row in rows])
        if note:
            made = typed_id("not", scene.now, before.id, str(after.version))
            await notes.add(session, Note(made, before.id, note, "", by.actor, scene.now))
        return after

    async def merge(self, session: AsyncSession, id_: str, into: str, by: By) -> Conversation:
        """All that is in the one goes on in the other; both are locked in the order of their ids.

        Raises:
            Problem: 404; 409 where one of them is merged already; 412; 422 for a conversation into itself.
        """
        if id_ == into:
            raise Problem(422, "same-conversation", "This is the same conversation", fix="Name another one in `into`.")
        setup = await self._setups.current(session)
        both = await talks.lock(session, [id_, into])
        for wanted in (id_, into):
            if wanted not in both or not by.sees(both[wanted].team):
                raise unknown("conversation", wanted, HINT)
            if both[wanted].merged_into:
                raise _merged_already(both[wanted])
        check_if_match(by.if_match, both[id_].version)
        source, target = await _with_items(session, both[id_], both[into])
        now = await db.now(session)
        merged = merge(source, target, setup, now)
        ledger = Ledger(now, by.actor, self._figures)
        ledger.talk(source, merged.source, "merged", {"into": into})
        ledger.talk(target, merged.target, "merged", {"from": id_})
        gone, stays = merged.gone, merged.stays
        if gone is not None:
            was = source.item if source.item is not None and source.item.id == gone.id else target.item
            assert was is not None
            ledger.item(was, gone, source.key, "merged" if gone.state == "canceled" else "wrapped")
        if stays is not None and merged.was is not None and stays.version != merged.was.version:
            ledger.item(merged.was, stays, target.key, "merged")
        await ledger.write(session)
        waits = (gone.id, stays.id) if gone is not None and stays is not None else None
        rows = await talks.messages_of(session, source.id)
        await talks.move(session, source, merged.target, now, items=waits)
        if waits is not None:
            rows = [row | {"item_id": waits[1]} if row["item_id"] == waits[0] else row for row in rows]
        emit(session, [_routed(row, merged.source, merged.target, now) for row in rows])
        return merged.target


def _without(person: Agent | None, item: Item) -> Agent | None:
    """The agent as if they did not hold it."""
    if person is None or person.slug != item.agent or item.state not in HELD_STATES:
        return person
    return changed(person, used=person.used - item.weight)


def _open_item(scene: Scene) -> Item:
    item = scene.talk.item
    if item is None or item.state == "wrapping":
        raise Problem(
            409,
            "nothing-waits",
            "Nothing waits in this conversation",
            f"{scene.talk.id} is {scene.talk.state} and has no open item.",
            f"POST /v1/conversations/{scene.talk.id}/reopen first, or transfer it to a team.",
            state=scene.talk.state,
        )
    return item


def _is_team(team: str, setup: Setup) -> bool:
    return team == DEFAULT_TEAM or team in setup.teams or any(queue.team == team for queue in setup.queues.values())


def _queue_of_team(talk: Conversation, item: Item, team: str, setup: Setup) -> Queue:
    routing = item.routing
    subject = Subject(
        team=team,
        language=routing.language,
        network=talk.network,
        handle=talk.handle,
        intent=routing.intent,
        urgency=item.urgency,
        topics=routing.topics,
        reasons=routing.reasons,
        private=talk.private,
    )
    return plan_for(subject, setup).queue


async def _with_items(
    session: AsyncSession, source: Conversation, target: Conversation
) -> tuple[Conversation, Conversation]:
    """Both with their items, locked after all their agents."""
    open_items = [talk.item for talk in (source, target) if talk.item is not None]
    holders = {item.agent for item in open_items if item.agent}
    if holders:
        await agents.lock_agents(session, holders)
    fresh = {work.item.id: work.item for work in await items.lock_items(session, [i.id for i in open_items], {"*"})}
    return _fresh(source, fresh, holders), _fresh(target, fresh, holders)


def _fresh(talk: Conversation, items_now: dict[str, Item], locked_agents: Collection[str]) -> Conversation:
    if talk.item is None:
        return talk
    item = items_now[talk.item.id]
    if item.version != talk.item.version or (item.agent and item.agent not in locked_agents):
        raise Raced("the item changed hands")
    return replace(talk, item=item)


def _merged_already(talk: Conversation) -> Problem:
    return Problem(
        409,
        "merged",
        "This conversation was merged into another",
        f"{talk.id} goes on in {talk.merged_into}.",
        f"Act on {talk.merged_into}.",
        merged_into=talk.merged_into,
    )


def _routed(row: dict[str, Any], before: Conversation, talk: Conversation, now: datetime) -> Event:
    """Of a message told again: it belongs to another team or conversation now, and who answers must know."""
    labels = convert(row["labels"], Labels)
    return MentionRouted(
        event_id=derived_id(f"{talk.id} {talk.version}", MentionRouted.type, f"{row['network']}/{row['post_id']}"),
        occurred_at=now,
        key=before.key,  # of the author: what is told of one mention stays in order
        traceparent=traceparent(),
        network=row["network"],
        post_id=row["post_id"],
        handle=row["handle"],
        author_id=row["author_id"],
        author_username=row["author_username"],
        thread_id=row["thread_id"] or row["post_id"],
        private=row["private"],
        posted_at=row["posted_at"],
        language=labels.language if labels.language != "und" else talk.language,
        intent=labels.intent,
        urgency=labels.urgency,
        conversation_id=talk.id,
        outcome=row["outcome"],
        item_id=row["item_id"],
        queue=row["queue"],
        team=talk.team,
        incident=(row["routing"] or {}).get("incident", ""),
        sentiment=labels.sentiment,
    )
