"""What every request passes, as plain ASGI: the edge around the app, and the door of each route."""

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from time import perf_counter
from urllib.parse import parse_qsl

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from libs.common import trace
from libs.common.auth import CALLER, Keyring, forbidden
from libs.common.metrics import Metrics
from libs.common.problems import Problem, a_bug

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")  # an escape that no database takes, or half of a good one
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

log = structlog.get_logger(__name__)


class Edge:
    """Names a request (its id, its trace), counts it, and lets no exception out to the server."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = perf_counter()
        given = dict(scope["headers"])
        traceparent = trace.accepted(given.get(b"traceparent", b"").decode("latin-1"))
        request_id = given.get(b"x-request-id", b"")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = traceparent[3:35].encode()  # the trace's own id: one thing to search for
        answered = False

        async def send_named(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                headers = message["headers"] = list(message["headers"])
                headers.append((b"x-request-id", request_id))
                headers.append((b"x-content-type-options", b"nosniff"))
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                self._count(scope, message["status"], perf_counter() - begun)
            await send(message)

        token = trace.carry(traceparent)
        bound = bind_contextvars(request_id=request_id.decode())
        try:
            await self._app(scope, receive, send_named)
        except ClientDisconnect:
            pass  # nobody is left to hear of it
        except Exception:
            log.exception("request_failed", method=scope["method"], route=_template(scope))
            if not answered:
                await a_bug().as_response()(scope, receive, send_named)
        finally:
            reset_contextvars(**bound)
            trace.drop(token)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"]
        self._metrics.request(_template(scope), method if method in _METHODS else "other", status, seconds)


def _template(scope: Scope) -> str:
    route = scope.get("route")
    return str(route.path_format) if route else "unmatched"


class Door:
    """Stands before one route: who may come in, with which query parameters and how large a body."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        needs: frozenset[str],
        keyring: Keyring,
        query: frozenset[str],
        max_body_bytes: int,
        json_body: bool,
    ) -> None:
        self._app = app
        self._needs = needs
        self._keyring = keyring
        self._query = query
        self._max_body_bytes = max_body_bytes
        self._json_body = json_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope["headers"])
        if self._needs:
            caller = self._keyring.caller_of(given)
            for needed in self._needs:
                if not caller.may(needed):
                    raise forbidden(caller, needed)
            scope[CALLER] = caller
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            raise Problem(400, "nul", "The address has a NUL character in it", fix="Leave it out.")
        if scope["query_string"]:
            self._check_query(scope["query_string"].decode("latin-1"))
        length = given.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._max_body_bytes:
            raise self._too_large()
        receive = self._counted(receive)
        if self._json_body:
            body = await _whole(receive)
            if _SUSPECT.search(body):
                _refuse_bad_text(body)
            receive = _again(body, receive)
        await self._app(scope, receive, send)

    def _check_query(self, query: str) -> None:
        for name, _ in parse_qsl(query, keep_blank_values=True):
            if name not in self._query:
                raise _unknown_parameter(name, sorted(self._query))

    def _counted(self, receive: Receive) -> Receive:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > self._max_body_bytes:
                    raise self._too_large()
            return message

        return counted

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "too-large",
            "The body is too large",
            f"This path takes at most {self._max_body_bytes} bytes.",
            "Send it in smaller parts.",
            {"Connection": "close"},  # the rest of the body is not read
            limit_bytes=self._max_body_bytes,
        )


def _unknown_parameter(name: str, known: list[str]) -> Problem:
    near = get_close_matches(name, known, n=1)
    return Problem(
        400,
        "unknown-parameter",
        "A query parameter is not known",
        f"{name} is not a parameter of this path.",
        f"Did you mean {near[0]}?" if near else f"It takes {', '.join(known) or 'none'}.",
        parameter=name,
        nearest=near[0] if near else None,
    )


async def _whole(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _refuse_bad_text(body: bytes) -> None:
    """JSON can write NUL and half a surrogate pair; pydantic lets them through, and databases fail on them."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return  # FastAPI says what is wrong
    for path, text in _texts("$", value):
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            detail = "NUL and halves of surrogate pairs are not text"
            raise Problem(
                422,
                "bad-text",
                "A text has a character in it that is none",
                f"{path}: {detail}.",
                "Leave the character out.",
                errors=[{"in": "body", "path": path, "detail": detail}],
            )


def _texts(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, with its place. No recursion: depth is the caller's choice."""
    left = [(path, value)]
    while left:
        path, value = left.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, list):
            left += [(f"{path}[{index}]", inner) for index, inner in enumerate(value)]
        elif isinstance(value, dict):
            left += [(path, name) for name in value]
            left += [(f"{path}.{name}", inner) for name, inner in value.items()]
