"""The figures every service shows to Prometheus, on children kept between counts."""

from collections.abc import Hashable
from typing import TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST

_BATCH_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_AGE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900, 3600)
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_M = TypeVar("_M", bound=MetricWrapperBase)


class Metrics:
    """One service's figures; its own ones go on `registry` too. No id, author or text as a label."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # they double every scrape and nobody reads them
        prometheus_client.ProcessCollector(registry=registry)
        self.registry = registry
        self.service = service
        self._children: dict[Hashable, MetricWrapperBase] = {}

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=registry)

        self._handled = counter(
            "events_handled_total", "Events a consumer group is done with", "group", "type", "outcome"
        )
        self._published = counter("events_published_total", "Events the broker acknowledged", "type")
        self._handle_seconds = histogram(
            "event_handle_seconds", "Time to handle one batch", _BATCH_SECONDS, "group", "topic"
        )
        self._event_age = histogram(
            "event_age_seconds", "From produced to handled, the oldest of a batch", _AGE_SECONDS, "group"
        )
        self._lag = gauge("consumer_lag_records", "Records not yet handled", "group", "topic")
        self._dead_letters = counter("dead_letters_total", "Records sent to the dead letters", "topic")
        self._outbox_oldest_age = gauge("outbox_oldest_age_seconds", "Age of the oldest event not yet published")
        self._requests = counter("http_requests_total", "Requests answered", "route", "method", "status")
        self._request_seconds = histogram(
            "http_request_seconds", "Time until an answer begins", _REQUEST_SECONDS, "route"
        )

    def handled(self, group: str, event_type: str, outcome: str, n: int = 1) -> None:
        self._child(self._handled, group, event_type, outcome).inc(n)

    def published(self, event_type: str, n: int = 1) -> None:
        self._child(self._published, event_type).inc(n)

    def handle_seconds(self, group: str, topic: str, seconds: float) -> None:
        self._child(self._handle_seconds, group, topic).observe(seconds)

    def event_age(self, group: str, seconds: float) -> None:
        self._child(self._event_age, group).observe(seconds)

    def lag(self, group: str, topic: str, n: int) -> None:
        self._child(self._lag, group, topic).set(n)

    def dead_letter(self, topic: str, n: int = 1) -> None:
        self._child(self._dead_letters, topic).inc(n)

    def outbox_oldest_age(self, seconds: float) -> None:
        self._outbox_oldest_age.set(seconds)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """`route` is the template, never the path: a path has an id in it."""
        self._child(self._requests, route, method, str(status)).inc()
        self._child(self._request_seconds, route).observe(seconds)

    def _child(self, metric: _M, *labels: str) -> _M:
        """`labels()` costs more than the count, so each child is looked up there once."""
        key = (metric, labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child  # type: ignore[return-value]  # a metric's child is of its own class


def render(registry: CollectorRegistry) -> bytes:
    """What Prometheus reads. Slow with many series: call it in a thread."""
    return prometheus_client.generate_latest(registry)
