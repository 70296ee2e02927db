"""*Pipeline*: does everything flow, and how fast?"""

from deploy.grafana.boards import Board
from deploy.grafana.panels import GREEN, ORANGE, RED, Panel, Query, stat_of

_LATE = ((5.0, ORANGE), (60.0, RED))

BOARD = Board(
    slug="pipeline",
    title="Guichet: pipeline",
    description="The way of a mention through ingest, classifier, router and responder.",
    panels=[
        stat_of(
            "Services up", "Processes that answer a scrape; in one process (`guichet up`) each service counts.",
            'sum(up{job="guichet"})', steps=[(4, GREEN)], base=RED,
        ),
        stat_of(
            "Mentions in", "Posts taken in a minute: accepted, neither repeats nor refused.",
            '60 * sum(rate(mentions_ingested_total{outcome="accepted"}[$__rate_interval]))',
            unit="suffix: /min", empty="none",
        ),
        stat_of(
            "Slowest stage, p99",
            "Age of an event when it has been handled, the oldest of each batch, p99 of 5 minutes, of the slowest "
            "stage. Orange from 5 s; ops are paged from 60 s.",
            "max(group:event_age_seconds:p99_5m >= 0)", unit="s", steps=_LATE, base=GREEN, empty="no events",
        ),
        stat_of(
            "Lag", "Records that consumers have seen and not handled, over all stages.",
            "sum(consumer_lag_records)", steps=[(1000, ORANGE), (10000, RED)], base=GREEN,
        ),
        stat_of(
            "Dead letters", "Records that could not be handled, in 15 minutes. Each wants a person.",
            "sum(topic:dead_letters:grown_15m) or vector(0)", steps=[(1, RED)], base=GREEN,
        ),
        stat_of(
            "Outbox, oldest", "Age of the oldest decision that the log does not hold yet, of the worst service.",
            "max(service:outbox_oldest_age_seconds:max)", unit="s", steps=((5, ORANGE), (60, RED)), base=GREEN,
        ),
        Panel(
            "lines", "Events handled, by stage",
            "Events a minute that each service is done with.",
            [Query("60 * sum by (group) (rate(events_handled_total[$__rate_interval]))", "{{group}}")],
            unit="suffix: /min",
        ),
        Panel(
            "lines", "Age when handled, by stage: p99",
            "From told to handled, the oldest of each batch, p99 of 5 minutes. Dashed: 60 s, where ops are paged.",
            [Query("group:event_age_seconds:p99_5m >= 0", "{{group}}")],
            unit="s", steps=[(60, RED)],
        ),
        Panel(
            "lines", "Lag, by stage",
            "Records that a consumer has seen and not handled. It stands still when the consumer does: see the age.",
            [Query("sum by (group) (consumer_lag_records)", "{{group}}")],
        ),
        Panel(
            "lines", "Time to handle a batch: p90",
            "From a batch taken to its transaction committed, 9 of 10 batches.",
            [
                Query(
                    "histogram_quantile(0.9, sum by (le, group)"
                    " (rate(event_handle_seconds_bucket[$__rate_interval]))) >= 0",
                    "{{group}}",
                )
            ],
            unit="s",
        ),
        Panel(
            "lines", "Events told, by stage",
            "Events a minute that the log has acknowledged: what was decided and is out.",
            [Query("60 * sum by (service) (rate(events_published_total[$__rate_interval]))", "{{service}}")],
            unit="suffix: /min",
        ),
        Panel(
            "stack", "What went wrong",
            "A minute: records sent to the dead letters, events of a type that a service does not know, and requests "
            "answered with an error of ours (5xx, without the probes).",
            [
                Query("60 * sum(rate(dead_letters_total[$__rate_interval])) or vector(0)", "dead letters"),
                Query(
                    '60 * sum(rate(events_handled_total{outcome!="done"}[$__rate_interval])) or vector(0)',
                    "unknown events",
                ),
                Query(
                    '60 * sum(rate(http_requests_total{status=~"5..", route!~"/readyz|/startupz"}[$__rate_interval]))'
                    " or vector(0)",
                    "5xx",
                ),
            ],
            unit="suffix: /min",
        ),
    ],
)  # fmt: skip
