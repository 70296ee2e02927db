"""Every query of every panel, every recording rule and every alarm, against the demo and a real Prometheus."""

import re
from collections.abc import Iterator

import pytest

from deploy.grafana.generate import BOARDS
from deploy.prometheus.alerts import ALERTS
from deploy.prometheus.recording import RULES
from tests.integration.deploy.conftest import had
from tests.servers.prometheus import Prometheus
from tests.watched import seen, until, watched

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

SECONDS = 30
ALL = ".*"

MAY_BE_ABSENT: dict[str, str] = {
    "dead_letters_total": "the demo has none: a series is born with the first",
}

MAY_BE_EMPTY: dict[str, str] = {
    "queues: Expected wait (p80)": "it is not known before 20 samples, and NaN until then",
    "queues: Expected wait, by queue": "it is not known before 20 samples, and NaN until then",
    "topic:dead_letters:grown_15m": "the demo has no dead letters",
    "queue_quantile:expected_wait_seconds:max": "the first look is after a while",
    "queue:expected_wait_kept_ratio:max": "the first look is after a while",
}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It has looked at the demo for a while."""
    had()
    with watched(tmp_path_factory.mktemp("live")) as server:
        until(seen(server, SECONDS), 4 * SECONDS)  # rates want a past
        yield server


def missing(expr: str, names: set[str]) -> set[str]:
    """Metrics that an expression asks for and that nobody exports."""
    bare = re.sub(r'"[^"]*"|\b(?:by|on|ignoring|group_left) \([^)]*\)|\{\{.*?\}\}', "", expr)
    bare = re.sub(r"\w+\s*(?==~|!=|!~|=\")|\w+\s*\(", " ", re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare))
    words = set(re.findall(r"[a-zA-Z_:][\w:]{3,}", bare)) - {"unless", "offset", "inf"}
    return {word for word in words if word not in names}


def asked(expr: str) -> str:
    """With what Grafana would put in the place of its own words."""
    expr = re.sub(r"\$(queue|language|network)\b", ALL, expr)
    return expr.replace("$__rate_interval", "15s").replace("$__range", f"{SECONDS}s")


def test_every_metric_that_is_asked_for_is_exported(prometheus: Prometheus) -> None:
    names = prometheus.names()
    recorded = {rule.name for rule in RULES}
    wanted = [query.expr for board in BOARDS for panel in board.panels for query in panel.queries]
    wanted += [variable.metric for board in BOARDS for variable in board.variables]
    wanted += [rule.expr for rule in RULES] + [alert.expr for alert in ALERTS]
    absent = set().union(*(missing(expr, names | recorded) for expr in wanted))
    assert absent <= MAY_BE_ABSENT.keys()


def test_every_query_of_every_panel_gives_data(prometheus: Prometheus) -> None:
    empty = []
    for board in BOARDS:
        for panel in board.panels:
            where = f"{board.slug}: {panel.title}"
            for query in panel.queries:
                found = prometheus.query(asked(query.expr))
                if not [one for one in found if one["value"][1] != "NaN"]:
                    empty.append((where, query.expr))
    assert [one for one in empty if one[0] not in MAY_BE_EMPTY] == []


def test_every_recording_rule_gives_data_and_every_alarm_is_well(prometheus: Prometheus) -> None:
    rules = prometheus.rules()
    assert {rule["name"] for rule in rules} == {rule.name for rule in RULES} | {alert.name for alert in ALERTS}
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"] == []
    empty = [rule.name for rule in RULES if not prometheus.query(rule.name)]
    assert [name for name in empty if name not in MAY_BE_EMPTY] == []


def test_a_house_that_is_well_pages_nobody(prometheus: Prometheus) -> None:
    ops = [alert.name for alert in ALERTS if alert.audience == "ops"]
    sounding = {rule["name"] for rule in prometheus.rules() if rule.get("state") in ("firing", "pending")}
    assert sounding & set(ops) == set()
