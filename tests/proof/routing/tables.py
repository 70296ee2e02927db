"""Promises that one question to the tables settles, or a walk through the history of one item."""

from collections.abc import Collection
from itertools import groupby
from operator import attrgetter

import asyncpg

from services.router.domain.setup import Setup
from services.router.domain.waiting import arrange, plan_of
from services.router.store.items import WorkItem
from tests.proof.routing.history import History, Step
from tests.proof.routing.story import Played
from tests.proof.routing.verdict import Verdict

_HELD = ("reserved", "assigned", "wrapping")
_LEGAL: dict[str, tuple[str, ...]] = {
    "pending": ("pending", "reserved", "assigned", "completed", "canceled"),
    "reserved": ("reserved", "assigned", "pending", "completed", "canceled"),
    "assigned": ("assigned", "pending", "wrapping", "completed", "canceled"),
    "wrapping": ("completed",),
    "completed": (),
    "canceled": (),
}
_NONE_OF: dict[str, tuple[str, str]] = {
    "a conversation has at most one open item": (
        "SELECT count(DISTINCT conversation_id) FROM router.work_items",
        f"SELECT conversation_id FROM router.work_items WHERE state IN ('pending', {', '.join(map(repr, _HELD))}) "
        "GROUP BY 1 HAVING count(*) > 1",
    ),
    "what an agent uses is what they hold": (
        "SELECT count(*) FROM router.agents",
        "SELECT slug || ' used ' || used || ', holds ' || held FROM (SELECT slug, used, (SELECT coalesce(sum(weight), "
        f"0) FROM router.work_items WHERE agent = slug AND state IN {_HELD}) AS held FROM router.agents) a "
        "WHERE used <> held",
    ),
    "a running offer is of an item that is reserved for that agent, and each of those has one": (
        "SELECT count(*) FROM router.reservations",
        "SELECT coalesce(r.id, i.id) FROM (SELECT * FROM router.reservations WHERE state = 'pending') r FULL JOIN "
        "(SELECT * FROM router.work_items WHERE state = 'reserved') i ON i.id = r.item_id AND i.agent = r.agent "
        "WHERE r.id IS NULL OR i.id IS NULL",
    ),
    "a deadline that passed was seen": (
        "SELECT count(*) FROM router.work_items WHERE due_at IS NOT NULL",
        "SELECT id FROM router.work_items WHERE state IN ('pending', 'assigned') AND NOT late "
        "AND due_at < clock_timestamp()",
    ),
    "a clock runs only while its item is open": (
        "SELECT count(*) FROM router.clocks",
        "SELECT c.item_id FROM router.clocks c JOIN router.work_items i ON i.id = c.item_id WHERE "
        "c.state = 'running' AND i.state IN ('wrapping', 'completed', 'canceled') AND c.kind <> 'promise'",
    ),
    "what has a deadline has a clock, and the same deadline on it": (
        "SELECT count(*) FROM router.work_items WHERE due_at IS NOT NULL",
        "SELECT i.id FROM router.work_items i LEFT JOIN router.clocks c ON c.item_id = i.id AND c.kind <> 'promise' "
        "WHERE i.due_at IS NOT NULL AND (c.due_at IS NULL OR c.state = 'running' AND c.due_at <> i.due_at)",
    ),
    "no event waits to be told, and no timer is overdue": (
        "SELECT count(*) FROM router.work_items",
        "SELECT key FROM router.outbox UNION ALL SELECT id FROM router.work_items WHERE next_at <= clock_timestamp() "
        f"AND state IN ('pending', {', '.join(map(repr, _HELD))})",
    ),
    "every mention that opened or joined an item names one of its conversation": (
        "SELECT count(*) FROM router.mentions WHERE outcome IN ('opened', 'joined')",
        "SELECT m.post_id FROM router.mentions m LEFT JOIN router.work_items i ON i.id = m.item_id "
        "WHERE m.outcome IN ('opened', 'joined') AND i.conversation_id IS DISTINCT FROM m.conversation_id",
    ),
}  # each: how many there are, and those that break it


async def of_tables(connection: asyncpg.Connection, played: Played) -> list[Verdict]:
    """What stands in the tables at the end."""
    found = [await _kept_once(connection, played)]
    for promise, (count, broken) in _NONE_OF.items():
        verdict = Verdict(promise, await connection.fetchval(count))
        for row in await connection.fetch(broken):
            verdict.breaks(str(row[0]))
        found.append(verdict)
    return found


async def _kept_once(connection: asyncpg.Connection, played: Played) -> Verdict:
    kept = [row[0] for row in await connection.fetch("SELECT post_id FROM router.mentions")]
    verdict = Verdict("every mention is kept once, and none that nobody sent", len(played.post_ids))
    for post_id in played.post_ids ^ set(kept):
        verdict.breaks(post_id)
    if len(kept) != len(set(kept)):
        verdict.breaks("a mention stands twice")
    return verdict


def of_paths(history: History, items: Collection[WorkItem]) -> Verdict:
    """Versions without holes, a legal path, and the last line is what the item is."""
    verdict = Verdict("an item is in one state, by a legal path, with every version told once")
    steps = {id_: list(group) for id_, group in groupby(history.steps, key=attrgetter("item_id"))}
    for work in items:
        item = work.item
        verdict.look(*_path(item.id, item.version, item.state, steps.pop(item.id, [])))
    for id_ in steps:
        verdict.breaks(f"{id_} has a history and is none")
    return verdict


def _path(id_: str, version: int, state: str, steps: list[Step]) -> tuple[bool, str]:
    before = "pending"
    holder = ""
    for number, step in enumerate(steps, start=2):
        if step.version != number:
            return False, f"{id_}: after version {number - 1} comes {step.version} ({step.reason})"
        if step.state not in _LEGAL[before]:
            return False, f"{id_}: {before} -> {step.state} ({step.reason})"
        if before in _HELD and step.state in _HELD and step.agent != holder:
            return False, f"{id_}: from {holder} to {step.agent} at once ({step.reason})"
        before, holder = step.state, step.agent
    if (before, len(steps) + 1) != (state, version):
        return False, f"{id_} is {state} in version {version}, told are {before} and {len(steps) + 1}"
    return True, ""


def of_places(items: Collection[WorkItem], setup: Setup, played: Played) -> Verdict:
    """With time standing still, what waits stands where the pure functions put it."""
    verdict = Verdict("what waits stands where urgency, deadline, age and step put it")
    for work in items:
        item = work.item
        if item.state == "pending":
            there = arrange(item, plan_of(item, setup), setup, played.held_at)
            same = (there.line, there.rank, there.late, there.sort_at) == (
                item.line,
                item.rank,
                item.late,
                item.sort_at,
            )
            verdict.look(same, f"{item.id}: {item.line} {item.rank} {item.late}, not {there.line} {there.rank}")
    return verdict
