"""Several items of one incident in one agent's hands. Pure."""

from collections.abc import Collection

from msgspec.structs import replace

from services.router.domain.eligibility import Agent
from services.router.domain.serving import Counter, Serving

_EVERYTHING = 1_000_000  # units


def take_together(
    agent: Agent, counter: Counter, queues: Collection[str], teams: Collection[str], count: int, *, holds_one: bool
) -> list[Serving]:
    """The first `count` items by our order that the agent may have, what is critical before all.

    Together they weigh what the first one weighs, for they are answered as one; each gets its own weight back when it
    goes back into its queue. Where the agent has no room for the first there is none.

    Args:
        holds_one: the agent has an item of this incident that weighs: these weigh nothing.
    """
    taken: list[Serving] = []
    while len(taken) < count:
        light = holds_one or bool(taken)
        who = with_room(agent) if light else agent
        served = counter.serve(who, queues, teams)
        if served is None:
            break
        taken.append(Serving(replace(served.item, weight=0), served.why) if light else served)
    return taken


def with_room(agent: Agent) -> Agent:
    """The agent with room for whatever may weigh nothing beside what they hold."""
    return replace(agent, used=0, capacity=_EVERYTHING)
