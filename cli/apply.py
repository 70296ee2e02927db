"""`guichet apply`: an installation as a file says, shown first, changed at once, and the second time not at all."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from cli.house import House
from cli.setup_file import AGENTS, HANDLES, PAGES, Agent, Handle, Page, SetupFile, WrongFile, plain, read_file
from cli.setup_plan import Plan, Step, compared, counted, show
from cli.trouble import Refused, Trouble
from services.router.domain.configured import KINDS, Configured, setup_of, written
from services.router.domain.eligibility import Agent as Candidate
from services.router.domain.finding import Finding
from services.router.domain.findings import findings
from services.router.domain.reading import Unreadable, did_you_mean
from services.router.domain.setup import Setup
from services.router.domain.words import DEFAULT_QUEUE

_READ_ONLY = ("slug", "version", "updated_at")
_AGENT_FIELDS = Agent.__struct_fields__
_HANDLE_FIELDS = Handle.__struct_fields__
_PAGE_FIELDS = tuple(name for name in Page.__struct_fields__ if name != "handle")

Things = Mapping[tuple[str, str], Configured]


async def apply(path: Path, house: House, console: Console, err: Console, *, dry_run: bool, prune: bool) -> int:
    """Bring the installation there; the exit status.

    Raises:
        Trouble: one line that says what is wrong and what to do. Nothing is changed then, unless it says so.
    """
    try:
        file = read_file(path)
        async with house:
            return await _apply(file, house, console, dry_run=dry_run, prune=prune)
    except WrongFile as wrong:
        *others, last = wrong.mistakes
        for each in others:
            err.print(f"guichet: {each}", soft_wrap=True, markup=False)
        raise Trouble(str(last), 2) from wrong


def read_setup(path: Path) -> tuple[Setup, list[Candidate]]:
    """The set-up of a file alone, and its agents.

    Raises:
        Trouble: it cannot be read, or names what it does not have.
    """
    file = read_file(path)
    things = {(kind, slug): thing for kind, some in file.things.items() for slug, thing in some.items()}
    setup = _setup(things)
    agents = _candidates(file.agents.values(), setup)
    _refuse(file, findings(setup, agents, datetime.now(UTC)), setup)
    return setup, agents


async def _apply(file: SetupFile, house: House, console: Console, *, dry_run: bool, prune: bool) -> int:
    there = await _There.ask(house, file)
    wanted = {(kind, slug): thing for kind, some in file.things.items() for slug, thing in some.items()}
    plan = _plan(file, there, prune)
    gone = {(step.section, step.slug) for step in plan.of("removed")}
    merged = {name: thing for name, thing in {**there.things, **wanted}.items() if name not in gone}
    setup = _setup(merged)
    agents = {slug: agent for slug, agent in {**there.agents, **file.agents}.items() if (AGENTS, slug) not in gone}
    now = datetime.now(UTC)
    before = _setup(there.things)
    known = set(findings(before, _candidates(there.agents.values(), before), now))
    found = findings(setup, _candidates(agents.values(), setup), now)
    _refuse(file, [each for each in found if (each.kind, each.slug) in file.places or each not in known], setup, there)
    of_the_file = {*wanted, *((AGENTS, slug) for slug in file.agents)}
    await _patch(house, plan, there.revision, dry_run=True)  # what the router refuses is said before anything else
    show(console, plan, [each for each in found if each.level == "warning" and (each.kind, each.slug) in of_the_file])
    if plan.changes and not dry_run:
        await _carry_out(house, plan, there.revision)
    console.print(f"{'dry run: ' if dry_run else ''}{counted(plan, would=dry_run)}", soft_wrap=True, markup=False)
    return 0


class _There:
    """What the installation has, as far as the key sees it."""

    def __init__(self, revision: int, things: Things, agents: Mapping[str, Agent], handles: Mapping[str, Any]) -> None:
        self.revision = revision
        self.things = things
        self.agents = agents
        self.handles = handles
        self.pages: dict[str, Mapping[str, Any]] = {}

    @classmethod
    async def ask(cls, house: House, file: SetupFile) -> "_There":
        whole = await house.ask("router", "GET", "/v1/setup")
        things: dict[tuple[str, str], Configured] = {}
        for kind, some in whole.items():
            for slug, body in some.items() if kind in KINDS else ():
                try:
                    things[kind, slug] = written(kind, slug, {k: v for k, v in body.items() if k not in _READ_ONLY})
                except Unreadable as error:
                    raise Trouble(f"the installation is not of this version: {kind} {slug}: {error}") from error
        agents = {}
        for each in await _all(house, "router", "/v1/agents"):
            named = {**each, "slug": each["agent"]}
            agents[each["agent"]] = msgspec.convert({name: named[name] for name in _AGENT_FIELDS}, Agent)
        handles = {}
        if HANDLES in file.sections:
            for each in await _all(house, "ingest", "/v1/handles"):
                handles[each["slug"]] = {name: each[name] for name in _HANDLE_FIELDS if name != "slug"}
        there = cls(whole["revision"], things, agents, handles)
        for handle in file.pages:
            try:
                page = await house.ask("router", "GET", f"/v1/public/{handle}")
            except Refused as refused:
                if refused.status != 404:
                    raise
            else:
                there.pages[handle] = {name: page[name] for name in _PAGE_FIELDS}
        return there


async def _all(house: House, service: str, path: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    params: dict[str, str | int] = {}
    while True:
        page = await house.ask(service, "GET", path, params=params)
        found += page["items"]
        if not page.get("next_cursor"):
            return found
        params = {"limit": 200, "cursor": page["next_cursor"]}


# --- judging


def _setup(things: Things) -> Setup:
    return setup_of(0, [(kind, slug, 0, plain(thing)) for (kind, slug), thing in things.items()])


def _candidates(agents: Iterable[Agent], setup: Setup) -> list[Candidate]:
    return [
        Candidate(
            slug=each.slug,
            team=each.team,
            teams=frozenset(each.teams),
            skills=each.skills,
            queues=frozenset(each.queues),
            capacity=each.capacity,
            hours=setup.hours.get(each.hours) if each.hours else None,
        )
        for each in agents
    ]


def _refuse(file: SetupFile, found: Sequence[Finding], setup: Setup, there: _There | None = None) -> None:
    """Refuse what cannot be, each on its line."""
    mistakes = [
        file.wrong(each.kind, each.slug, each.path, each.detail, each.fix) for each in found if each.level == "error"
    ]
    for slug, agent in file.agents.items():
        if agent.hours and agent.hours not in setup.hours:
            fix = did_you_mean(agent.hours, setup.hours, "set them up too, or leave `hours` out")
            mistakes.append(file.wrong(AGENTS, slug, "$.hours", f'no business hours are called "{agent.hours}"', fix))
    handles = {*file.handles, *(there.handles if there else ())}
    for handle, page in file.pages.items():
        if page.queue is not None and page.queue not in setup.queues:
            fix = did_you_mean(page.queue, setup.queues, "set it up too, or leave `queue` out")
            mistakes.append(file.wrong(PAGES, handle, "$.queue", f'no queue is called "{page.queue}"', fix))
        if HANDLES in file.sections and handle not in handles:
            fix = did_you_mean(handle, handles, "set it up too")
            mistakes.append(file.wrong(PAGES, handle, "$.handle", f'no handle is called "{handle}"', fix))
    if mistakes:
        raise WrongFile(mistakes)


# --- planning


def _plan(file: SetupFile, there: _There, prune: bool) -> Plan:
    """In the order of the kinds; what is to be taken out comes last."""
    steps: list[Step] = []
    surplus: list[tuple[str, str]] = []
    for kind in ("teams", *(kind for kind in KINDS if kind != "teams")):
        known = {slug: thing for (of, slug), thing in there.things.items() if of == kind}
        wanted = file.things[kind]
        steps += compared(kind, _plain(wanted), _plain(known), plain(KINDS[kind]()))
        surplus += [
            (kind, slug)
            for slug in known
            if kind in file.sections and slug not in wanted and (kind, slug) != ("queues", DEFAULT_QUEUE)
        ]
    agents, handles = _plain(file.agents), _plain(file.handles)
    steps += compared(AGENTS, agents, _plain(there.agents), plain(Agent(slug="x")))
    steps += compared(HANDLES, handles, there.handles, plain(Handle(slug="x", network="", username="")))
    steps += compared(PAGES, _plain(file.pages), there.pages, plain(Page(handle="x")))
    for section, wants, has in ((AGENTS, file.agents, there.agents), (HANDLES, file.handles, there.handles)):
        surplus += [(section, slug) for slug in has if section in file.sections and slug not in wants]
    if not prune:
        return Plan(steps, surplus)
    return Plan([*steps, *(Step(section, slug, "removed") for section, slug in surplus)])


def _plain(things: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {slug: plain(thing) for slug, thing in things.items()}


# --- doing


async def _carry_out(house: House, plan: Plan, revision: int) -> None:
    """The set-up at once, then people and accounts one by one, then what is to go, those that name others first."""
    await _patch(house, plan, revision)
    done = "the set-up is changed" if plan.of("created", "changed", sections=tuple(KINDS)) else ""
    for step in plan.of("created", "changed", sections=(AGENTS, HANDLES, PAGES)):
        await _one(house, step, "PUT", done)
        done = done or f"{step.section} {step.slug} is changed"
    for step in plan.of("removed", sections=(AGENTS, HANDLES)):
        await _one(house, step, "DELETE", done)
        done = done or f"{step.section} {step.slug} is taken out"
    if removed := plan.of("removed", sections=tuple(KINDS)):
        body: dict[str, dict[str, None]] = {}
        for step in removed:
            body.setdefault(step.section, {})[step.slug] = None
        try:
            await house.ask("router", "PATCH", "/v1/setup", body=body)
        except Refused as refused:
            raise _partly(refused, done) from refused


async def _patch(house: House, plan: Plan, revision: int, *, dry_run: bool = False) -> None:
    """All or nothing, and only if nobody changed it since we looked."""
    body: dict[str, dict[str, Any]] = {}
    for step in plan.of("created", "changed", sections=tuple(KINDS)):
        body.setdefault(step.section, {})[step.slug] = dict(step.body)
    if dry_run and not plan.of("changed", "removed", sections=(AGENTS,)):  # else it may still be named there
        for step in plan.of("removed", sections=tuple(KINDS)):
            body.setdefault(step.section, {})[step.slug] = None
    if not body:
        return
    params: dict[str, str | int] = {"dry_run": "true"} if dry_run else {}
    try:
        await house.ask("router", "PATCH", "/v1/setup", body=body, params=params, headers={"If-Match": f'"{revision}"'})
    except Refused as refused:
        if refused.status == 412:
            raise Trouble("somebody changed the set-up meanwhile, and nothing was done; run it again") from refused
        raise


_PATHS = {AGENTS: ("router", "/v1/agents/"), HANDLES: ("ingest", "/v1/handles/"), PAGES: ("router", "/v1/public/")}


async def _one(house: House, step: Step, method: str, done: str) -> None:
    service, path = _PATHS[step.section]
    body = dict(step.body) if method == "PUT" else None
    try:
        await house.ask(service, method, path + step.slug, body=body)
    except Refused as refused:
        raise _partly(refused, done, f"{step.section} {step.slug}: ") from refused


def _partly(refused: Refused, done: str, what: str = "") -> Trouble:
    after = f" ({done} already: correct it and run it again)" if done else ""
    return Trouble(f"{what}{refused}{after}")
