"""rest.md: every method and path of the four services, who may call it, and what it does."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fastapi.routing import APIRoute

from cli.openapi import document
from docs.house import built
from docs.words import HEADER, code, table
from libs.common.keys import ROLE_SCOPES, ROLES, SCOPES
from libs.common.lists import PAGE
from libs.common.web import KIB
from services.classifier.api import CLASSIFY_BYTES
from services.ingest.api.mentions import MENTIONS_BYTES
from services.responder.api import REPLY_BODY_BYTES
from services.router.api.setup import WHOLE_BYTES

_LARGER = (
    f"`/v1/mentions` {MENTIONS_BYTES // KIB} KiB, `/v1/classify` {CLASSIFY_BYTES // KIB} KiB, "
    f"`/v1/replies` {REPLY_BODY_BYTES // KIB} KiB,\n"
    f"  `/v1/reply-checks` {2 * REPLY_BODY_BYTES // KIB} KiB, "
    f"`/v1/setup` and `/v1/simulations` {WHOLE_BYTES // KIB} KiB"
)
_TOP = f"""\
# REST

Every path of the four services. All of it with bodies and answers: [openapi.json](openapi.json); each service also
serves its own part at `/openapi.json`. On one machine each service has its own port; behind a gateway all paths can
have one address, for no two services answer to the same method and path.

- A call carries its key: `Authorization: Bearer gk_...`, or `X-API-Key: gk_...`. Without one, or with an unknown or
  expired one: 401. Without the scope: 403, and the answer names it. An object of another team is a 404.
- Mistakes are answered as `application/problem+json` (RFC 9457): a stable `type`, `detail` (what is wrong this time)
  and `fix` (what to do). An unknown query parameter is a 400 that names the nearest.
- 503 with `Retry-After`: something the service needs is away. Send the same again.
- Lists: `limit` ({PAGE} unless said, at most 200) and `cursor`. `updated_after` gives what changed since, in that
  order.
- Times are RFC 3339 and have a zone. In an address write `Z`: a `+` there is a space.
- Where an answer has an `ETag`, a change may carry it as `If-Match`: 412 when somebody was quicker.
- Bodies: at most 64 KiB, {_LARGER}. Above: 413.
- `X-Request-Id` is taken over or made. It stands in the answer and in the log lines of the request.
"""
_PROBES = {
    "/livez": "200, or 503 with `problems`: a part of it stands still, start it again",
    "/readyz": "200, or 503 with `problems`: what it waits for",
    "/startupz": "200 as soon as it listens",
    "/metrics": "[metrics](metrics.md) for Prometheus",
    "/version": "its name and version, Python's, and the commit it was built from",
    "/openapi.json": "its own part of the API",
}
_SERVICES = ("ingest", "classifier", "router", "responder")


class _Operation(NamedTuple):
    service: str
    method: str
    path: str
    scopes: tuple[str, ...]
    query: tuple[str, ...]
    about: str


def page() -> str:
    """The whole file."""
    operations = list(_operations(document()))
    parts = [HEADER, _TOP]
    for service in _SERVICES:
        rows = [
            (code(f"{each.method} {each.path}"), " ".join(map(code, each.scopes)), _query(each), each.about)
            for each in operations
            if each.service == service
        ]
        parts += [f"\n## {service.capitalize()}\n\n", table(("call", "scope", "query", ""), rows)]
    used = {scope for each in operations for scope in each.scopes}
    probes = [(code(f"GET {path}"), _PROBES[path]) for path in asyncio.run(_hidden())]
    parts += ["\n## At every service, without a key\n\n", "Keep these inside your network.\n\n"]
    return "".join([*parts, table(("call", "answers"), probes), "\n## Scopes\n\n", _scopes(used)])


async def _hidden() -> list[str]:
    """The paths every service has and no document shows, in their order."""
    async with built() as services:
        return [
            route.path
            for route in services[0].app.routes
            if isinstance(route, APIRoute) and not route.include_in_schema
        ]


def _operations(whole: Mapping[str, Any]) -> Iterator[_Operation]:
    """In the order of their paths."""
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            yield _Operation(
                operation["x-service"],
                method.upper(),
                path,
                tuple(scope for needed in operation.get("security", ()) for scope in needed["key"]),
                tuple(each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"),
                operation.get("description", operation.get("summary", "")).split("\n\n")[0],
            )


def _query(operation: _Operation) -> str:
    return ", ".join(map(code, operation.query)) or "-"


def _scopes(used: set[str]) -> str:
    """What a key may be given; some are there before any call needs them."""
    head = "A key without scopes of its own has its role's. `*` is everything.\n\n"
    rows = []
    for scope, about in SCOPES.items():
        roles = ", ".join(role for role in ROLES if scope in ROLE_SCOPES[role] or "*" in ROLE_SCOPES[role])
        rows.append((code(scope), about, roles, "" if scope in used or scope == "*" else "no call needs it yet"))
    return head + table(("scope", "lets", "roles that have it", ""), rows)
