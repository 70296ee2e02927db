"""Recording rules: what each replica says of shared state, once; and what several pictures and alarms take.

Names after Prometheus' convention: what the labels are, the metric, what was done to it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recorded:
    """One rule."""

    name: str
    expr: str


SHARED: dict[str, tuple[str, tuple[str, ...]]] = {
    "queue_urgency_state:queue_depth:max": ("queue_depth", ("queue", "urgency", "state")),
    "queue:queue_open:max": ("queue_open", ("queue",)),
    "queue:queue_oldest_age_seconds:max": ("queue_oldest_age_seconds", ("queue",)),
    "queue:queue_overdue:max": ("queue_overdue", ("queue",)),
    "queue_availability:agents:max": ("agents", ("queue", "availability")),
    "queue:agent_capacity_units:max": ("agent_capacity_units", ("queue",)),
    "queue:agent_used_units:max": ("agent_used_units", ("queue",)),
    "queue_quantile:expected_wait_seconds:max": ("expected_wait_seconds", ("queue", "quantile")),
    "queue:expected_wait_kept_ratio:max": ("expected_wait_kept_ratio", ("queue",)),
    "guichet:replies_unknown:max": ("replies_unknown", ()),
    "service:outbox_oldest_age_seconds:max": ("outbox_oldest_age_seconds", ("service",)),
    "network_handle_operation:network_quota_remaining_ratio:min": (
        "network_quota_remaining_ratio", ("network", "handle", "operation"),
    ),
}  # fmt: skip
"""Recorded name -> the gauge that every replica exports with the same value, and its labels."""


def _shared(name: str) -> Recorded:
    metric, labels = SHARED[name]
    how = name.rpartition(":")[2]
    return Recorded(name, f"{how} by ({', '.join(labels)}) ({metric})" if labels else f"{how}({metric})")


def grown(metric: str, window: str) -> str:
    """How much a counter grew, series born in the window included: `increase` begins at their first value."""
    return f"({metric} unless {metric} offset {window}) or increase({metric}[{window}])"


def _missed(window: str) -> Recorded:
    """The share of first clocks that were not met. A clock counts when it is met or at its deadline: silence counts."""
    clocks = 'sum(increase(sla_clocks_total{kind="first", outcome=~"%s"}[%s]))'
    missed, all_of_them = clocks % ("breached", window), clocks % ("met|breached", window)
    return Recorded(f"guichet:first_clocks_missed:ratio_{window}", f"({missed} or vector(0)) / ({all_of_them} > 0)")


def _intents(window: str) -> Recorded:
    counted = f"increase(mentions_classified_total[{window}])"
    return Recorded(
        f"intent:mentions_classified:share_{window}",
        f"sum by (intent) ({counted}) / on () group_left () (sum({counted}) > 0)",
    )


RULES: tuple[Recorded, ...] = (
    *map(_shared, SHARED),
    Recorded(
        "group:event_age_seconds:p99_5m",
        "histogram_quantile(0.99, sum by (le, group) (rate(event_age_seconds_bucket[5m])))",
    ),
    Recorded("topic:dead_letters:grown_15m", f"sum by (topic) ({grown('dead_letters_total', '15m')})"),
    Recorded("outcome:replies:grown_15m", f"sum by (outcome) ({grown('replies_total', '15m')})"),
    Recorded(
        "network_answer:network_answers:grown_15m",
        f"sum by (network, answer) ({grown('network_answers_total', '15m')})",
    ),
    Recorded(
        "source:source_last_event_timestamp_seconds:max",
        "max by (source) (max_over_time(source_last_event_timestamp_seconds[1d]))",
    ),
    *map(_missed, ("15m", "1h", "6h", "3d")),
    *map(_intents, ("1h", "7d")),
    Recorded(
        "guichet:intent_drift:ratio",
        "sum(abs(intent:mentions_classified:share_1h - intent:mentions_classified:share_7d)) / 2",
    ),
)
