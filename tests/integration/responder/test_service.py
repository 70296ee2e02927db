"""The whole responder, its tasks running: from the log to the network and back to the log."""

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from libs.common.bus_local import LocalBus
from libs.common.errors import Misconfigured
from libs.common.events import REPLIES, decode
from libs.common.keys import create_key
from libs.common.outbox import record_of
from services.responder.app import build
from services.responder.settings import ResponderSettings
from tests.buses import PATIENCE
from tests.integration.responder.conftest import World
from tests.integration.responder.mentions import routed


async def ask_when_routed(world: World, **more: str) -> httpx2.Response:
    async with asyncio.timeout(PATIENCE):
        while (answer := await world.ask(**more)).status_code == 404:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.02)
    return answer


async def test_a_mention_from_the_log_is_answered_and_told_where_it_came_from(world: World) -> None:
    async with world.running():
        await world.bus.publish([record_of(routed(), "router", 3)])
        answer = await ask_when_routed(world)
        settled = await world.http.post(
            "/v1/replies",
            content=answer.request.content,
            headers=dict(answer.request.headers) | {"Prefer": "wait=10"},
        )
        [record] = await world.on_topic(REPLIES, 1)

    reply = settled.json()
    assert (reply["id"], reply["state"]) == (answer.json()["id"], "posted")
    assert settled.headers["Preference-Applied"] == "wait=10"
    assert record.key == b"key-jo"
    told = decode(record.header("ce_type"), record.value or b"")
    assert told is not None
    assert told.traceparent != ""
    assert await world.sandbox.per_mention() == {"1001": 1}


async def test_the_figures_and_the_probes_are_there(world: World) -> None:
    async with world.running():
        await world.bus.publish([record_of(routed(), "router", 3)])
        answer = await ask_when_routed(world, key="once")
        await world.http.get(f"/v1/replies/{answer.json()['id']}")
        await world.on_topic(REPLIES, 1)
        assert (await world.http.get("/readyz")).json()["problems"] == []
        assert (await world.http.get("/livez")).status_code == 200
        figures = (await world.http.get("/metrics")).text

    assert 'replies_total{outcome="posted"} 1.0' in figures
    assert "replies_unknown 0.0" in figures
    assert f'events_handled_total{{group="responder",outcome="done",type="{routed().type}"}} 1.0' in figures


async def test_a_reply_lost_on_the_way_is_found_by_the_running_service(
    world: World, tmp_path: Path, database_url: str
) -> None:
    """All durations at a hundredth, no clock moved."""
    keys = tmp_path / "keys2.toml"
    key = create_key(keys, name="test", role="admin", scopes=["*"], teams=["*"])
    hundredth = ResponderSettings.load(
        {},
        data=tmp_path,
        database_url=database_url,
        keys=keys,
        secret=SecretStr("a secret of this test"),
        x_base_url=world.sandbox.url,
        send_within=timedelta(seconds=0.5),
        post_limit=timedelta(seconds=0.3),
        recover_after=timedelta(seconds=1.8),
        look_again=timedelta(seconds=0.6),
        give_up_after=timedelta(seconds=18),
        poll=timedelta(seconds=0.1),
    )
    bus = LocalBus(":memory:")
    service = build(hundredth, bus)
    stop = asyncio.Event()
    await world.hears(routed())
    await world.sandbox.next({"kind": "no_answer", "seconds": 5})
    tasks = [asyncio.ensure_future(task(stop)) for task in service.tasks]
    transport = httpx2.ASGITransport(app=service.app)
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "once", "Prefer": "wait=10"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://responder", headers=headers) as http:
        answer = await http.post("/v1/replies", json={"network": "x", "post_id": "1001", "text": "Bonjour"})
    stop.set()
    await asyncio.wait(tasks)
    await service.close()
    await bus.close()

    assert answer.json()["state"] == "posted"
    assert await world.sandbox.attempts() == 1


async def test_every_route_asks_for_a_key(world: World) -> None:
    paths = (await world.http.get("/openapi.json")).json()["paths"]
    assert {"/v1/replies", "/v1/replies/{id}", "/v1/replies/{id}/cancel", "/v1/stats/response-latency"} <= paths.keys()
    transport = httpx2.ASGITransport(app=world.service.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://responder") as nobody:
        for path, methods in paths.items():
            for method in methods:
                assert (await nobody.request(method, path.replace("{id}", "rep_1"))).status_code == 401


@pytest.mark.parametrize("setting", [{"recover_after": timedelta(seconds=25)}, {"x_token": SecretStr("a b")}])
async def test_settings_under_which_a_reply_could_go_out_twice_or_never_are_refused(
    tmp_path: Path, setting: dict[str, object]
) -> None:
    with pytest.raises(Misconfigured, match=next(iter(setting)).upper()):
        ResponderSettings.load({}, data=tmp_path, secret=SecretStr("a secret of this test"), **setting)
