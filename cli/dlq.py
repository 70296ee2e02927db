"""`guichet dlq`: the dead letters of all services, over REST."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.house import House, find
from cli.loop import run
from cli.options import Data, out
from cli.tables import show
from cli.trouble import Refused, Trouble
from cli.words import clean

app = typer.Typer(help="The dead letters: what a service could not handle.", no_args_is_help=True)

OWNERS = ("classifier", "router", "responder")  # ingest hears nothing

Service = Annotated[str | None, typer.Option("--service", metavar="NAME", help="Only of this service.")]
Topic = Annotated[str | None, typer.Option("--topic", metavar="TOPIC", help="Only what failed in this topic.")]
Letter = Annotated[str, typer.Argument(metavar="ID", help="The id, or topic/partition/offset/group.")]
MaybeLetter = Annotated[str | None, typer.Argument(metavar="ID", help="One of them; or use --all.")]
Every = Annotated[bool, typer.Option("--all", help="All of them.")]

Json = Mapping[str, Any]


@app.command("list")
def list_command(service: Service = None, topic: Topic = None, data: Data = Path("data")) -> None:
    """Show what could not be handled, oldest first."""
    run(_list(data, service, topic))


@app.command("show")
def show_command(letter: Letter, service: Service = None, data: Data = Path("data")) -> None:
    """Show one with its headers, its whole error and its text."""
    run(_show(data, service, letter))


@app.command("replay")
def replay_command(
    letter: MaybeLetter = None, every: Every = False, service: Service = None, topic: Topic = None,
    data: Data = Path("data"),
) -> None:  # fmt: skip
    """Put one back, byte for byte, at the end of the topic it came from."""
    run(_settle(data, service, letter, topic, "replay", every=every))


@app.command("discard")
def discard_command(
    letter: MaybeLetter = None, every: Every = False, service: Service = None, topic: Topic = None,
    data: Data = Path("data"),
) -> None:  # fmt: skip
    """Forget one for good."""
    run(_settle(data, service, letter, topic, "discard", every=every))


async def _list(data: Path, service: str | None, topic: str | None) -> None:
    async with find(data) as house:
        letters = await _letters(house, _owners(service), topic)
    rows = [
        (each["key"], str(each["at"])[:19] + "Z", each["type"] or "-", str(each["attempts"]), clean(each["error"]))
        for each in letters
    ]
    show(out, ("id", "at", "type", "tried", "error"), rows, empty="no dead letters")


async def _show(data: Path, service: str | None, letter: str) -> None:
    async with find(data) as house:
        found = await _one(house, service, letter)
    for name in ("key", "type", "at", "attempts", "version", "record_key", "size_bytes"):
        out.print(f"{name}: {found[name]}", soft_wrap=True, markup=False)
    for header in found["headers"]:
        out.print(f"header {header['name']}: {clean(header['value'])}", soft_wrap=True, markup=False)
    out.print("\nerror:", markup=False)
    for line in str(found["full_error"]).splitlines():
        out.print(f"  {clean_line(line)}", soft_wrap=True, markup=False)
    out.print("\nvalue:", markup=False)
    out.print(f"  {clean(found['value_text'])}", soft_wrap=True, markup=False)


async def _settle(
    data: Path,
    service: str | None,
    letter: str | None,
    topic: str | None,
    how: Literal["replay", "discard"],
    *,
    every: bool,
) -> None:
    if (letter is None) == (not every):
        raise Trouble("say which one, by its id, or --all", 2)
    async with find(data) as house:
        if letter is not None:
            found: Sequence[Json] = [await _one(house, service, letter)]
        else:
            found = await _letters(house, _owners(service), topic)
        for each in found:
            group = str(each["key"]).rpartition("/")[2]
            await house.ask(group, "POST", f"/v1/{group}/dead-letters/{each['id']}/{how}")
            out.print(f"{each['key']} {'replayed' if how == 'replay' else 'discarded'}", soft_wrap=True, markup=False)
    if not found:
        out.print("no dead letters")


async def _letters(house: House, owners: Sequence[str], topic: str | None) -> list[Json]:
    """All of them, oldest first."""
    found: list[Json] = []
    for owner in owners:
        params: dict[str, str | int] = {"limit": 200} | ({"topic": topic} if topic else {})
        while True:
            page = await house.ask(owner, "GET", f"/v1/{owner}/dead-letters", params=params)
            found += page["items"]
            if not page.get("next_cursor"):
                break
            params["cursor"] = page["next_cursor"]
    return sorted(found, key=lambda each: (each["at"], each["key"]))


async def _one(house: House, service: str | None, letter: str) -> Json:
    """The letter of this id, or of this key; whose it is stands at the key's end."""
    if "/" in letter:
        owners: Sequence[str] = [letter.rpartition("/")[2]]
        letter = urlsafe_b64encode(letter.encode()).decode().rstrip("=")
    else:
        owners = _owners(service)
    for owner in owners:
        if owner in OWNERS:
            try:
                found: Json = await house.ask(owner, "GET", f"/v1/{owner}/dead-letters/{letter}")
            except Refused as refused:
                if refused.status != 404:
                    raise
            else:
                return found
    raise Trouble("there is no such dead letter; `guichet dlq list` shows those there are")


def _owners(service: str | None) -> Sequence[str]:
    if service is None:
        return OWNERS
    if service not in OWNERS:
        raise Trouble(f"{service!r} has no dead letters; {', '.join(OWNERS)} may have", 2)
    return (service,)


def clean_line(line: str) -> str:
    """A line of an error, with its indentation."""
    return " " * (len(line) - len(line.lstrip())) + clean(line)
