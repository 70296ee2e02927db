"""Alarms: for those who run it (`ops`: something of ours is broken) and for those who answer (`care`: people wait).

No alarm about people pages ops, and none about the age of items sounds while its queue is closed.
"""

from dataclasses import dataclass
from typing import Literal

PROMISE = 0.9
"""Of first clocks, so many are to be met: the burn rate is the share missed over what this leaves."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alarm. Its page is docs/runbooks/<name>.md.

    Attributes:
        severity: page: wake somebody; ticket: today.
        lasts: it must be true for so long.
        summary: one line on a phone; may use Prometheus' template words.
    """

    name: str
    audience: Literal["ops", "care"]
    severity: Literal["page", "ticket"]
    expr: str
    lasts: str
    summary: str


def _burning(times: float, long: str, short: str) -> str:
    """Burning now (`short`) and not only for a moment (`long`), with enough clocks to tell."""
    share = round(times * (1 - PROMISE), 4)
    enough = f'sum(increase(sla_clocks_total{{kind="first", outcome=~"met|breached"}}[{long}])) >= 10'
    ratio = "guichet:first_clocks_missed:ratio_"
    return f"{ratio}{long} > {share} and {ratio}{short} > {share} and {enough}"


_OPEN = "and on (queue) queue:queue_open:max == 1"
_WAITING = 'queue_urgency_state:queue_depth:max{state="pending"}'
_LIVELY = 'sum by (source) (increase(mentions_ingested_total{outcome="accepted"}[1d])) > 240'

ALERTS: tuple[Alert, ...] = (
    Alert(
        "ServiceIsDown", "ops", "page",
        'up{job="guichet"} == 0', "2m",
        "{{ $labels.service }} at {{ $labels.instance }} does not answer",
    ),
    Alert(
        "PipelineIsLate", "ops", "page",
        "group:event_age_seconds:p99_5m > 60", "5m",
        "{{ $labels.group }} handles events {{ $value | humanizeDuration }} after they were told (p99)",
    ),
    Alert(
        "ConsumerStandsStill", "ops", "page",
        "sum by (group) (consumer_lag_records) > 0 and sum by (group) (rate(event_handle_seconds_count[5m])) == 0",
        "5m",
        "{{ $labels.group }} has {{ $value }} records before it and handles none",
    ),
    Alert(
        "OutboxStandsStill", "ops", "page",
        "service:outbox_oldest_age_seconds:max > 60", "2m",
        "{{ $labels.service }} could not publish for {{ $value | humanizeDuration }}",
    ),
    Alert(
        "SourceIsSilent", "ops", "page",
        f"time() - source:source_last_event_timestamp_seconds:max > 1800 and on (source) {_LIVELY}"
        " and on () max(queue:queue_open:max) == 1",
        "5m",
        "{{ $labels.source }} has brought nothing for {{ $value | humanizeDuration }}",
    ),
    Alert(
        "DeadLettersGrow", "ops", "page",
        "topic:dead_letters:grown_15m > 0", "0m",
        "{{ $value | humanize }} records of {{ $labels.topic }} could not be handled in 15 minutes",
    ),
    Alert(
        "RepliesUnknown", "ops", "page",
        "guichet:replies_unknown:max > 0", "10m",
        "nobody knows whether {{ $value }} replies went out",
    ),
    Alert(
        "ReplyNeedsHuman", "ops", "page",
        'outcome:replies:grown_15m{outcome="needs_human"} > 0', "0m",
        "{{ $value | humanize }} replies were given up: somebody has to look whether they stand on the network",
    ),
    Alert(
        "NetworkRefusesUs", "ops", "page",
        'network_answer:network_answers:grown_15m{answer=~"credentials|credits"} > 0',
        "0m",
        "{{ $labels.network }} takes no posts of ours: {{ $labels.answer }}",
    ),
    Alert(
        "RestIsFailing", "ops", "page",
        'sum by (service) (rate(http_requests_total{status=~"5..", route!~"/readyz|/startupz"}[5m]))'
        ' / sum by (service) (rate(http_requests_total{route!~"/readyz|/startupz"}[5m])) > 0.05',
        "5m",
        "{{ $labels.service }} answers {{ $value | humanizePercentage }} of its requests with an error of its own",
    ),
    Alert(
        "WithinTheHourBurnsFast", "care", "ticket",
        _burning(6, "1h", "15m"), "2m",
        "{{ $value | humanizePercentage }} of first answers came too late in the last hour",
    ),
    Alert(
        "WithinTheHourBurnsSlowly", "care", "ticket",
        _burning(2, "3d", "6h"), "15m",
        "{{ $value | humanizePercentage }} of first answers came too late in three days",
    ),
    Alert(
        "CriticalOnesWait", "care", "ticket",
        f'sum by (queue) ({_WAITING[:-1]}, urgency="critical"}}) > 0 {_OPEN}', "15m",
        "{{ $value }} critical items wait in {{ $labels.queue }} and nobody has them",
    ),
    Alert(
        "QueueIsOld", "care", "ticket",
        f"queue:queue_oldest_age_seconds:max > 3600 {_OPEN}", "10m",
        "the oldest item of {{ $labels.queue }} has waited for {{ $value | humanizeDuration }}",
    ),
    Alert(
        "NobodyIsThere", "care", "ticket",
        f"sum by (queue) ({_WAITING}) > 0 {_OPEN} unless on (queue)"
        ' sum by (queue) (queue_availability:agents:max{availability=~"available|at_capacity|finishing"}) > 0',
        "10m",
        "{{ $value }} items wait in {{ $labels.queue }}, it is open, and no agent is there",
    ),
    Alert(
        "PromisesAreNotKept", "care", "ticket",
        f"queue:expected_wait_kept_ratio:max < 0.8 {_OPEN}", "1h",
        "only {{ $value | humanizePercentage }} of the waits said in public held in {{ $labels.queue }}",
    ),
    Alert(
        "MentionsLookDifferent", "care", "ticket",
        "guichet:intent_drift:ratio > 0.3 and on () sum(increase(mentions_classified_total[1h])) > 100", "1h",
        "{{ $value | humanizePercentage }} of what people write is other than in the last week",
    ),
)  # fmt: skip
