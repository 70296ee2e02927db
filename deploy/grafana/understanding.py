"""*Understanding*: what mentions are said to be, how sure, how often people disagree, and whether it changes."""

from deploy.grafana.boards import Board, Variable
from deploy.grafana.panels import GREEN, ORANGE, RED, Panel, Query, stat_of
from deploy.grafana.report import LABELS

_L = 'language=~"$language"'
_COUNT = f"increase(mentions_classified_total{{{_L}}}[$__range])"


def _share_of(label: str, value: str) -> str:
    chosen = f'increase(mentions_classified_total{{{_L}, {label}="{value}"}}[$__range])'
    return f"(sum({chosen}) or vector(0)) / (sum({_COUNT}) > 0)"


BOARD = Board(
    slug="understanding",
    title="Guichet: understanding",
    description="What mentions are said to be, how sure the model is, and how often people disagree.",
    variables=[Variable("language", "mentions_classified_total")],
    months=LABELS,
    since="now-24h",
    panels=[
        stat_of("Mentions", "Mentions classified in the chosen time.", f"sum({_COUNT})"),
        stat_of(
            "Critical",
            "Of the mentions, the share of urgency critical. Above a tenth the word loses its meaning.",
            _share_of("urgency", "critical"), unit="percentunit", steps=[(0.1, ORANGE), (0.2, RED)], base=GREEN,
        ),
        stat_of(
            "To confirm",
            "Of the mentions, the share that the model is not sure of and that a person confirms (all languages).",
            'sum(increase(mention_decisions_total{decision="to_confirm"}[$__range]))'
            " / (sum(increase(mention_decisions_total[$__range])) > 0)",
            unit="percentunit", steps=[(0.2, ORANGE), (0.4, RED)], base=GREEN,
        ),
        stat_of(
            "Corrected",
            "Corrections that people made in the chosen time, over the mentions classified (all languages).",
            '(sum(increase(events_published_total{type="classification.corrected.v1"}[$__range])) or vector(0))'
            " / (sum(increase(mentions_classified_total[$__range])) > 0)",
            unit="percentunit", steps=[(0.05, ORANGE), (0.1, RED)], base=GREEN,
        ),
        stat_of(
            "Drift",
            "How much the intents of the last hour differ from those of the last 7 days: half the sum of the "
            "differences of their shares. 0 %: the same; 100 %: nothing in common. Orange from 20 %, alarm from 30 %.",
            "guichet:intent_drift:ratio", unit="percentunit", steps=[(0.2, ORANGE), (0.3, RED)], base=GREEN,
        ),
        stat_of(
            "Time for a batch, p99",
            "To classify one batch of at most 1,000 records. From 2 s a batch passes with base labels, to confirm.",
            "histogram_quantile(0.99, sum by (le) (rate(classify_seconds_bucket[$__range])))",
            unit="s", steps=[(0.5, ORANGE), (2, RED)], base=GREEN,
        ),
        Panel(
            "bars", "Intents",
            "What people want: mentions of the chosen time by their main intent.",
            [Query(f"sort_desc(sum by (intent) ({_COUNT}))", "{{intent}}")],
        ),
        Panel(
            "stack", "Urgency",
            "Mentions classified in a minute, by their urgency.",
            [
                Query(
                    f"60 * sum by (urgency) (rate(mentions_classified_total{{{_L}}}[$__rate_interval]))", "{{urgency}}"
                )
            ],
            unit="suffix: /min",
        ),
        Panel(
            "bars", "Languages",
            "Mentions of the chosen time by language; `und`: nobody could tell, `other`: none that the model knows.",
            [Query(f"sort_desc(sum by (language) ({_COUNT}))", "{{language}}")],
        ),
        Panel(
            "stack", "How sure",
            "Mentions a minute, by what the confidence led to: automatic, to confirm, set aside (all languages).",
            [Query("60 * sum by (decision) (rate(mention_decisions_total[$__rate_interval]))", "{{decision}}")],
            unit="suffix: /min",
        ),
        Panel(
            "lines", "Intents, share of the last hour",
            "Of the mentions of the last hour, the share of each intent (all languages).",
            [Query("intent:mentions_classified:share_1h", "{{intent}}")],
            unit="percentunit",
        ),
        Panel(
            "lines", "Drift",
            "How much the intents of the last hour differ from those of the last 7 days: 0 % the same, 100 % nothing "
            "in common. Dashed: 30 %, where care is told.",
            [Query("guichet:intent_drift:ratio", "drift")],
            unit="percentunit", steps=[(0.3, RED)], most=1.0,
        ),
    ],
)  # fmt: skip
