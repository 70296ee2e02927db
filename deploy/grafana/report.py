"""*Over months*: the report's figures, from its read-only views. What each means is said in the report's own words.

The views are made by services/responder/migrations; percentile_disc is the nearest rank, as the report has it.
"""
# ruff: noqa: S608 - the questions are put together from words of this file alone

from collections.abc import Iterable, Sequence

from deploy.grafana.panels import GREEN, ORANGE, RED, Panel
from services.responder.domain import report as words
from services.responder.domain.report import DISMISSED, NOT_ANSWERED
from services.responder.store.report_figures import NEEDED

SINCE = "90d"

_CHOICES = ("queue", "language", "network")
_ZONE = "'$__timezone'"  # the reader's: a day is theirs
_WITHIN = {"within 1 h": 3600, "within 1 h 30": 5400, "within 24 h": 86400}
_FIRST = words.definition("first", "elapsed")
_FROM_TO = "`from` and `to` are the 90 days shown, the last day so far; days and hours are the reader's."


def _chosen(began: str, choices: Iterable[str] = _CHOICES) -> str:
    """The time and the choices at the top; *All* stands there as `.*` and leaves no condition in the plan."""
    asked = [f"$__timeFilter({began})"]
    asked += [f"('${{{name}:regex}}' = '.*' OR {name} ~ '^(${{{name}:regex}})$')" for name in choices]
    return "\n  AND ".join(asked)


def _ranks(value: str, percents: Sequence[int] = (50, 90, 99)) -> str:
    return ",\n  ".join(f'percentile_disc({p / 100}) WITHIN GROUP (ORDER BY {value}) AS "p{p}"' for p in percents)


def _one_of(texts: Iterable[str]) -> str:
    return f"({', '.join(map(_text, texts))})"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# --- how long

_BY_DAY = f"""SELECT date_trunc('day', started_at, {_ZONE}) AS "time",
  {_ranks("elapsed_seconds")},
  count(*) AS "answers"
FROM responder.report_exchanges
WHERE kind = 'first' AND {_chosen("started_at")}
GROUP BY 1 ORDER BY 1"""


def _by(label: str) -> str:
    shares = ",\n  ".join(f'avg((elapsed_seconds <= {seconds})::int) AS "{name}"' for name, seconds in _WITHIN.items())
    return f"""SELECT {label} AS "{label}", count(*) AS "answers",
  {_ranks("elapsed_seconds")},
  {shares}
FROM responder.report_exchanges
WHERE kind = 'first' AND {_chosen("started_at")}
GROUP BY 1 ORDER BY 2 DESC, 1"""


_HOURS = ",\n  ".join(f'max(waited) FILTER (WHERE hour = {hour}) AS "{hour:02}"' for hour in range(24))
_OF_THE_WEEK = f"""WITH cells AS (
  SELECT extract(isodow FROM started_at AT TIME ZONE {_ZONE})::int AS day,
    extract(hour FROM started_at AT TIME ZONE {_ZONE})::int AS hour,
    count(*) AS answers, round(percentile_disc(0.5) WITHIN GROUP (ORDER BY elapsed_seconds) / 60) AS waited
  FROM responder.report_exchanges
  WHERE kind = 'first' AND {_chosen("started_at")}
  GROUP BY 1, 2
)
SELECT (ARRAY['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'])[day] AS "day", sum(answers)::bigint AS "answers",
  {_HOURS}
FROM cells GROUP BY cells.day ORDER BY cells.day"""

# --- in time, and at all

_COUNTED = "elapsed_seconds IS NOT NULL OR lasted > {0}"


def _share(seconds: int) -> str:
    met, counted = f"elapsed_seconds <= {seconds}", _COUNTED.format(seconds)
    return f"count(*) FILTER (WHERE {met})::float / nullif(count(*) FILTER (WHERE {counted}), 0)"


_SHARES = ",\n  ".join(f'{_share(seconds)} AS "{name}"' for name, seconds in _WITHIN.items())
_IN_TIME = f"""WITH found AS MATERIALIZED (
  SELECT posted_at, elapsed_seconds, ended_at, state
  FROM responder.report_mentions
  WHERE {_chosen("posted_at")}
), waits AS (
  SELECT posted_at, elapsed_seconds, extract(epoch FROM coalesce(
    CASE WHEN state IN {_one_of(("closed", *DISMISSED))} THEN ended_at END, now()) - posted_at) AS lasted
  FROM found WHERE state IN {_one_of(NEEDED)}
)
SELECT date_trunc('day', posted_at, {_ZONE}) AS "time",
  {_SHARES},
  count(*) FILTER (WHERE {_COUNTED.format(3600)}) AS "mentions"
FROM waits GROUP BY 1 ORDER BY 1"""

_BECAME = {
    "direct": "answered: our post names it",
    "covered": "answered: a later post of ours covers it",
    **NOT_ANSWERED,
}
_PLACES = ", ".join(f"({place}, '{state}', {_text(_BECAME[state])})" for place, state in enumerate(_BECAME))
_COVERAGE = f"""WITH became (place, state, meaning) AS (VALUES {_PLACES}), counted AS (
  SELECT state, count(*) AS n FROM responder.report_mentions WHERE {_chosen("posted_at")} GROUP BY 1
)
SELECT meaning AS "what became of it", coalesce(n, 0) AS "mentions",
  coalesce(n, 0) / nullif(sum(n) OVER (), 0) AS "share"
FROM became LEFT JOIN counted USING (state) ORDER BY place"""

