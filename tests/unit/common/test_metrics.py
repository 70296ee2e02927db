"""Figures: what was counted is what Prometheus reads."""

from prometheus_client import CollectorRegistry, Counter

from libs.common.metrics import Metrics, render


def a_service() -> Metrics:
    return Metrics(CollectorRegistry(), "router")


def shown(metrics: Metrics) -> list[str]:
    return render(metrics.registry).decode().splitlines()


def test_counts_add_up_per_labels() -> None:
    metrics = a_service()
    metrics.handled("router", "mention.classified.v1", "done", 500)
    metrics.handled("router", "mention.classified.v1", "done", 20)
    metrics.handled("router", "mention.classified.v1", "rejected")
    metrics.published("work_item.opened.v1", 3)
    metrics.dead_letter("replies")
    lines = shown(metrics)
    assert 'events_handled_total{group="router",outcome="done",type="mention.classified.v1"} 520.0' in lines
    assert 'events_handled_total{group="router",outcome="rejected",type="mention.classified.v1"} 1.0' in lines
    assert 'events_published_total{type="work_item.opened.v1"} 3.0' in lines
    assert 'dead_letters_total{topic="replies"} 1.0' in lines


def test_gauges_hold_the_last_value() -> None:
    metrics = a_service()
    metrics.lag("router", "replies", 7)
    metrics.lag("router", "replies", 0)
    metrics.outbox_oldest_age(1.5)
    assert 'consumer_lag_records{group="router",topic="replies"} 0.0' in shown(metrics)
    assert "outbox_oldest_age_seconds 1.5" in shown(metrics)


def test_times_fall_into_buckets() -> None:
    metrics = a_service()
    metrics.handle_seconds("router", "replies", 0.003)
    metrics.event_age("router", 0.2)
    metrics.request("/v1/queues", "GET", 200, 0.004)
    lines = shown(metrics)
    assert 'event_handle_seconds_bucket{group="router",le="0.0025",topic="replies"} 0.0' in lines
    assert 'event_handle_seconds_bucket{group="router",le="0.005",topic="replies"} 1.0' in lines
    assert 'event_age_seconds_count{group="router"} 1.0' in lines
    assert 'http_requests_total{method="GET",route="/v1/queues",status="200"} 1.0' in lines
    assert 'http_request_seconds_bucket{le="0.005",route="/v1/queues"} 1.0' in lines


def test_two_services_of_one_process_count_apart() -> None:
    router, ingest = a_service(), a_service()
    router.published("x.v1")
    assert not [line for line in shown(ingest) if line.startswith("events_published_total{")]


def test_a_service_adds_its_own() -> None:
    metrics = a_service()
    Counter("network_cost_dollars_total", "Paid", registry=metrics.registry).inc(2)
    assert "network_cost_dollars_total 2.0" in shown(metrics)


def test_no_series_of_creation_times() -> None:
    metrics = a_service()
    metrics.published("x.v1")
    assert not [line for line in shown(metrics) if "_created" in line]
