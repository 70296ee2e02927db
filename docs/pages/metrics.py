"""metrics.md: what every service shows at /metrics, read from the registries of services that are built and not run."""

import asyncio
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from docs.house import built
from docs.words import HEADER, code, table
from libs.common.edge import Edge
from libs.common.process import Service

_TOP = """\
# Metrics

Every service answers `GET /metrics` on its own port in Prometheus' text format, without a key: keep the port inside
your network. No label holds an id, a person or a text. What to look at:
[watch it with Prometheus](../how-to/watch-it-with-prometheus.md).

Beside these each shows what the Prometheus client says of its process on Linux: `process_cpu_seconds_total`,
`process_resident_memory_bytes`, `process_virtual_memory_bytes`, `process_start_time_seconds`, `process_open_fds`,
`process_max_fds`. Where several services run in one process (`guichet up`) these are the same at each.
"""


def page() -> str:
    """The whole file."""
    shown = asyncio.run(_shown())
    everywhere = [name for name in shown["ingest"] if all(name in some for some in shown.values())]
    parts = [HEADER, _TOP, "\n## Every service\n\n", _table(shown["ingest"][name] for name in everywhere)]
    for service, some in shown.items():
        own = [metric for name, metric in some.items() if name not in everywhere]
        if own:
            parts += [f"\n## {service.capitalize()}\n\n", _table(own)]
    parts += ["\n## Buckets\n\n", "The upper bounds of the histograms, in seconds; `+Inf` ends each.\n\n"]
    histograms = {
        name: metric for some in shown.values() for name, metric in some.items() if isinstance(metric, Histogram)
    }
    bounds = [(code(name), ", ".join(f"{bound:g}" for bound in _bounds(each))) for name, each in histograms.items()]
    return "".join([*parts, table(("name", "bounds"), bounds)])


async def _shown() -> dict[str, dict[str, MetricWrapperBase]]:
    """The metrics of each service by name, in the order in which it makes them."""
    async with built() as services:
        return {service.name: _metrics(registry_of(service)) for service in services}


def registry_of(service: Service) -> CollectorRegistry:
    """The registry its edge counts requests on: the one it shows."""
    inside: list[Any] = list(service.app.user_middleware)
    registry: CollectorRegistry = next(each.kwargs["metrics"].registry for each in inside if each.cls is Edge)
    return registry


def _metrics(registry: CollectorRegistry) -> dict[str, MetricWrapperBase]:
    # nothing public tells the labels of what has no sample yet
    collectors: Iterable[Any] = registry._collector_to_names
    return {_name(each): each for each in collectors if isinstance(each, MetricWrapperBase)}


def _table(metrics: Iterable[MetricWrapperBase]) -> str:
    rows = [
        (code(_name(each)), str(each._type), ", ".join(map(code, each._labelnames)) or "-", each._documentation)
        for each in metrics
    ]
    return table(("name", "type", "labels", "help"), rows)


def _name(metric: MetricWrapperBase) -> str:
    """As it stands in what Prometheus reads."""
    assert isinstance(metric, Counter | Gauge | Histogram)
    return f"{metric._name}_total" if isinstance(metric, Counter) else str(metric._name)


def _bounds(histogram: Histogram) -> list[float]:
    return [bound for bound in histogram._upper_bounds if bound != float("inf")]
