"""Changing the set-up: one thing or many in one transaction, judged as a whole, kept or refused as a whole."""

from asyncio import to_thread
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.auth import Caller
from libs.common.db import Database
from libs.common.lists import check_if_match
from libs.common.problems import Problem
from services.router.domain.configured import KINDS, Configured, setup_of, thing_of
from services.router.domain.differences import Difference, body_of, differences
from services.router.domain.eligibility import Agent
from services.router.domain.finding import Finding, unknown_team
from services.router.domain.findings import findings
from services.router.domain.naming import Named, named_by
from services.router.domain.setup import Setup
from services.router.domain.words import DEFAULT_QUEUE, DEFAULT_TEAM
from services.router.store import agents, setup_whole
from services.router.store import setup as store
from services.router.store.setup import Kept
from services.router.store.setup_whole import Whole

Name = tuple[str, str]
"""Kind and slug."""

Recompute = Callable[[AsyncSession, Setup, str, str, datetime], Awaitable[None]]
"""Called in the transaction for each (kind, slug) whose change moves running clocks, with the set-up as it is then."""

Done = Literal["created", "changed", "removed", "same"]


@dataclass(frozen=True)
class Changed:
    """What became of one thing."""

    kind: str
    slug: str
    done: Done
    before: Kept | None
    after: Kept | None
    fields: list[Difference] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What a request did, or would do; each of `changes` in the order they were asked for."""

    revision: int
    changes: list[Changed]
    warnings: list[Finding]

    @property
    def changed(self) -> bool:
        """Whether anything is otherwise now."""
        return any(each.done != "same" for each in self.changes)


class _Undone(Exception):
    """Rolls back what was only tried, or what changed nothing."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("undone")
        self.outcome = outcome


@dataclass(frozen=True)
class SettingUp:
    """The door to the set-up. `forget` is called once a change is committed."""

    database: Database
    recompute: Recompute | None = None
    forget: Sequence[Callable[[], None]] = ()

    async def change(
        self,
        wanted: Mapping[Name, Configured | None],
        caller: Caller,
        *,
        if_match: str | None = None,
        dry_run: bool = False,
        whole: bool = False,
    ) -> Outcome:
        """Bring these things there, or take out those that are None; all or none.

        Args:
            if_match: of the one thing, or with `whole` of the set-up's revision.
            whole: something to take out that is not there is no mistake.

        Raises:
            Problem: 404 for a team or thing the caller does not see, 409 for a name another team has and for what
                cannot be taken out, 412, 422 with all errors.
        """

        async def work(session: AsyncSession) -> Outcome:
            outcome = await self._work(session, wanted, caller, if_match, whole=whole, dry_run=dry_run)
            if dry_run or not outcome.changed:
                raise _Undone(outcome)
            return outcome

        try:
            outcome = await self.database.write(work)
        except _Undone as undone:
            return undone.outcome
        for forget in self.forget:
            forget()
        return outcome

    async def _work(
        self,
        session: AsyncSession,
        wanted: Mapping[Name, Configured | None],
        caller: Caller,
        if_match: str | None,
        *,
        whole: bool,
        dry_run: bool,
    ) -> Outcome:
        revision = await store.lock(session)
        now = await db.now(session)
        before = await setup_whole.whole(session)
        if whole:
            check_if_match(if_match, revision - 1)
        _may(wanted, before, caller, whole)
        if not whole:
            for name in wanted:
                check_if_match(if_match, before[name].version if name in before else 0)
        changes = _changes(wanted, before, now)
        after = dict(before)
        for each in changes:
            if each.after is not None:
                after[each.kind, each.slug] = each.after
            else:
                after.pop((each.kind, each.slug), None)
        warnings = await self._judge(session, changes, before, after, now, caller, whole)
        changed = [each for each in changes if each.done != "same"]
        if not changed:
            return Outcome(revision - 1, changes, warnings)
        changes = [await _keep(session, each, caller.key_id, now) for each in changes]
        if self.recompute is not None and not dry_run and (moved := [each for each in changed if _moves_clocks(each)]):
            setup = _setup(revision, await setup_whole.whole(session))
            for each in moved:
                await self.recompute(session, setup, each.kind, each.slug, now)
        return Outcome(revision, changes, warnings)

    async def _judge(
        self,
        session: AsyncSession,
        changes: Sequence[Changed],
        before: Whole,
        after: Whole,
        now: datetime,
        caller: Caller,
        whole: bool,
    ) -> list[Finding]:
        """Refuse what cannot be; the warnings about what was asked for, and those that the change brings elsewhere."""
        old, new = _setup(0, before), _setup(0, after)
        people = await agents.list_agents(session, {"*"})
        there = [each.as_candidate(new) for each in people]
        removed = [(each.kind, each.slug) for each in changes if each.done == "removed"]
        _named(removed, new, [each.as_candidate(old) for each in people], after, caller)
        held = await setup_whole.open_items(session, [slug for kind, slug in removed if kind == "queues"])
        for queue, count in held.items():
            raise Problem(
                409, "holds-items", "This queue holds items", f"{queue} holds {count}.",
                "Complete them, or transfer them to another queue, first.", items=count, queue=queue,
            )  # fmt: skip
        known = set(await to_thread(findings, old, [each.as_candidate(old) for each in people], now))
        begin = (changes[0].kind, changes[0].slug) if len(changes) == 1 else None
        found = await to_thread(findings, new, there, now, begin=begin) + _teams_of(changes, new)
        asked = {(each.kind, each.slug) for each in changes}
        touched = {(each.kind, each.slug) for each in changes if each.done != "same"}
        errors = [
            each for each in found if each.level == "error" and (each not in known or (each.kind, each.slug) in touched)
        ]
        if errors:
            raise refused(errors, whole=whole)
        return [
            each
            for each in found
            if each.level == "warning"
            and ((each.kind, each.slug) in asked or (each not in known and _sees(caller, each, after)))
        ]


