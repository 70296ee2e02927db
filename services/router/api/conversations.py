"""Conversations over REST: what was said, who is on it, what becomes of it; and a person's history."""

from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.idempotency import OptionalKey
from libs.common.lists import PAGE, Limit, Page, cut, decode_cursor, etag_of
from libs.common.problems import Problem
from services.router.api.conversation_shapes import (
    ConversationOut,
    Entry,
    LeaseIn,
    Leases,
    NoteIn,
    NoteOut,
    OnIt,
    PersonOut,
    conversation_out,
    entry,
    once,
)
from services.router.api.mentions import Cursor, UpdatedAfter
from services.router.api.queues import Slug
from services.router.domain.words import CONVERSATION_STATES
from services.router.handlers.conversations import HINT
from services.router.handlers.desk import unknown
from services.router.ids import typed_id
from services.router.store import agents, leases, notes, persons, timeline
from services.router.store import conversations as store
from services.router.store.notes import Note

LEASE_LASTS = timedelta(seconds=30)


def routes(database: Database) -> APIRouter:
    """The routes of conversations and of people."""
    router = APIRouter(prefix="/v1", tags=["conversations"])
    reads, writes = needs("mentions:read"), needs("conversations:write")
    _reading(router, database, reads)
    _beside(router, database, reads, writes)
    return router


def _reading(router: APIRouter, database: Database, reads: Any) -> None:
    @router.get("/conversations")
    async def list_conversations(
        caller: Annotated[Caller, reads],
        author: Annotated[str | None, Query(description="network:author id, such as x:222")] = None,
        state: Annotated[str | None, Query(description=", ".join(CONVERSATION_STATES))] = None,
        handle: str | None = None,
        limit: Limit = PAGE,
        cursor: Cursor = None,
        updated_after: UpdatedAfter = None,
    ) -> Page[ConversationOut]:
        """Conversations by the time they last changed."""
        network, _, author_id = (author or "").partition(":")
        if author is not None and not (network and author_id):
            raise Problem(
                400, "bad-author", "This is not an author", f"author={author!r}",
                "Write the network, a colon and the author's id: author=x:222.",
            )  # fmt: skip
        if state is not None and state not in CONVERSATION_STATES:
            raise _unknown_state(state)
        async with database.read() as session:
            rows = await store.list_conversations(
                session, caller.teams, author=(network, author_id) if author else None, state=state, handle=handle,
                updated_after=updated_after, after=decode_cursor(cursor), limit=limit,
            )  # fmt: skip
        page, next_cursor = cut(rows, limit, lambda row: (row["updated_at"], row["id"]))
        return Page(items=[conversation_out(row) for row in page], next_cursor=next_cursor)

    @router.get("/conversations/{conversation_id}")
    async def get_conversation(
        conversation_id: str, caller: Annotated[Caller, reads], response: Response
    ) -> ConversationOut:
        """One conversation."""
        async with database.read() as session:
            row = await _known(session, conversation_id, caller)
        response.headers["ETag"] = etag_of(row["version"])
        return conversation_out(row)

    @router.get("/conversations/{conversation_id}/timeline")
    async def get_timeline(
        conversation_id: str, caller: Annotated[Caller, reads], limit: Limit = PAGE, cursor: Cursor = None
    ) -> Page[Entry]:
        """What was said, both sides, public and private; notes; what became of it and of its items. Oldest first."""
        async with database.read() as session:
            await _known(session, conversation_id, caller)
            rows = await timeline.page(session, conversation_id, decode_cursor(cursor), limit)
        page, next_cursor = cut(rows, limit, lambda row: row["mark"])
        return Page(items=[entry(row) for row in page], next_cursor=next_cursor)

    @router.get("/people/{network}/{author_id:path}")
    async def get_person(
        network: str, author_id: str, caller: Annotated[Caller, reads], limit: Limit = PAGE
    ) -> PersonOut:
        """A person's history over the handles of your teams."""
        async with database.read() as session:
            found = await persons.history(session, network, author_id, caller.teams, limit)
        if found is None:
            raise unknown("person", f"{network}/{author_id}", "A person is known by their mentions: GET /v1/mentions.")
        return PersonOut(
            network=network,
            author_id=author_id,
            author_username=found.username,
            handles=found.handles,
            conversations_total=sum(found.by_state.values()),
            conversations_by_state=found.by_state,
            mentions=found.mentions,
            answered=found.answered,
            first_at=found.first_at,
            last_message_at=found.last_message_at,
            last_answered_at=found.last_answered_at,
            conversations=[conversation_out(row) for row in found.conversations],
        )


