"""Spans for OpenTelemetry, the extra `otel`: requests, events heard, replies told. Else nothing is imported."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common import __version__, trace
from libs.common.bus import Bus, HandleBatch, Pulse, Record

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT"
TOLD = frozenset({"reply.posted.v1"})  # what is worth a span when it is told; the others are seen where they are heard

log = structlog.get_logger()


@cache
def tracing_to(endpoint: str) -> "Tracing | None":
    """One for the process, which sends by OTLP over HTTP to `endpoint` (OTEL_EXPORTER_OTLP_ENDPOINT).

    None, and nothing imported, where `endpoint` is empty; None and one line in the log where the extra is missing.
    The other variables that OpenTelemetry names (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, ...) are read by its SDK.
    What is left is sent when the process ends; what cannot be sent is dropped, and nobody waits for it.
    """
    if not endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning("tracing_not_installed", fix="pip install 'guichet[otel]'")
        return None
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))
    return Tracing(provider.get_tracer("guichet", __version__), provider.force_flush)


class Tracing:
    """Puts spans around an app and a log. No text, author or key of a person stands in a span."""

    def __init__(self, tracer: "Tracer", flush: Callable[[], bool]) -> None:
        self._tracer = tracer
        self.flush = flush  # sends what is left; waits

    def app(self, app: ASGIApp) -> ASGIApp:
        """`app` with a span for each request under /v1; what it tells goes on from there."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
                await app(scope, receive, send)
                return
            given = trace.accepted(dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1"))
            span = self._begin(scope["method"], given, "SERVER", {})

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            others = [each for each in scope["headers"] if each[0] != b"traceparent"]
            scope["headers"] = [*others, (b"traceparent", _traceparent(span).encode())]
            try:
                await app(scope, receive, noted)
            finally:
                if route := scope.get("route"):
                    span.update_name(f"{scope['method']} {route.path_format}")
                span.end()

        return traced

    def bus(self, bus: Bus) -> Bus:
        """`bus` with a span for each traced event consumed, as long as its batch takes, and for each reply told."""
        return _TracedBus(bus, self)

    @contextmanager
    def around(self, records: Sequence[Record], doing: str, kind: str) -> Iterator[None]:
        """A span for each of these that has a trace, marked when what is done with them fails."""
        spans = [
            self._begin(
                f"{doing} {record.header('ce_type')}", parent, kind, {"messaging.destination.name": record.topic}
            )
            for record in records
            if (parent := record.header("traceparent"))
        ]
        try:
            yield
        except Exception as error:
            for span in spans:
                span.set_attribute("error.type", type(error).__name__)  # its words may be somebody's
            raise
        finally:
            for span in spans:
                span.end()

    def _begin(self, name: str, parent: str, kind: str, attributes: Mapping[str, str]) -> "Span":
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        before = TraceContextTextMapPropagator().extract({"traceparent": parent})
        return self._tracer.start_span(name, before, SpanKind[kind], attributes)


class _TracedBus:
    def __init__(self, bus: Bus, tracing: Tracing) -> None:
        self._bus = bus
        self._tracing = tracing
        self.partitions = bus.partitions

    async def publish(self, records: Sequence[Record]) -> None:
        with self._tracing.around([each for each in records if each.header("ce_type") in TOLD], "tell", "PRODUCER"):
            await self._bus.publish(records)

    async def consume(self, topics: Collection[str], group: str, handle: HandleBatch, pulse: Pulse) -> None:
        async def traced(batch: Sequence[Record]) -> None:
            with self._tracing.around(batch, group, "CONSUMER"):
                await handle(batch)

        await self._bus.consume(topics, group, traced, pulse)

    def scan(self, topic: str) -> AsyncIterator[Record]:
        return self._bus.scan(topic)

    async def ping(self) -> None:
        await self._bus.ping()

    async def close(self) -> None:
        await self._bus.close()


def _traceparent(span: "Span") -> str:
    here = span.get_span_context()
    return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}"
