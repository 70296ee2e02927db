"""Why an item is where it is: what decided, who could have it, and why each other agent could not."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from services.router.domain.eligibility import parse_line, why_not
from services.router.domain.hours import is_open
from services.router.domain.setup import Setup
from services.router.domain.waiting import Item
from services.router.handlers.desk import unknown
from services.router.store import agents, items
from services.router.store.items import WorkItem
from services.router.store.setup import Setups


@dataclass(frozen=True)
class Explanation:
    """`candidates`: who could have it now; `others`: (agent, why not); `ahead`: waiting before it in its line."""

    work: WorkItem
    now: datetime
    in_words: str
    candidates: list[str]
    others: list[tuple[str, str]]
    ahead: int
    history: list[dict[str, Any]]


async def explain(session: AsyncSession, setups: Setups, item_id: str, teams: Collection[str]) -> Explanation:
    """The whole story of one item.

    Raises:
        Problem: 404.
    """
    work = await items.get_item(session, item_id, teams)
    if work is None:
        raise unknown("work item", item_id, "GET /v1/work-items lists them.")
    setup = await setups.current(session)
    now = await db.now(session)
    item = work.item
    queue = setup.queues.get(item.queue)
    _, _, needs = parse_line(item.line)
    candidates: list[str] = []
    others: list[tuple[str, str]] = []
    for agent in await agents.list_agents(session, {"*"}):
        reasons = [
            why_not(
                agent.as_candidate(setup), queue=item.queue, team=team, needs=needs, weight=item.weight, now=now,
                declined_by=item.routing.declined_by,
            )
            for team in dict.fromkeys((item.team, queue.team if queue else item.team))
        ]  # fmt: skip
        if reasons[0] == "team" and len(set(reasons)) == 1:
            continue  # who is not in the team does not see it, nor is seen
        if None in reasons:
            candidates.append(agent.slug)
        else:
            others.append((agent.slug, next(reason for reason in reversed(reasons) if reason)))
    ahead = await items.count_ahead(session, item) if item.state == "pending" else 0
    history = await items.history(session, item_id)
    words = _in_words(item, setup, now, candidates, ahead)
    return Explanation(work, now, words, candidates, others, ahead, history)


def _in_words(item: Item, setup: Setup, now: datetime, candidates: list[str], ahead: int) -> str:
    routing = item.routing
    decided = f"rule {routing.rule} of policy {routing.policy}" if routing.rule else "its language"
    said = [f"In the queue {item.queue} by {decided}."]
    if routing.sent_from:
        said.append(f"It came from the queue {routing.sent_from}.")
    if routing.reasons:
        said.append(f"It is {item.urgency} because of {', '.join(routing.reasons)}.")
    if item.state == "pending":
        queue = setup.queues.get(item.queue)
        if queue is not None and not is_open(setup.hours_of(queue), now):
            said.append("The queue is closed now; it waits and keeps its age.")
        elif not candidates:
            said.append("Nobody can take it now.")
        else:
            said.append(f"{ahead} before it in its line; {len(candidates)} could take it.")
    elif item.agent:
        said.append(f"{item.agent} has it ({item.state}).")
    else:
        said.append(f"It is {item.state}.")
    return " ".join(said)
