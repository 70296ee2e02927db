"""*Response latency*: how long people waited for an answer, and the share that was answered in time."""

from deploy.grafana.boards import Board, Variable
from deploy.grafana.panels import GREEN, ORANGE, RED, Panel, Query, Step, stat_of
from deploy.grafana.report import RESPONSE

_Q = 'queue=~"$queue"'
_PROMISE = ((3600.0, ORANGE), (5400.0, RED))
_SHARE: tuple[Step, ...] = ((0.8, ORANGE), (0.9, GREEN))
_ANSWERS = (
    "By the networks' own times, from the author's post to our earliest post that answers it. Only what was answered "
    "is in it: *clocks met* counts the silence too."
)


def _quantile(q: float, window: str, kind: str = "first", by: str = "") -> str:
    grouped = f"le, {by}" if by else "le"
    buckets = f'response_latency_seconds_bucket{{kind=~"{kind}", {_Q}}}'
    return f"histogram_quantile({q}, sum by ({grouped}) (increase({buckets}[{window}])))"


def _within(seconds: float, window: str) -> str:
    chosen = f'kind="first", {_Q}'
    inside = f'response_latency_seconds_bucket{{{chosen}, le="{seconds}"}}'
    return (
        f"sum(increase({inside}[{window}])) / (sum(increase(response_latency_seconds_count{{{chosen}}}[{window}])) > 0)"
    )


def _met(kind: str, window: str, by: str = "") -> str:
    grouped = f"sum by ({by})" if by else "sum"
    clocks = f'{grouped} (increase(sla_clocks_total{{kind=~"{kind}", outcome=~"%s"}}[{window}]))'
    return f"{clocks % 'met'} / ({clocks % 'met|breached'} > 0)"


def _share_stat(title: str, seconds: float) -> Panel:
    return stat_of(
        title,
        f"Of the first answers in the chosen time, the share that came {title[0].lower() + title[1:]}. {_ANSWERS}",
        _within(seconds, "$__range"), unit="percentunit", steps=_SHARE, base=RED, empty="no answers",
    )  # fmt: skip


BOARD = Board(
    slug="latency",
    title="Guichet: response latency",
    description="How long people waited for an answer. Exact figures for reports: GET /v1/stats/response-latency.",
    variables=[
        Variable("queue", "queue_open"),
        Variable("language", "mentions_classified_total", "language (over months)"),
        Variable("network", "network_quota_remaining_ratio", "network (over months)"),
    ],
    months=RESPONSE,
    since="now-24h",
    panels=[
        stat_of(
            "First answer, median", f"Half of the first answers came sooner. {_ANSWERS}",
            _quantile(0.5, "$__range"), unit="s", steps=_PROMISE, base=GREEN, empty="no answers",
        ),
        stat_of(
            "First answer, p90", f"9 of 10 first answers came sooner. {_ANSWERS}",
            _quantile(0.9, "$__range"), unit="s", steps=_PROMISE, base=GREEN, empty="no answers",
        ),
        _share_stat("Within 1 h", 3600.0),
        _share_stat("Within 1 h 30", 5400.0),
        _share_stat("Within 24 h", 86400.0),
        stat_of(
            "First clocks met",
            "met / (met + breached) over the chosen time and all queues. Each clock is counted once, when it is met or "
            "at its deadline: whoever gets no answer counts.",
            _met("first", "$__range"), unit="percentunit", steps=_SHARE, base=RED, empty="no clocks",
        ),
        Panel(
            "lines", "First answer",
            f"Median, p90 and p99 of the first answers of the last hour. Dashed: 1 h and 1 h 30. {_ANSWERS}",
            [Query(_quantile(q, "1h"), f"p{round(q * 100)}") for q in (0.5, 0.9, 0.99)],
            unit="s", steps=_PROMISE,
        ),
        Panel(
            "lines", "Answered in time",
            f"Of the first answers of the last hour, the share that came within each time. {_ANSWERS}",
            [
                Query(_within(3600.0, "1h"), "within 1 h"),
                Query(_within(5400.0, "1h"), "within 1 h 30"),
                Query(_within(86400.0, "1h"), "within 24 h"),
            ],
            unit="percentunit", steps=[(0.9, GREEN)], most=1.0,
        ),
        Panel(
            "heat", "First answers, each of them",
            f"How many first answers came in each span of time: darker is more. {_ANSWERS}",
            [
                Query(
                    f'sum by (le) (increase(response_latency_seconds_bucket{{kind="first", {_Q}}}[$__rate_interval]))',
                    "{{le}}",
                )
            ],
            unit="s",
        ),
        Panel(
            "lines", "First answer by queue, p90",
            f"9 of 10 first answers of the last hour came sooner. {_ANSWERS}",
            [Query(_quantile(0.9, "1h", by="queue"), "{{queue}}")],
            unit="s", steps=_PROMISE,
        ),
        Panel(
            "lines", "First, next, resolution: p90",
            "9 of 10 of the last hour. *first*: to the first answer; *next*: from the oldest unanswered message to the "
            "answer; *resolution*: until it was closed, without the time it waited for the customer. A kind that "
            "nobody measures is not shown.",
            [Query(_quantile(0.9, "1h", kind="first|next|resolution", by="kind"), "{{kind}}")],
            unit="s",
        ),
        Panel(
            "lines", "Clocks met, by kind",
            "met / (met + breached) of the last hour, over all queues. A clock counts when it is met or at its "
            "deadline, so that silence never looks good.",
            [Query(_met("first|next|resolution", "1h", by="kind"), "{{kind}}")],
            unit="percentunit", steps=[(0.9, GREEN)], most=1.0,
        ),
    ],
)  # fmt: skip