def refused(errors: Sequence[Finding], *, whole: bool) -> Problem:
    """422 with all of them; the first in words."""
    first = errors[0]
    return Problem(
        422,
        first.code,
        "This set-up cannot be",
        f"{_place(first, whole)}: {first.detail}." + (f" And {len(errors) - 1} more." if len(errors) > 1 else ""),
        f"{first.fix[:1].upper()}{first.fix[1:]}" + ("" if first.fix.endswith("?") else "."),
        errors=[
            {"in": "body", "path": _place(each, whole), "detail": each.detail, "fix": each.fix, "code": each.code,
             "kind": each.kind, "slug": each.slug}
            for each in errors
        ],
    )  # fmt: skip


def _place(finding: Finding, whole: bool) -> str:
    within = f"{finding.kind}.{finding.slug}".rstrip(".")
    return f"$.{within}{finding.path[1:]}" if whole else finding.path


def unknown_thing(kind: str, slug: str) -> Problem:
    """404."""
    return Problem(
        404, "unknown", "There is no such thing", f"{kind}: {slug}", f"GET /v1/{kind} lists those there are."
    )


# --- who may, and what


def _may(wanted: Mapping[Name, Configured | None], before: Whole, caller: Caller, whole: bool) -> None:
    """Refuse what is not the caller's."""
    for (kind, slug), thing in wanted.items():
        known = before.get((kind, slug))
        if thing is None:
            if known is not None and caller.sees(known.team):
                continue
            if whole and known is None:
                continue
            raise unknown_thing(kind, slug)
        if not caller.sees(thing.team):
            raise Problem(
                404, "unknown", "There is no such team", f"{kind} {slug}: this key acts for no team {thing.team}.",
                f"It acts for {', '.join(sorted(caller.teams))}: name one of them, or take a key that sees the team.",
            )  # fmt: skip
        if known is not None and not caller.sees(known.team):
            raise Problem(409, "name-taken", "This name is taken", f"{kind}: {slug}", "Choose another one.")


