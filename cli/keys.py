"""`guichet keys`: the file of API keys, edited in place; services notice within a second."""

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Data, KeysFile, err, out
from cli.tables import show
from cli.trouble import Trouble
from libs.common.keys import ROLES, SCOPES, Key, Role, create_key, list_keys, revoke_key

app = typer.Typer(help="The API keys.", no_args_is_help=True)


@app.command("add")
def add_command(
    name: Annotated[str, typer.Option("--name", help="Whose it is.")],
    role: Annotated[str, typer.Option("--role", help="agent, supervisor, admin or service.")] = "service",
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="What it may do, several times; the role's scopes otherwise.")
    ] = None,
    team: Annotated[list[str] | None, typer.Option("--team", help="Whom it acts for, several times; main.")] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, help="How long it is good for; else for ever.")] = None,
    data: Data = Path("data"),
    keys: KeysFile = None,
) -> None:
    """Make a key and print its secret, once.

    Services take it within a second.
    """
    file = keys or data / "keys.toml"
    secret = add(file, name=name, role=role, scopes=scope or [], teams=team or [], days=days, now=datetime.now(UTC))
    out.print(secret, soft_wrap=True)
    err.print(f"added to {file}; this is the only time the key is shown", soft_wrap=True)


@app.command("list")
def list_command(
    data: Data = Path("data"),
    keys: KeysFile = None,
) -> None:
    """Show the keys; their secrets are kept nowhere."""
    found = rows(keys or data / "keys.toml", datetime.now(UTC))
    show(out, ("id", "name", "role", "teams", "until", "scopes"), found, empty="there are no keys")


@app.command("revoke")
def revoke_command(
    key: Annotated[str, typer.Argument(help="The key's id (after gk_), or the key itself.")],
    data: Data = Path("data"),
    keys: KeysFile = None,
) -> None:
    """Take a key out; services refuse it within a second."""
    revoke(keys or data / "keys.toml", key)
    out.print("revoked")


def add(
    file: Path, *, name: str, role: str, scopes: list[str], teams: list[str], days: int | None, now: datetime
) -> str:
    """Make a key; the answer is its secret, which nobody can show again.

    Raises:
        Trouble: the role or a scope is not one.
    """
    if role not in ROLES:
        raise Trouble(f"{role!r} is no role; there are {', '.join(ROLES)}", 2)
    known: Role = next(each for each in ROLES if each == role)
    for scope in scopes:
        if scope not in SCOPES:
            near = get_close_matches(scope, SCOPES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(SCOPES)}"
            raise Trouble(f"{scope!r} is no scope; {hint}", 2)
    expires_at = now + timedelta(days=days) if days else None
    return create_key(
        file, name=name, role=known, scopes=scopes or None, teams=teams or ["main"], expires_at=expires_at
    )


def rows(file: Path, now: datetime) -> list[tuple[str, str, str, str, str, str]]:
    """The keys as a table shows them: id, name, role, teams, until when, scopes."""
    return [(key.id, key.name, key.role, " ".join(key.teams), _until(key, now), _short(key)) for key in list_keys(file)]


def revoke(file: Path, key_id: str) -> None:
    """Take a key out; its id, or the secret itself."""
    revoke_key(file, key_id.removeprefix("gk_").partition("_")[0] if key_id.startswith("gk_") else key_id)


def _until(key: Key, now: datetime) -> str:
    if key.expires_at is None:
        return "for ever"
    moment = key.expires_at.astimezone(UTC)
    return f"{moment:%Y-%m-%d}" + (" (over)" if moment <= now else "")


def _short(key: Key) -> str:
    return "everything" if "*" in key.scopes else " ".join(key.scopes)
