"""Conversations as tests act on them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.router.handlers.waking import Waker
from services.router.store.setup import Setups
from tests.integration.router.conftest import World
from tests.integration.router.messages import mention


async def wakes(world: World, after: timedelta = timedelta()) -> int:
    """The timers look at conversations, so long from now; says at how many."""
    async with world.later(after) as database, database.begin() as session:
        setup = await Setups().current(session)
        now = datetime.now(UTC) + after
        return await Waker().wake(session, setup, now)


async def the_conversation(world: World, author: str = "jo") -> Any:
    [talk] = (await world.get(f"/v1/conversations?author=x:{author}"))["items"]
    return talk


async def do(world: World, talk: str, action: str, status: int = 200, **body: Any) -> Any:
    """An action on a conversation."""
    return await world.call("POST", f"/v1/conversations/{talk}/{action}", body, status)


async def taken(world: World, post_id: str = "1", *, agent: str = "ana", **more: Any) -> str:
    """A mention came, and an agent has it; the id of its conversation."""
    await world.agent(agent, capacity=more.pop("capacity", 3))
    await world.hears(mention(post_id, **more))
    return str((await world.take(agent))["conversation"]["id"])


async def used(world: World, agent: str = "ana") -> int:
    return int((await world.get(f"/v1/agents/{agent}"))["used"])
