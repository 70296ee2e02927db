"""Who calls and what they may: API keys, scopes and teams. A route says what it needs, or that it is public."""

import hmac
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from fastapi import Depends
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request

from libs.common.clock import Clock, utc_now
from libs.common.errors import Misconfigured
from libs.common.keys import SCOPES, Key, Role, read_keys, sha256_of
from libs.common.problems import Problem

CALLER = "guichet.caller"  # where a request's scope holds its `Caller`

_LOOK_AGAIN_SECONDS = 1.0
_NOBODY = "0" * 64

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent this request. `teams` go into every query; {"*"} means all of them."""

    key_id: str
    role: Role
    scopes: frozenset[str]
    teams: frozenset[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "*" in self.scopes

    def sees(self, team: str) -> bool:
        return team in self.teams or "*" in self.teams


class Keyring:
    """The keys of a file, read again when it changes; a broken file leaves the keys as they were."""

    def __init__(self, path: Path, *, clock: Clock = utc_now, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Read the file.

        Raises:
            Misconfigured: it is missing or broken.
        """
        self._path = path
        self._clock = clock
        self._monotonic = monotonic
        self._version = self._look()
        self._looked_at = monotonic()
        self._keep(read_keys(path))

    def caller_of(self, headers: dict[bytes, bytes]) -> Caller:
        """The holder of the key in an ASGI request's headers.

        Raises:
            Problem: 401; there is no key, or not one of ours, or it has expired.
        """
        self._refresh()
        secret = _secret_in(headers)
        if not secret:
            raise _unauthorized("There is no API key in the request.")
        key_id = secret[3:].partition("_")[0]
        key, caller = self._callers.get(key_id, (None, None))
        known = hmac.compare_digest(sha256_of(secret), key.sha256 if key else _NOBODY)
        if key is None or caller is None or not known:
            raise _unauthorized("This API key is not known here.", "invalid_token")
        if key.expires_at is not None and key.expires_at <= self._clock():
            raise _unauthorized(f"The API key {key.id} expired at {key.expires_at.isoformat()}.", "invalid_token")
        return caller

    def _keep(self, keys: dict[str, Key]) -> None:
        self._callers = {
            key.id: (key, Caller(key.id, key.role, frozenset(key.scopes), frozenset(key.teams)))
            for key in keys.values()
        }

    def _refresh(self) -> None:
        moment = self._monotonic()
        if moment - self._looked_at < _LOOK_AGAIN_SECONDS:
            return
        self._looked_at = moment
        version = self._look()
        if version == self._version:
            return
        self._version = version
        try:
            self._keep(read_keys(self._path))
        except Misconfigured as error:
            log.error("keys_left_as_they_were", reason=str(error))
        else:
            log.info("keys_read_again", keys=len(self._callers))

    def _look(self) -> tuple[int, int, int] | None:
        """Changes when the file does; Kubernetes swaps a link to a new file, hence the inode."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _secret_in(headers: dict[bytes, bytes]) -> str:
    scheme, _, rest = headers.get(b"authorization", b"").partition(b" ")
    secret = rest.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
    return secret.decode("latin-1")


def _unauthorized(detail: str, error: str = "") -> Problem:
    challenge = 'Bearer realm="guichet"' + (f', error="{error}"' if error else "")
    return Problem(
        401,
        "unauthorized",
        "Who are you?",
        detail,
        "Send a key in the header `Authorization: Bearer gk_...`; `guichet keys add` makes one.",
        {"WWW-Authenticate": challenge},
    )


def forbidden(caller: Caller, scope: str) -> Problem:
    """403: the caller is known, and may not."""
    return Problem(
        403,
        "forbidden",
        "This key may not do that",
        f"It takes the scope {scope}, which the key {caller.key_id} does not have.",
        f"Ask for a key with it: guichet keys add --scope {scope}",
        {"WWW-Authenticate": f'Bearer realm="guichet", error="insufficient_scope", scope="{scope}"'},
        missing_scope=scope,
    )


class _Needs:
    def __init__(self, scope: str) -> None:
        if scope not in SCOPES:
            raise ValueError(f"{scope!r} is not a scope; they stand in libs/common/keys.py")
        self.scope = scope

    async def __call__(self, request: Request) -> Caller:
        caller: Caller = request.scope[CALLER]  # put there by the door, before the body was read
        return caller


def needs(scope: str) -> Any:
    """A dependency: `caller: Annotated[Caller, needs("queues:read")]`, or in a router's `dependencies`.

    A caller without a key gets 401, one without the scope 403, both before the body is read.
    """
    return Depends(_Needs(scope))


async def _public() -> None:
    pass


public: Any = Depends(_public)
"""A dependency that says: anyone may call this."""


def scopes_needed(route: APIRoute) -> frozenset[str]:
    """All scopes a caller of this route must have; empty: anyone may call it.

    Raises:
        Misconfigured: the route says neither what it needs nor that it is public.
    """
    calls = list(_calls(route.dependant))
    scopes = frozenset(call.scope for call in calls if isinstance(call, _Needs))
    if not scopes and _public not in calls:
        methods = ",".join(sorted(route.methods or ()))
        raise Misconfigured(
            f"{methods} {route.path} says neither `needs(scope)` nor `public`: nobody knows who may call it"
        )
    return scopes


def _calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _calls(inner)
