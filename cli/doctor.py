"""`guichet doctor`: what is reachable and what is wrong, in plain words, each with what to do."""

import asyncio
import shutil
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from cli.house import SERVICES, House, find, standing
from cli.installation import Installation
from cli.services import MIGRATIONS, AllSettings
from cli.trouble import Trouble
from libs.common import topics
from libs.common.bus_kafka import parse
from libs.common.errors import Misconfigured, Unavailable
from libs.common.kafka_login import login_of
from libs.common.keys import read_keys
from libs.common.migrate import check

LEAST_FREE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the checklist. `good` is None for what is neither."""

    good: bool | None
    says: str
    do: str = ""


async def doctor(installation: Installation, console: Console) -> int:
    """Print the checklist; 1 when something is wrong."""
    findings = await examine(installation)
    for finding in findings:
        console.print(_line(finding, console), soft_wrap=True)
    wrong = sum(finding.good is False for finding in findings)
    console.print()
    console.print("all is well" if not wrong else f"{wrong} thing{'s are' if wrong > 1 else ' is'} wrong")
    return 1 if wrong else 0


async def examine(installation: Installation) -> list[Finding]:
    """All findings, in the order in which a person would look."""
    if found := standing(installation.data):
        installation = replace(
            installation, bus=installation.bus or found.bus, database=installation.database or found.database
        )
    try:
        settings = AllSettings.load(installation, installation.ports(), with_sandbox=False)
    except Misconfigured as error:
        return [Finding(False, f"the settings are wrong: {error}", "correct the variable or the option")]
    async with _house(installation) as house:
        up = await _services(house)
        runs = any(up.values()) or standing(installation.data) is not None
        findings = await _running(house, up) if runs else _not_running(installation, settings)
        findings += await _guarded(lambda: _bus(settings))
        for service in MIGRATIONS:
            findings += await _guarded(lambda service=service: _tables(settings, service))  # type: ignore[misc]
        findings += _keys(settings.ingest.keys)
        findings += await _dead_letters(house) if runs else []
    return [*findings, _disk(installation.data)]


def _house(installation: Installation) -> House:
    """The running one, or the ports that are asked about."""
    house = find(installation.data)
    if standing(installation.data) is None and not installation.environ.get("GUICHET_URL"):
        house.addresses.update({name: f"http://127.0.0.1:{port}" for name, port in installation.ports().items()})
    return house


async def _services(house: House) -> dict[str, list[str] | None]:
    """What each service says is wrong with it; None where nothing answers."""

    async def ask(service: str) -> list[str] | None:
        try:
            return await house.ready(service)
        except Trouble:
            return None

    answers = await asyncio.gather(*map(ask, SERVICES))
    return dict(zip(SERVICES, [None if each is None else ["ready", *each] for each in answers], strict=True))


async def _running(house: House, up: dict[str, list[str] | None]) -> list[Finding]:
    findings = []
    for service, problems in up.items():
        where = house.addresses[service]
        if problems is None:
            do = f"start it (`guichet up`, or python -m services.{service}) and read its log"
            findings.append(Finding(False, f"{service} does not answer at {where}", do))
        elif len(problems) > 1:
            do = "wait a moment; if it stays, mend what it names"
            findings.append(Finding(False, f"{service} is not ready: {'; '.join(problems[1:])}", do))
        else:
            findings.append(Finding(True, f"{service} is ready at {where}"))
    if up["router"] is not None:
        try:
            await house.ask("router", "GET", "/v1/queues")
            findings.append(Finding(True, "the key opens the house"))
        except Trouble as trouble:
            findings.append(Finding(False, f"the key does not open the house: {trouble}", "set GUICHET_KEY"))
    return findings


def _not_running(installation: Installation, settings: AllSettings) -> list[Finding]:
    findings = [Finding(None, f"Guichet is not running on {installation.data}", "`guichet up` starts it")]
    for service in SERVICES:
        its = settings.of(service)
        if its.port and not _free(its.host, its.port):
            do = f"stop what uses it, or say --port-base, or {service.upper()}_PORT"
            findings.append(Finding(False, f"port {its.port}, of {service}, is taken by something else", do))
    if not any(finding.good is False for finding in findings):
        ports = ", ".join(str(settings.of(service).port) for service in SERVICES)
        findings.append(Finding(True, f"the ports {ports} are free"))
    return findings


def _free(host: str, port: int) -> bool:
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return True
    except OSError:
        return False


async def _bus(settings: AllSettings) -> list[Finding]:
    if settings.ingest.bus == "local":
        file = settings.ingest.data / "log.db"
        if not file.exists():
            return [Finding(None, f"the log is a local file, {file}, not made yet", "`guichet up` makes it")]
        return [Finding(True, f"the log is a local file, {file}, {_size(file.stat().st_size)}")]
    servers = parse(settings.ingest.bus)
    wrong = await topics.problems(servers, settings.ingest.partitions, login=login_of(settings.ingest))
    if not wrong:
        return [Finding(True, f"Kafka answers at {servers}, its topics are as they should be")]
    return [Finding(True, f"Kafka answers at {servers}"), *(Finding(False, line) for line in wrong)]


async def _tables(settings: AllSettings, service: str) -> list[Finding]:
    url = settings.of(service).database
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///")) / f"{service}.db"
        if not file.exists():  # looking would make it
            return [Finding(None, f"{service} has no tables yet", "`guichet up` or `guichet migrate` makes them")]
    problem = await check(url, service, MIGRATIONS[service])
    if problem:
        return [Finding(False, problem)]
    return [Finding(True, f"the tables of {service} are at this version")]


async def _guarded(examination: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    try:
        return await examination()
    except Unavailable as error:
        return [Finding(False, str(error), "start it, or correct its address")]
    except Misconfigured as error:
        return [Finding(False, str(error))]


def _keys(file: Path) -> list[Finding]:
    if not file.exists():
        return [Finding(None, f"no keys yet ({file})", "`guichet up` makes a first one, `guichet keys add` others")]
    try:
        keys = read_keys(file).values()
    except Misconfigured as error:
        return [Finding(False, str(error), "correct the line; services go on with the keys they know")]
    now = datetime.now(UTC)
    good = [key for key in keys if key.expires_at is None or key.expires_at > now]
    if not good:
        return [Finding(False, f"no key in {file} is good any more", "`guichet keys add`")]
    findings = [Finding(True, f"{len(good)} key{'s' if len(good) > 1 else ''} in {file}")]
    if file.stat().st_mode & 0o077:
        findings.append(Finding(False, f"others can read {file}", f"chmod 600 {file}"))
    return findings


async def _dead_letters(house: House) -> list[Finding]:
    findings, asked = [], 0
    for service in ("classifier", "router", "responder"):
        try:
            page = await house.ask(service, "GET", f"/v1/{service}/dead-letters", params={"limit": 200})
        except Trouble:
            continue  # said above
        asked += 1
        if count := len(page["items"]):
            many = f"{count}{' or more' if page.get('next_cursor') else ''}"
            findings.append(
                Finding(
                    False, f"{service} could not handle {many} record{'' if count == 1 else 's'}", "`guichet dlq list`"
                )
            )
    return findings or [Finding(True, "no dead letters")] * (asked > 0)


def _disk(data: Path) -> Finding:
    place = next(each for each in (data.absolute(), *data.absolute().parents) if each.exists())
    free = shutil.disk_usage(place).free
    if free < LEAST_FREE_BYTES:
        return Finding(
            False, f"only {_size(free)} are free on the disk of {data}", "make room, or choose another --data"
        )
    return Finding(True, f"{_size(free)} are free on the disk of {data}")


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _line(finding: Finding, console: Console) -> Text:
    marks: Sequence[tuple[str, str]] = (
        (("✓", "green"), ("✗", "bold red"), ("·", "bright_black"))
        if console.encoding.lower().startswith("utf")
        else (("ok   ", "green"), ("WRONG", "bold red"), ("-    ", "bright_black"))
    )
    mark, style = marks[2 if finding.good is None else 0 if finding.good else 1]
    line = Text.assemble((mark, style), f" {finding.says}")
    if finding.do:
        line.append(f": {finding.do}", "default" if finding.good is False else "bright_black")
    return line
