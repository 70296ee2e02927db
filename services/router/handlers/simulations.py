"""Rehearsals of what is stored: the set-up in force, and what somebody would change in it."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from libs.common import db
from libs.common.db import Database
from libs.common.lists import Mark
from libs.common.problems import Problem
from services.router.domain.eligibility import Agent
from services.router.domain.reading import Unreadable
from services.router.domain.setup import Setup
from services.router.domain.simulation.floor import Floor
from services.router.domain.simulation.rehearsed import Things, rehearsed
from services.router.domain.simulation.report import compare, report_of
from services.router.domain.simulation.traffic import Arrival, Case, Handling, Promise, Worker, parse_promise
from services.router.store import agents, simulations
from services.router.store.setup import Setups

MOST_MENTIONS = 200_000
AT_ONCE = 2000  # mentions for each question to the database


@dataclass(frozen=True)
class Rehearsal:
    """What is asked for."""

    start: datetime
    end: datetime
    changes: Mapping[str, Things]  # by kind, and `agents`; empty: as it is
    handling: Handling
    promise: str | None
    zone: str
    with_items: bool


class Rehearsals:
    """One at a time, beside the event loop: a rehearsal takes seconds, and people are waiting for other answers."""

    def __init__(self, database: Database, setups: Setups, most: int = MOST_MENTIONS, at_once: int = AT_ONCE) -> None:
        self._database = database
        self._setups = setups
        self._most = most
        self._at_once = at_once
        self._turn = asyncio.Lock()

    async def rehearse(self, asked: Rehearsal, teams: Collection[str]) -> bytes:
        """The report as JSON: of what is in force, or of both sides of a change.

        Raises:
            Problem: 422; nothing or too much was posted then, or what is asked cannot be.
        """
        promise = _promise(asked.promise)
        _check_zone(asked.zone)
        async with self._database.read() as session:
            setup = await self._setups.current(session)
            people = [agent.as_candidate(setup) for agent in await agents.list_agents(session, teams)]
            now = await db.now(session)
        sides = [_changed(setup, people, {}, now)]
        if asked.changes:
            sides.append(_changed(setup, people, asked.changes, now))
        if not all(workers for _, workers in sides):
            raise Problem(
                422, "no-agents", "There is nobody to rehearse with", "No agent of your teams is set up.",
                "Name some in `agents`, or set them up: PUT /v1/agents/{agent}.",
            )  # fmt: skip
        async with self._turn:
            heard = await self._heard(asked, teams)
            return await asyncio.to_thread(_run, asked, promise, sides, heard)

    async def _heard(self, asked: Rehearsal, teams: Collection[str]) -> list[Arrival]:
        """Page by page, each in a short transaction of its own: nothing is held while we read much."""
        found: list[Arrival] = []
        mark: Mark | None = None
        while True:
            async with self._database.read() as session:
                page, mark = await simulations.arrivals(
                    session, teams, start=asked.start, end=asked.end, after=mark, limit=self._at_once,
                    handling=asked.handling,
                )  # fmt: skip
            found += page
            if len(found) > self._most:
                raise Problem(
                    422, "too-many-mentions", "This is too much for one rehearsal",
                    f"More than {self._most:,} mentions were posted between `from` and `to`.",
                    "Take a shorter time: a typical week tells as much.",
                )  # fmt: skip
            if mark is None:
                break
        if not found:
            raise Problem(
                422, "no-mentions", "There is nothing to rehearse on",
                "No mention of your teams was posted between `from` and `to`.",
                "Take another time; GET /v1/mentions?order=newest shows the latest ones.",
            )  # fmt: skip
        return found


def _run(
    asked: Rehearsal,
    promise: Promise | None,
    sides: Sequence[tuple[Setup, Sequence[Worker]]],
    heard: Sequence[Arrival],
) -> bytes:
    floors = []
    for setup, workers in sides:
        floor = Floor(Case(setup, heard, asked.start, asked.end), workers)
        floor.run()
        floors.append(floor)
    found: dict[str, Any] = {"before": None, "moved_queue": 0, "moved_agent": 0}
    if len(floors) == 1:
        found["report"] = report_of(floors[0], promise=promise, zone=asked.zone, with_items=asked.with_items)
    else:
        both = compare(*floors, promise=promise, zone=asked.zone, with_items=asked.with_items)
        found = {
            "before": both.before,
            "report": both.after,
            "moved_queue": both.moved_queue,
            "moved_agent": both.moved_agent,
        }
    return msgspec.json.encode(found)


def _changed(
    setup: Setup, people: Sequence[Agent], changes: Mapping[str, Things], now: datetime
) -> tuple[Setup, list[Worker]]:
    try:
        return rehearsed(setup, people, changes, now)
    except Unreadable as error:
        first = error.mistakes[0]
        raise Problem(
            422,
            "invalid",
            "This set-up cannot be",
            f"{first.path}: {first.detail}.",
            f"{first.fix[:1].upper()}{first.fix[1:]}" + ("" if first.fix.endswith("?") else "."),
            errors=[{"in": "body", "path": m.path, "detail": m.detail, "fix": m.fix} for m in error.mistakes],
        ) from error


def _promise(text: str | None) -> Promise | None:
    try:
        return parse_promise(text) if text else None
    except ValueError as error:
        raise Problem(
            422, "bad-promise", "This is no promise", str(error), 'Write it like "72% in 1h" or "90% in 15min".'
        ) from error


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Problem(
            422, "bad-zone", "This is no time zone", f"{zone[:80]!r} is not known.", "Name it like Europe/Paris."
        ) from error
