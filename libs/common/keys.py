"""The file of API keys: what a key may do, reading it, and editing it without losing anyone's comments."""

import base64
import hashlib
import os
import secrets
import tomllib
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, get_args

import tomlkit
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from tomlkit.items import AoT

from libs.common.errors import Misconfigured

Role = Literal["agent", "supervisor", "admin", "service"]
ROLES: tuple[Role, ...] = get_args(Role)

SCOPES: Mapping[str, str] = {
    "mentions:write": "hand in mentions",
    "mentions:read": "mentions, conversations and their timelines",
    "conversations:write": "notes, leases, resolving, snoozing, transferring, merging",
    "work-items:read": "work items and why they are where they are",
    "work-items:write": "take, claim, release, escalate and complete work items",
    "queues:read": "queues, expected waits, hours, policies and skills",
    "queues:write": "set up queues, policies, skills, hours and SLA",
    "handles:read": "handles, listening rules and sources",
    "handles:write": "set up handles, listening rules and sources",
    "agents:read": "agents, teams and who is there",
    "agents:write": "set up agents and teams",
    "presence:write": "say who is there",
    "incidents:write": "open and close incidents",
    "replies:read": "replies and drafts",
    "replies:write": "write, send, approve and cancel replies",
    "templates:read": "templates and procedures",
    "templates:write": "set up templates and procedures",
    "classify": "ask the classifier",
    "stats:read": "figures",
    "exports:read": "files with many people's data in them",
    "audit:read": "who did what",
    "dead-letters:write": "look at, replay and discard dead letters",
    "admin": "what only an operator does: replays, erasures",
    "*": "everything",
}

_AGENT = {
    "mentions:read",
    "conversations:write",
    "work-items:read",
    "work-items:write",
    "queues:read",
    "handles:read",
    "agents:read",
    "presence:write",
    "replies:read",
    "replies:write",
    "templates:read",
    "classify",
}
ROLE_SCOPES: Mapping[Role, frozenset[str]] = {
    "agent": frozenset(_AGENT),
    "supervisor": frozenset(
        _AGENT | {"queues:write", "agents:write", "incidents:write", "templates:write", "stats:read"}
    ),
    "admin": frozenset({"*"}),
    "service": frozenset({"mentions:write", "mentions:read", "queues:read", "classify", "stats:read"}),
}
"""What a key may do when its scopes are not written."""


def _known(scope: str) -> str:
    if scope not in SCOPES:
        near = get_close_matches(scope, SCOPES, n=1)
        raise ValueError(f"{scope!r} is not a scope" + (f"; did you mean {near[0]!r}?" if near else ""))
    return scope


class Key(BaseModel):
    """One key of the file. The secret itself stands nowhere: only its SHA-256, in hex."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9]{4,32}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    name: str = ""
    role: Role
    scopes: tuple[Annotated[str, AfterValidator(_known)], ...] = Field(
        default_factory=lambda data: tuple(sorted(ROLE_SCOPES[data["role"]])) if "role" in data else ()
    )
    teams: tuple[str, ...] = ("main",)  # ("*",) is all of them
    expires_at: AwareDatetime | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: tuple[Key, ...] = ()


def sha256_of(secret: str) -> str:
    """How a secret stands in the file. A plain hash is enough for 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def read_keys(path: Path) -> dict[str, Key]:
    """All keys by id.

    Raises:
        Misconfigured: the file is missing or a line of it is wrong.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise Misconfigured(
            f"there is no keys file {path}; create one with: guichet keys add --role admin --name me"
        ) from None
    except (OSError, ValueError) as error:
        raise Misconfigured(f"the keys file {path} cannot be read: {error}") from error
    try:
        found = _File.model_validate(content).key
    except ValidationError as error:
        raise Misconfigured(f"the keys file {path}: {_first(error)}") from None
    keys = {key.id: key for key in found}
    if len(keys) < len(found):
        twice = next(key.id for key in found if key is not keys[key.id])
        raise Misconfigured(f"the keys file {path}: two keys have the id {twice}")
    return keys


def _first(error: ValidationError) -> str:
    """`key[2].scopes[0]: what is wrong`."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    return f"{where.removeprefix('.')}: {first['msg']}"


def list_keys(path: Path) -> list[Key]:
    """The keys in the file's order."""
    return list(read_keys(path).values())


def create_key(
    path: Path,
    *,
    name: str,
    role: Role,
    scopes: Collection[str] | None = None,
    teams: Collection[str] = ("main",),
    expires_at: datetime | None = None,
) -> str:
    """Add a key, and give its secret: the only time anyone sees it. Without `scopes` it has its role's.

    Raises:
        Misconfigured: a scope is not one, or the file is there and broken.
    """
    key_id = _random(5)
    secret = f"gk_{key_id}_{_random(32)}"
    try:
        key = Key(
            id=key_id,
            sha256=sha256_of(secret),
            name=name,
            role=role,
            scopes=tuple(scopes if scopes is not None else sorted(ROLE_SCOPES[role])),
            teams=tuple(teams),
            expires_at=expires_at,
        )
    except ValidationError as error:
        raise Misconfigured(_first(error)) from None
    table = tomlkit.table()
    for field, value in key.model_dump(exclude_none=True).items():
        table.add(field, list(value) if isinstance(value, tuple) else value)
    document = _document(path) if path.exists() else tomlkit.document()
    _tables(document).append(table)
    _replace(path, tomlkit.dumps(document))
    return secret


def revoke_key(path: Path, key_id: str) -> None:
    """Take a key out; services stop taking it within a second or so.

    Raises:
        Misconfigured: there is no such key, or the file is missing or broken.
    """
    if key_id not in read_keys(path):
        raise Misconfigured(f"there is no key {key_id} in {path}; guichet keys list shows them")
    document = _document(path)
    tables = _tables(document)
    del tables[next(index for index, table in enumerate(tables) if table["id"] == key_id)]
    if not tables:
        del document["key"]  # or "key = []" is written, which cannot be appended to
    _replace(path, tomlkit.dumps(document))


def _document(path: Path) -> tomlkit.TOMLDocument:
    read_keys(path)  # a broken file is refused, not edited
    return tomlkit.parse(path.read_text("utf-8"))


def _tables(document: tomlkit.TOMLDocument) -> AoT:
    tables = document.setdefault("key", tomlkit.aot())
    if not isinstance(tables, AoT):
        raise Misconfigured("the keys file has its keys in one line; give each its own [[key]]")
    return tables


def _random(size_bytes: int) -> str:
    """Lower-case letters and digits: can be selected with a double click and read aloud."""
    return base64.b32encode(secrets.token_bytes(size_bytes)).decode().rstrip("=").lower()


def _replace(path: Path, text: str) -> None:
    """Readers see the old file or the new one, never half; only the owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if path.exists():
                with suppress(PermissionError):  # the service's file stays the service's when root edits it
                    os.fchown(descriptor, path.stat().st_uid, path.stat().st_gid)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