def _beside(router: APIRouter, database: Database, reads: Any, writes: Any) -> None:
    """Notes and leases: they change nothing about the conversation itself."""
    path = "/conversations/{conversation_id}"

    @router.get(f"{path}/notes")
    async def list_notes(
        conversation_id: str, caller: Annotated[Caller, reads], limit: Limit = PAGE, cursor: Cursor = None
    ) -> Page[NoteOut]:
        """What colleagues wrote for each other, oldest first."""
        async with database.read() as session:
            await _known(session, conversation_id, caller)
            found = await notes.of_conversation(session, conversation_id, decode_cursor(cursor), limit)
        page, next_cursor = cut(found, limit, lambda note: (note.created_at, note.id))
        return Page(items=[_note_out(note) for note in page], next_cursor=next_cursor)

    @router.post(f"{path}/notes", status_code=201, response_model=NoteOut)
    async def post_note(
        conversation_id: str, body: NoteIn, request: Request, caller: Annotated[Caller, writes], key: OptionalKey
    ) -> Response:
        """Write something for colleagues; customers never see it."""

        async def work(session: AsyncSession) -> NoteOut:
            await _known(session, conversation_id, caller)
            now = await db.now(session)
            made = typed_id("not", now, conversation_id, caller.key_id, body.text)
            note = Note(made, conversation_id, body.text, body.agent or "", caller.key_id, now)
            await notes.add(session, note)
            return _note_out(note)

        return await once(database, request, caller, key, 201, work)

    @router.put(f"{path}/lease")
    async def put_lease(conversation_id: str, body: LeaseIn, caller: Annotated[Caller, writes]) -> Leases:
        """Say that an agent is on it; valid for 30 s. Tells who else is."""

        async def work(session: AsyncSession) -> Leases:
            await _known(session, conversation_id, caller)
            if await agents.get_agent(session, body.agent, {"*"}) is None:
                raise unknown("agent", body.agent, "GET /v1/agents lists them; PUT /v1/agents/{agent} makes one.")
            await leases.put(session, conversation_id, body.agent, await db.now(session), draft=body.draft)
            return await _on_it(session, conversation_id, body.agent)

        return await database.write(work)

    @router.get(f"{path}/lease")
    async def get_lease(conversation_id: str, caller: Annotated[Caller, reads]) -> Leases:
        """Who is on it now."""
        async with database.read() as session:
            await _known(session, conversation_id, caller)
            return await _on_it(session, conversation_id)

    @router.delete(f"{path}/lease", status_code=204)
    async def delete_lease(
        conversation_id: str,
        caller: Annotated[Caller, writes],
        agent: Annotated[Slug, Query(description="Who is on it no more")],
    ) -> None:
        """An agent is on it no more. Saying so twice is saying it once."""

        async def work(session: AsyncSession) -> None:
            await _known(session, conversation_id, caller)
            await leases.drop(session, [conversation_id], agent)

        await database.write(work)


async def _known(session: AsyncSession, conversation_id: str, caller: Caller) -> dict[str, Any]:
    row = await store.get_conversation(session, conversation_id, caller.teams)
    if row is None:
        raise unknown("conversation", conversation_id, HINT)
    return row


async def _on_it(session: AsyncSession, conversation_id: str, asking: str | None = None) -> Leases:
    now = await db.now(session)
    found = await leases.of_conversation(session, conversation_id, now - LEASE_LASTS)
    return Leases(
        items=[
            OnIt(
                agent=lease.agent,
                renewed_at=lease.renewed_at,
                draft_at=lease.draft_at,
                expires_at=lease.renewed_at + LEASE_LASTS,
            )
            for lease in found
        ],
        others=[lease.agent for lease in found if lease.agent != asking],
    )


def _note_out(note: Note) -> NoteOut:
    return NoteOut(id=note.id, text=note.text, agent=note.agent or None, actor=note.actor, created_at=note.created_at)


def _unknown_state(state: str) -> Problem:
    near = get_close_matches(state, CONVERSATION_STATES, n=1)
    return Problem(
        400,
        "unknown-state",
        "There is no such state",
        f"state={state[:80]!r} is not a state of a conversation.",
        f"Did you mean {near[0]}?" if near else f"It is one of {', '.join(CONVERSATION_STATES)}.",
        nearest=near[0] if near else None,
    )
