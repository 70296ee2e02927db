"""The app around every service: doors, names, health, metrics, OpenAPI."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry
from structlog.contextvars import get_contextvars

from libs.common.auth import Keyring, public
from libs.common.errors import Misconfigured
from libs.common.keys import create_key
from libs.common.metrics import Metrics
from libs.common.trace import traceparent
from libs.common.web import web_app
from tests.unit.common.app import an_app, calls

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CHUNK = b"x" * 1000


async def chunks(n: int) -> AsyncIterator[bytes]:
    for _ in range(n):
        yield CHUNK


# --- who may come in


async def test_a_key_opens_the_routes_of_its_scopes(tmp_path: Path) -> None:
    secret = create_key(tmp_path / "keys.toml", name="crm", role="service", scopes=["mentions:read"])
    async with calls(an_app(tmp_path), secret) as client:
        answer = await client.get("/v1/notes/7")
        assert answer.json() == {"id": 7, "by": secret.split("_")[1], "teams": ["main"]}


async def test_without_a_key_401_and_the_body_is_not_read(tmp_path: Path) -> None:
    async with calls(an_app(tmp_path)) as client:
        answer = await client.post("/v1/notes", content=b"{not json")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="guichet"'
    assert answer.json()["type"] == "urn:guichet:problem:unauthorized"


async def test_without_the_scope_403_names_it(tmp_path: Path) -> None:
    secret = create_key(tmp_path / "keys.toml", name="crm", role="service", scopes=["mentions:read"])
    async with calls(an_app(tmp_path), secret) as client:
        answer = await client.post("/v1/notes", json={})
    assert answer.status_code == 403
    assert answer.json()["missing_scope"] == "conversations:write"


async def test_a_public_route_needs_no_key(tmp_path: Path) -> None:
    async with calls(an_app(tmp_path)) as client:
        assert (await client.get("/v1/queues")).status_code == 200


def test_a_route_that_says_nothing_stops_the_service(tmp_path: Path) -> None:
    forgotten = APIRouter()
    forgotten.get("/v1/secrets")(lambda: None)
    with pytest.raises(Misconfigured, match="GET /v1/secrets says neither"):
        an_app(tmp_path, routers=[forgotten])


def test_a_router_inside_a_router_stops_the_service(tmp_path: Path) -> None:
    inner, outer = APIRouter(), APIRouter()
    inner.get("/v1/secrets")(lambda: None)
    outer.include_router(inner)
    with pytest.raises(Misconfigured):
        an_app(tmp_path, routers=[outer])


async def test_one_router_serves_two_apps(tmp_path: Path) -> None:
    routes = APIRouter(dependencies=[public])

    @routes.post("/v1/size")
    async def size(request: Request) -> int:
        return len(await request.body())

    first = an_app(tmp_path, routers=[routes], body_limits={"/v1/size": 10})
    second = an_app(tmp_path, routers=[routes])
    async with calls(first) as one, calls(second) as two:
        assert (await one.post("/v1/size", content=CHUNK)).status_code == 413
        assert (await two.post("/v1/size", content=CHUNK)).json() == 1000


# --- how large


async def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(tmp_path: Path) -> None:
    async with calls(an_app(tmp_path, body_limits={"/v1/raw": 1000})) as client:
        assert (await client.post("/v1/raw", content=CHUNK)).json() == {"bytes": 1000}
        answer = await client.post("/v1/raw", content=CHUNK + b"x")
    assert answer.status_code == 413
    assert answer.json()["limit_bytes"] == 1000
    assert answer.headers["connection"] == "close"


async def test_a_body_without_a_length_is_counted(tmp_path: Path) -> None:
    async with calls(an_app(tmp_path, body_limits={"/v1/raw": 2000})) as client:
        assert (await client.post("/v1/raw", content=chunks(2))).json() == {"bytes": 2000}
        assert (await client.post("/v1/raw", content=chunks(3))).status_code == 413


async def test_a_body_that_says_it_is_too_large_is_not_read(tmp_path: Path) -> None:
    read: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(CHUNK)
        yield CHUNK

    async with calls(an_app(tmp_path, body_limits={"/v1/raw": 10})) as client:
        answer = await client.post("/v1/raw", content=body(), headers={"Content-Length": "11"})
    assert answer.status_code == 413
    assert read == []


async def test_a_body_that_fastapi_reads_is_counted_too(tmp_path: Path) -> None:
    secret = create_key(tmp_path / "keys.toml", name="root", role="admin")
    async with calls(an_app(tmp_path, max_body=1500), secret) as client:
        answer = await client.post("/v1/notes", content=chunks(2), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


async def test_other_routes_take_64_kib(tmp_path: Path) -> None:
    async with calls(an_app(tmp_path)) as client:
        assert (await client.post("/v1/raw", content=b"x" * 65536)).status_code == 200
        assert (await client.post("/v1/raw", content=b"x" * 65537)).status_code == 413


def test_a_limit_for_a_path_that_does_not_exist_stops_the_service(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="/v1/row"):
        an_app(tmp_path, body_limits={"/v1/row": 1})


# --- names


async def test_a_request_keeps_the_names_it_came_with(tmp_path: Path) -> None:
    async with calls(an_app(tmp_path)) as client:
        answer = await client.get("/v1/context", headers={"X-Request-Id": "req-1", "traceparent": TRACE})
    assert answer.text == f"{TRACE} req-1"
    assert answer.headers["x-request-id"] == "req-1"


@pytest.mark.parametrize("given", [{}, {"X-Request-Id": "no spaces", "traceparent": "no"}, {"X-Request-Id": "a" * 65}])
async def test_a_request_without_good_names_gets_new_ones(tmp_path: Path, given: dict[str, str]) -> None:
    async with calls(an_app(tmp_path)) as client:
        answer = await client.get("/v1/context", headers=given)
        other = await client.get("/v1/context", headers=given)
    made, request_id = answer.text.split(" ")
    assert made.split("-")[1] == request_id == answer.headers["x-request-id"]
    assert other.headers["x-request-id"] != request_id


async def test_names_end_with_their_request(tmp_path: Path) -> None:
    async with calls(an_app(tmp_path)) as client:
        await client.get("/v1/context")
    assert traceparent() == ""
    assert "request_id" not in get_contextvars()


async def test_answers_are_not_sniffed_and_not_stored_unless_they_say_so(tmp_path: Path) -> None:
    async with calls(an_app(tmp_path)) as client:
        plain, said = await client.get("/v1/queues"), await client.get("/v1/context")
    assert plain.headers["x-content-type-options"] == "nosniff"
    assert plain.headers["cache-control"] == "no-store"
    assert said.headers.get_list("cache-control") == ["max-age=5"]


# --- health


async def test_probes_are_well_without_checks(tmp_path: Path) -> None:
    async with calls(an_app(tmp_path)) as client:
        for probe in ("/livez", "/readyz", "/startupz"):
            answer = await client.get(probe)
            assert (answer.status_code, answer.json()) == (200, {"status": "ok", "problems": []})


@pytest.mark.parametrize(("probe", "checks"), [("/livez", "alive"), ("/readyz", "ready"), ("/startupz", "started")])
async def test_a_probe_says_what_its_own_checks_say(tmp_path: Path, probe: str, checks: str) -> None:
    wrong: list[str | None] = ["the database is away", None]
    options: dict[str, Any] = {checks: [lambda: wrong[0], lambda: wrong[1]]}
    async with calls(an_app(tmp_path, **options)) as client:
        answer = await client.get(probe)
        assert answer.status_code == 503
        assert answer.json() == {"status": "failing", "problems": ["the database is away"]}
        for other in {"/livez", "/readyz", "/startupz"} - {probe}:
            assert (await client.get(other)).status_code == 200
        wrong[0] = None
        assert (await client.get(probe)).status_code == 200


async def test_a_stopping_service_is_alive_and_not_ready(tmp_path: Path) -> None:
    app = an_app(tmp_path)
    app.state.stopping = True
    async with calls(app) as client:
        assert (await client.get("/readyz")).json()["problems"] == ["stopping"]
        assert (await client.get("/livez")).status_code == 200


async def test_version_says_which_build_answers(tmp_path: Path) -> None:
    async with calls(an_app(tmp_path, commit="abc123")) as client:
        known = (await client.get("/version")).json()
    assert (known["name"], known["version"], known["commit"]) == ("router", "1.2.3", "abc123")
    assert known["python"].startswith("3.")


def test_a_service_knows_its_own_version(tmp_path: Path) -> None:
    create_key(keys := tmp_path / "keys.toml", name="x", role="admin")
    app = web_app("router", [], metrics=Metrics(CollectorRegistry(), "router"), keyring=Keyring(keys))
    assert app.version


# --- metrics


async def test_requests_are_counted_by_route_and_never_by_path(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry(), "router")
    async with calls(an_app(tmp_path, metrics=metrics)) as client:
        await client.get("/v1/notes/7")
        await client.get("/v1/notes/8")
        await client.delete("/v1/notes/8")
        await client.get("/v1/nowhere/9")
        await client.request("BREW", "/v1/queues")
        await client.get("/v1/fails/bug")
        text = (await client.get("/metrics")).text
    counted = {line for line in text.splitlines() if line.startswith("http_requests_total{")}
    assert counted == {
        'http_requests_total{method="GET",route="/v1/notes/{note_id}",status="401"} 2.0',
        'http_requests_total{method="DELETE",route="/v1/notes/{note_id}",status="405"} 1.0',
        'http_requests_total{method="GET",route="unmatched",status="404"} 1.0',
        'http_requests_total{method="other",route="/v1/queues",status="405"} 1.0',
        'http_requests_total{method="GET",route="/v1/fails/{how}",status="500"} 1.0',
    }


async def test_metrics_are_rendered_beside_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics(CollectorRegistry(), "router")

    class Slow:
        def collect(self) -> list[Any]:
            with pytest.raises(RuntimeError, match="no running event loop"):
                asyncio.get_running_loop()
            return []

    metrics.registry.register(Slow())
    async with calls(an_app(tmp_path, metrics=metrics)) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")


# --- OpenAPI


async def test_openapi_has_the_scopes_and_our_problems(tmp_path: Path) -> None:
    async with calls(an_app(tmp_path)) as client:
        document = (await client.get("/openapi.json")).json()
    write = document["paths"]["/v1/notes"]["post"]
    assert write["security"] == [{"key": ["conversations:write"]}]
    assert write["responses"].keys() == {"201", "default"}
    assert write["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
    assert "security" not in document["paths"]["/v1/queues"]["get"]
    assert "Problem" in document["components"]["schemas"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert "/livez" not in document["paths"]


async def test_no_page_loads_scripts_from_elsewhere(tmp_path: Path) -> None:
    async with calls(an_app(tmp_path)) as client:
        for path in ("/docs", "/redoc"):
            assert (await client.get(path)).status_code == 404
