"""A service's HTTP app: its routes behind doors, health, readiness, metrics, and OpenAPI."""

import asyncio
import copy
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from libs.common.auth import Keyring, public, scopes_needed
from libs.common.edge import Door, Edge
from libs.common.errors import Misconfigured
from libs.common.metrics import CONTENT_TYPE, Metrics, render
from libs.common.problems import handlers

KIB = 1024

Check = Callable[[], str | None]
"""Says in one line what is wrong, or None. Asked on the event loop at every probe: it must be quick."""


def web_app(
    name: str,
    routers: Sequence[APIRouter],
    *,
    metrics: Metrics,
    keyring: Keyring,
    ready: Sequence[Check] = (),
    alive: Sequence[Check] = (),
    started: Sequence[Check] = (),
    version: str | None = None,
    commit: str = "",
    max_body: int = 64 * KIB,
    body_limits: Mapping[str, int] = MappingProxyType({}),
) -> FastAPI:
    """The app of one service. `/readyz` says 503 as soon as `app.state.stopping` is true.

    Args:
        routers: their own routes only: one that includes another is refused.
        max_body: bytes a route takes; `body_limits` has others by path template.

    Raises:
        Misconfigured: a route says neither `needs(scope)` nor `public`, or a limit is for no route.
    """
    app = _App(
        title=f"Guichet {name}",
        version=version or _own_version(),
        exception_handlers=handlers(),
        openapi_url=None,  # served below, so that it passes the edge under its own name
        docs_url=None,  # the pages FastAPI has for it load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.stopping = False
    app.add_middleware(Edge, metrics=metrics)
    routes = [route for router in routers for route in _own_routes(router)]
    probes = _probes(name, app, metrics, ready=ready, alive=alive, started=started, commit=commit)
    for route in [*routes, *_own_routes(probes)]:
        # taken over flat: FastAPI matches twice for a router it includes
        app.router.routes.append(_behind_door(route, keyring, body_limits.get(route.path, max_body)))
    if strange := sorted(set(body_limits) - {route.path for route in routes}):
        raise Misconfigured(f"{name} has a body limit for {strange[0]}, which is not a path of it")
    return app


def _own_routes(router: APIRouter) -> list[APIRoute]:
    for route in router.routes:
        if not isinstance(route, APIRoute):
            raise Misconfigured(f"a router holds {route!r}; give every router to web_app itself")
    return [route for route in router.routes if isinstance(route, APIRoute)]


def _behind_door(route: APIRoute, keyring: Keyring, max_body_bytes: int) -> APIRoute:
    """A copy: the same router may serve two apps in one process."""
    guarded = copy.copy(route)
    guarded.app = Door(
        route.app,
        needs=scopes_needed(route),
        keyring=keyring,
        query=frozenset(_query_names(route.dependant)),
        max_body_bytes=max_body_bytes,
        json_body=route.body_field is not None,
    )
    return guarded


def _query_names(dependant: Dependant) -> Iterator[str]:
    """The query parameters a route declares, those of its dependencies and of a parameter model too."""
    for field in dependant.query_params:
        declared = field.field_info.annotation
        if isinstance(declared, type) and issubclass(declared, BaseModel):
            yield from (inner.alias or name for name, inner in declared.model_fields.items())
        else:
            yield field.alias
    for inner in dependant.dependencies:
        yield from _query_names(inner)


def _probes(
    name: str,
    app: FastAPI,
    metrics: Metrics,
    *,
    ready: Sequence[Check],
    alive: Sequence[Check],
    started: Sequence[Check],
    commit: str,
) -> APIRouter:
    """What an orchestrator and Prometheus ask. Public: they carry no key, and the network keeps others out."""
    routes = APIRouter(dependencies=[public], include_in_schema=False)

    @routes.get("/livez")
    async def livez() -> Response:
        return _health(alive)

    @routes.get("/readyz")
    async def readyz() -> Response:
        return _health(ready, "stopping") if app.state.stopping else _health(ready)

    @routes.get("/startupz")
    async def startupz() -> Response:
        return _health(started)

    @routes.get("/metrics")
    async def show_metrics() -> Response:
        # in a thread: thousands of series would hold the loop for tens of milliseconds
        text = await asyncio.to_thread(render, metrics.registry)
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    @routes.get("/version")
    async def show_version() -> dict[str, str]:
        known = {"name": name, "version": app.version, "python": platform.python_version(), "commit": commit}
        return {key: value for key, value in known.items() if value}

    @routes.get("/openapi.json")
    async def openapi(_request: Request) -> Response:
        return JSONResponse(app.openapi())

    return routes


def _health(checks: Iterable[Check], *known: str) -> Response:
    problems = [*known, *(problem for check in checks if (problem := check()))]
    return JSONResponse({"status": "failing" if problems else "ok", "problems": problems}, 503 if problems else 200)


def _own_version() -> str:
    try:
        return metadata.version("guichet")
    except metadata.PackageNotFoundError:
        return "0+source"


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """FastAPI's document, with our problems in place of its validation errors, and the scope of each route."""
        if not self.openapi_schema:
            _finish(super().openapi(), [route for route in self.routes if isinstance(route, APIRoute)])
        assert self.openapi_schema
        return self.openapi_schema


def _finish(document: dict[str, Any], routes: Iterable[APIRoute]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM
    components["responses"] = {
        "Problem": {
            "description": "What is wrong, and what to do about it",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "gk_..."}}
    for route in routes:
        for method in (route.methods or ()) if route.include_in_schema else ():
            operation = document["paths"][route.path_format][method.lower()]
            answers = operation.setdefault("responses", {})
            if "HTTPValidationError" in str(answers.get("422")):
                del answers["422"]
            answers["default"] = {"$ref": "#/components/responses/Problem"}
            if scopes := scopes_needed(route):
                operation["security"] = [{"key": sorted(scopes)}]


_PROBLEM = {
    "title": "Problem",
    "description": "RFC 9457. `type` is stable; `fix` says what to do.",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:guichet:problem:unknown-parameter"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "fix": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "in": {"type": "string"},
                    "path": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