_PROMISES = f"""SELECT policy AS "policy", kind AS "clock", count(*) FILTER (WHERE state = 'met') AS "met",
  count(*) FILTER (WHERE state = 'breached') AS "breached", avg((state = 'met')::int) AS "share met"
FROM responder.report_clocks
WHERE {_chosen("started_at")}
GROUP BY 1, 2 ORDER BY 1, 2"""

# --- how much


def _by_week(value: str, source: str, counted: str) -> str:
    return f"""WITH found AS MATERIALIZED (
  SELECT started_at, {value} AS n FROM responder.{source} WHERE {_chosen("started_at")}
)
SELECT date_trunc('week', started_at, {_ZONE}) AS "time",
  {_ranks("n", (50, 90))},
  avg(n) AS "mean",
  count(*) AS "{counted}"
FROM found GROUP BY 1 ORDER BY 1"""


def _mix(label: str) -> str:
    return f"""SELECT date_trunc('week', posted_at, {_ZONE}) AS "time", {label} AS metric, count(*) AS "mentions"
FROM responder.report_mentions
WHERE {_chosen("posted_at", ["language"])}
GROUP BY 1, 2 ORDER BY 1, 2"""


_SPANS = {"p50": "s", "p90": "s", "p99": "s", **dict.fromkeys(_WITHIN, "percentunit")}
_IN_WHOLE_WEEKS = "Weeks begin on Monday; the first and the last of the 90 days may be parts."


def _groups(label: str, title: str) -> Panel:
    return Panel(
        "table", title,
        "Median (p50), p90 and p99, and of the answered the share within each time. Who got no answer is in none of "
        f"these: see *Answered in time*. {_FROM_TO} {_FIRST}",
        height=7, sql=_by(label), units=_SPANS, since=SINCE, empty="no answers",
    )  # fmt: skip


RESPONSE: Sequence[Panel] = (
    Panel(
        "lines", "First answer, by day",
        f"Median, p90 and p99 of the conversations that began on a day; bars: how many of them were answered. "
        f"Dashed: 1 h and 1 h 30; what is above 6 h is cut off. {_FROM_TO} {_FIRST}",
        unit="s", steps=((3600.0, ORANGE), (5400.0, RED)), most=21600.0, sql=_BY_DAY, counts="answers", since=SINCE,
        empty="no answers",
    ),
    Panel(
        "lines", "Answered in time, by day",
        f"The share of `within` for 1 h, 1 h 30 and 24 h; bars: mentions counted for 1 h. Dashed: 90 %. {_FROM_TO} "
        f"{words.SLA_DEFINITION}",
        unit="percentunit", steps=((0.9, GREEN),), most=1.0, sql=_IN_TIME, counts="mentions", since=SINCE,
    ),
    _groups("intent", "First answer, by intent"),
    _groups("language", "First answer, by language"),
    _groups("network", "First answer, by network"),
    _groups("queue", "First answer, by queue"),
    Panel(
        "table", "Answered at all",
        f"How many of the mentions that needed an answer have one, and why the others have none. {_FROM_TO} "
        f"{words.COVERAGE_DEFINITION}",
        sql=_COVERAGE, units={"share": "percentunit"}, since=SINCE,
    ),
    Panel(
        "table", "Promises kept, by policy",
        f"`clocks`: share met = met / (met + breached), for each policy and clock. {_FROM_TO} {words.SLA_DEFINITION}",
        sql=_PROMISES, units={"share met": "percentunit"}, since=SINCE, empty="no clocks",
    ),
    Panel(
        "grid", "First answer in minutes, by hour of the week",
        "Median in minutes, by the hour in which the conversation began: the darker, the longer. *answers*: how many "
        f"the row has; a cell of few says little. {_FROM_TO} {_FIRST}",
        width=24, sql=_OF_THE_WEEK, since=SINCE, empty="no answers",
    ),
    Panel(
        "lines", "Interactions of a conversation, by week",
        f"Median, p90 and mean; bars: conversations. {_IN_WHOLE_WEEKS} {_FROM_TO} {words.CONVERSATIONS_DEFINITION}",
        sql=_by_week("customer_messages + our_messages", "report_conversations", "conversations"),
        counts="conversations", since=SINCE, empty="no answers",
    ),
    Panel(
        "lines", "Messages that one answer answered, by week",
        f"Median, p90 and mean; bars: answers. {_IN_WHOLE_WEEKS} {_FROM_TO} {words.CONVERSATIONS_DEFINITION}",
        sql=_by_week("messages", "report_exchanges", "answers"), counts="answers", since=SINCE, empty="no answers",
    ),
)  # fmt: skip

LABELS: Sequence[Panel] = tuple(
    Panel(
        "stack", title,
        f"Mentions of a week, by {what}, with the label they had when they were routed. {_IN_WHOLE_WEEKS} What was "
        "kept before this label was told has none.",
        sql=_mix(label), since=SINCE,
    )
    for label, title, what in (
        ("intent", "Intents, by week", "their main intent"), ("sentiment", "Sentiment, by week", "the author's mood"),
    )
)  # fmt: skip
