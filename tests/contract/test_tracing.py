"""One trace from a request through the log to the reply, as a collector that speaks OTLP over HTTP receives it."""

import asyncio
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from fastapi import FastAPI

from libs.common import trace
from libs.common.bus import Pulse, Record
from libs.common.bus_local import LocalBus
from libs.common.tracing import Tracing, tracing_to

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
GIVEN = f"00-{TRACE}-00f067aa0ba902b7-01"
SECRET = "what Ana wrote"


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Its address, and the bodies it was sent."""
    bodies: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def record(topic: str, type_: str, traceparent: str) -> Record:
    headers = (("ce_type", type_.encode()), ("traceparent", traceparent.encode()))
    return Record(topic, 0, b"ana", SECRET.encode(), headers)


async def play(tracing: Tracing) -> None:
    """A mention comes in over HTTP, is heard, and its answer is told and heard."""
    inner = LocalBus(":memory:")
    bus, pulse, app = tracing.bus(inner), Pulse(), FastAPI()

    @app.post("/v1/mentions", status_code=202)
    async def mentions() -> None:
        await bus.publish([record("mentions.raw", "mention.received.v1", trace.traceparent())])

    async def carried(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        token = trace.carry(trace.accepted(dict(scope["headers"])[b"traceparent"].decode()))
        try:
            await app(scope, receive, send)
        finally:
            trace.drop(token)

    async def answer(batch: Sequence[Record]) -> None:
        for each in batch:
            if each.topic == "mentions.raw":
                await bus.publish([record("replies", "reply.posted.v1", each.header("traceparent"))])
            else:
                pulse.stop.set()

    transport = httpx2.ASGITransport(app=tracing.app(carried))
    async with httpx2.AsyncClient(transport=transport, base_url="http://guichet") as client:
        answered = await client.post("/v1/mentions", headers={"traceparent": GIVEN})
        assert answered.status_code == 202
    async with asyncio.timeout(10):
        await bus.consume(["mentions.raw", "replies"], "responder", answer, pulse)
    await bus.close()


async def test_one_trace_leads_from_the_request_to_the_reply() -> None:
    proto = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="no extra `otel`")
    with collector() as (address, bodies):
        tracing = tracing_to(address)
        assert tracing is not None
        await play(tracing)
        await asyncio.to_thread(tracing.flush)

    sent = [proto.ExportTraceServiceRequest.FromString(body) for body in bodies]
    spans = [span for each in sent for some in each.resource_spans for kept in some.scope_spans for span in kept.spans]
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert sorted(span.name for span in spans) == [
        "POST /v1/mentions",
        "responder mention.received.v1",
        "responder reply.posted.v1",
        "tell reply.posted.v1",
    ]
    request = next(span for span in spans if span.name == "POST /v1/mentions")
    assert {span.parent_span_id for span in spans if span is not request} == {request.span_id}
    assert SECRET.encode() not in b"".join(bodies)


def test_without_an_endpoint_nothing_is_traced_and_nothing_imported() -> None:
    before = {name for name in sys.modules if name.startswith("opentelemetry.sdk")}
    assert tracing_to("") is None
    assert {name for name in sys.modules if name.startswith("opentelemetry.sdk")} == before
