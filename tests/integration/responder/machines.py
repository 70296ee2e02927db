"""Events heard, and turns taken, so many seconds later: for what a machine writes by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from libs.common.db import Database, connect
from libs.common.events import ConversationResolved, Event, MentionRouted
from services.responder.handlers.machines import Machines
from services.responder.handlers.mentions import Mentions
from services.responder.handlers.replies import Changes
from services.responder.handlers.surveys import Surveys
from tests.integration.responder.conftest import MEANS, World
from tests.integration.responder.mentions import routed

HOUR = 3600
DAY = 24 * HOUR
DUE = HOUR + 1  # after a conversation was resolved
TEXTS = {"fr": "Bonjour {author}, bien reçu par {handle}.", "en": "Hello {author}, {handle} has it."}
ASKS = {"fr": "Notée de 1 à 5 ? STOP pour ne plus être sollicité.", "en": "From 1 to 5? STOP for no more of this."}


@asynccontextmanager
async def process(world: World, later: float = 0) -> AsyncIterator[tuple[Database, Mentions]]:
    """One process so many seconds later."""
    database = connect(world.url, "responder", clock_offset=timedelta(seconds=later))
    changes = Changes()
    machines = Machines(world.figures, changes, MEANS)
    try:
        yield database, Mentions(world.figures, machines, Surveys(database, world.figures, changes, MEANS))
    finally:
        await database.close()


async def hear(world: World, *events: Event, later: float = 0) -> None:
    """One batch, in one transaction."""
    async with process(world, later) as (database, mentions), database.begin() as session:
        await mentions.on_work_items(events, session)


async def turn(world: World, later: float) -> None:
    """One look at the surveys that are due."""
    async with process(world, later) as (_, mentions):
        assert mentions.surveys is not None
        await mentions.surveys.turn()


async def rule(world: World, **fields: Any) -> None:
    """What a machine may write for the handle, with templates for both."""
    for slug, texts in (("received", TEXTS), ("how-was-it", ASKS)):
        assert (await world.http.put(f"/v1/templates/{slug}", json={"texts": texts})).status_code == 200
    answer = await world.http.put("/v1/reply-rules/handles/x/acme", json=fields)
    assert answer.status_code == 200, answer.text


def talk(conversation_id: str, **more: Any) -> dict[str, Any]:
    """Whose message it is."""
    return {"conversation_id": conversation_id} | more


def fresh(post_id: str = "1001", *, later: float = 0, **more: Any) -> MentionRouted:
    """A message of this moment, private unless written."""
    moment = datetime.now(UTC) + timedelta(seconds=later)
    return routed(post_id, at=moment, **{"private": True} | more)


def resolved(*, later: float = 0, **more: Any) -> ConversationResolved:
    """An agent says that the conversation is done."""
    fields: dict[str, Any] = {
        "event_id": "s-1",
        "occurred_at": datetime.now(UTC) + timedelta(seconds=later),
        "key": "key-jo",
        "conversation_id": "cnv_1",
        "network": "x",
        "handle": "acme",
        "author_id": "222",
        "language": "fr",
        "agent": "ana",
        "private": True,
    }
    return ConversationResolved(**fields | more)


async def survey(world: World, conversation: str = "cnv_1") -> Any:
    answer = await world.http.get(f"/v1/surveys/{conversation}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def scheduled(world: World, **more: Any) -> None:
    """A private conversation that was resolved, of a handle that asks."""
    await rule(world, survey="how-was-it", **more)
    await hear(world, fresh(), resolved())
    assert (await survey(world))["state"] == "scheduled"


async def sent(world: World, later: float = DUE) -> None:
    """Its survey is out."""
    await turn(world, later)
    for _ in range(2):  # the first goes alone: it tells what the network allows
        await world.sends(later)
    await turn(world, later + 11)


def rates(n: int, later: float, comment: str = "", **more: Any) -> Any:
    said = {"outcome": "set_aside", "rating": n, "comment": comment}
    return fresh(more.pop("post_id", "2001"), later=later, **said | more)
