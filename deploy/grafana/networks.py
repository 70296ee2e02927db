"""*Networks*: what comes in from where, what the networks take from us, and what it costs."""

from deploy.grafana.boards import Board, Variable
from deploy.grafana.panels import GREEN, ORANGE, RED, Panel, Query, stat_of

_N = 'network=~"$network"'
_LAST = "source:source_last_event_timestamp_seconds:max"
_QUOTA = "network_handle_operation:network_quota_remaining_ratio:min"
_UNSENT = "refused|manual_required|needs_human"

BOARD = Board(
    slug="networks",
    title="Guichet: networks",
    description="What comes in from where, what the networks take from us, and what it costs.",
    variables=[Variable("network", "network_quota_remaining_ratio")],
    panels=[
        stat_of(
            "Quietest source",
            "Since the source that has been quiet for longest brought something (sources of the last day).",
            f"max(time() - {_LAST})", unit="s", steps=[(900, ORANGE), (1800, RED)], base=GREEN,
        ),
        stat_of(
            "Refused at the door",
            "Posts handed in that could not be taken, in the chosen time: their sender was told why.",
            '(sum(increase(mentions_ingested_total{outcome="rejected"}[$__range])) or vector(0))',
            steps=[(1, ORANGE)], base=GREEN,
        ),
        stat_of(
            "Replies posted", "Our replies that stand on a network, in the chosen time.",
            '(sum(increase(replies_total{outcome="posted"}[$__range])) or vector(0))',
        ),
        stat_of(
            "Replies not posted",
            "Replies in the chosen time that the network refused, that only a person may post, or that were given up.",
            f'(sum(increase(replies_total{{outcome=~"{_UNSENT}"}}[$__range])) or vector(0))',
            steps=[(1, RED)], base=GREEN,
        ),
        stat_of(
            "Replies unknown",
            "Replies whose answer was lost: we look for them in our own timeline and post nothing twice.",
            "guichet:replies_unknown:max", steps=[(1, ORANGE), (10, RED)], base=GREEN,
        ),
        stat_of(
            "Least quota left",
            "Of what a network allows us in its window, the share still left, of the handle that has least. Critical "
            "replies go first when it is short.",
            f"min({_QUOTA}{{{_N}}})", unit="percentunit", steps=[(0.2, ORANGE), (0.5, GREEN)], base=RED,
            empty="nothing said",
        ),
        Panel(
            "lines", "Posts taken, by source",
            "Posts accepted in a minute, without repeats and refusals.",
            [
                Query(
                    '60 * sum by (source) (rate(mentions_ingested_total{outcome="accepted"}[$__rate_interval]))',
                    "{{source}}",
                )
            ],
            unit="suffix: /min",
        ),
        Panel(
            "lines", "Quiet for, by source",
            "Since each source last brought something. Dashed: 30 min, where ops are paged if it is usually lively and "
            "a queue is open.",
            [Query(f"time() - {_LAST}", "{{source}}")],
            unit="s", steps=[(1800, RED)],
        ),
        Panel(
            "stack", "Replies, by what became of them",
            "Replies a minute that reached each state.",
            [Query("60 * sum by (outcome) (rate(replies_total[$__rate_interval]))", "{{outcome}}")],
            unit="suffix: /min",
        ),
        Panel(
            "stack", "What the networks said to our posts",
            "Answers a minute to our requests to post. *limited*: too many for now; *credits*, *credentials*: ops are "
            "paged; *by_hand*: a person may post it on the network's own site; *lost*: no answer came.",
            [
                Query(
                    f"60 * sum by (answer) (rate(network_answers_total{{{_N}}}[$__rate_interval]))", "{{answer}}"
                )
            ],
            unit="suffix: /min",
        ),
        Panel(
            "lines", "Quota left",
            "Of what a network allows a handle in its window, the share still left. Dashed: 50 %, under which surveys "
            "wait.",
            [Query(f"{_QUOTA}{{{_N}}}", "{{handle}} {{operation}}")],
            unit="percentunit", steps=[(0.5, ORANGE)], most=1.0,
        ),
        Panel(
            "lines", "Cost",
            "Dollars an hour, by network and operation, by the prices in the settings. A text with a link costs many "
            "times more.",
            [
                Query(
                    f"sum by (network, operation) (increase(network_cost_dollars_total{{{_N}}}[1h]))",
                    "{{network}} {{operation}}",
                )
            ],
            unit="currencyUSD",
        ),
    ],
)  # fmt: skip