def _changes(wanted: Mapping[Name, Configured | None], before: Whole, now: datetime) -> list[Changed]:
    found = []
    for (kind, slug), thing in wanted.items():
        known = before.get((kind, slug))
        if thing is None:
            if known is not None:
                found.append(Changed(kind, slug, "removed", known, None))
            continue
        old = thing_of(KINDS[kind], slug, known.version, known.body) if known else None
        fields = differences(body_of(old) if old else {}, body_of(thing))
        if known is not None and old == structs.replace(thing, version=known.version):
            found.append(Changed(kind, slug, "same", known, known))
            continue
        version = known.version + 1 if known else 1  # the store has the last word: one of the name may have gone
        kept = Kept(kind, slug, version, thing.team, store.plain(thing), now)
        found.append(Changed(kind, slug, "changed" if known else "created", known, kept, fields))
    return found


def _named(removed: Sequence[Name], setup: Setup, people: Sequence[Agent], after: Whole, caller: Caller) -> None:
    """Refuse to take out what something names that stays."""
    teams = {name: kept.team for name, kept in after.items()}
    for kind, slug in removed:
        if (kind, slug) == ("queues", DEFAULT_QUEUE):
            raise Problem(
                409, "default-queue", "The default queue stays", "What no other queue names waits in it.",
                "Change it as you like, and name other queues for what should not wait there.",
            )  # fmt: skip
        if (kind, slug) == ("teams", DEFAULT_TEAM):
            continue  # with or without it written down, it is there
        if named := named_by(kind, slug, setup, people, teams):
            raise Problem(
                409, "in-use", "Something names this", f"{slug} is named by {_told(named, caller)}.",
                "Change those first, or take them out in the same request.",
                named_by=[
                    {"kind": each.kind, "slug": each.slug, "path": each.path}
                    for each in named
                    if caller.sees(each.team)
                ],
            )  # fmt: skip


def _told(named: Sequence[Named], caller: Caller) -> str:
    seen = [f"{each.kind} {each.slug} ({each.path})" for each in named if caller.sees(each.team)]
    more = len(named) - len(seen[:3])
    if not seen:
        return "something of another team"
    return ", ".join(seen[:3]) + (f" and {more} more" if more else "")


def _teams_of(changes: Collection[Changed], setup: Setup) -> list[Finding]:
    """Hours and targets say nothing of their teams once they are read."""
    found = [
        unknown_team(each.kind, each.slug, each.after.team, setup)
        for each in changes
        if each.after is not None and each.done != "same" and each.kind in ("business-hours", "sla-policies")
    ]
    return [each for each in found if each is not None]


def _sees(caller: Caller, finding: Finding, after: Whole) -> bool:
    kept = after.get((finding.kind, finding.slug))
    return kept is not None and caller.sees(kept.team)


# --- keeping


async def _keep(session: AsyncSession, change: Changed, actor: str, now: datetime) -> Changed:
    after = change.after
    if change.done == "same":
        return change
    if after is None:
        await store.delete(session, change.kind, change.slug, actor=actor, now=now)
        return change
    kept = await store.put(session, after.kind, after.slug, after.team, after.body, actor=actor, now=now)
    return replace(change, after=kept)


def _moves_clocks(change: Changed) -> bool:
    """Whether deadlines follow from what changed: targets, hours, and which of them a queue names."""
    if change.kind in ("business-hours", "sla-policies"):
        return True
    if change.kind != "queues" or change.before is None or change.after is None:
        return False
    return any(change.before.body.get(name) != change.after.body.get(name) for name in ("hours", "sla"))


def _setup(revision: int, kept: Whole) -> Setup:
    return setup_of(revision, [(each.kind, each.slug, each.version, each.body) for each in kept.values()])
