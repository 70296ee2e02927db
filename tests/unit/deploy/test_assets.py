"""Dashboards and rules: committed as generated, readable, explained, and asking only what may be asked."""

import asyncio
import json
import re
from collections.abc import Iterator
from html import escape
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from deploy import files
from deploy.grafana import draw
from deploy.grafana import generate as grafana
from deploy.grafana.ask import ALL, Series, Source, Span, Table, expanded
from deploy.grafana.boards import Board
from deploy.grafana.panels import Panel
from deploy.prometheus import generate as prometheus
from deploy.prometheus.alerts import ALERTS
from deploy.prometheus.recording import RULES, SHARED

ROOT = Path(__file__).parents[3]
RUNBOOKS = ROOT / "docs" / "runbooks"


def panels(board: Board) -> list[dict[str, Any]]:
    """As they stand in the JSON."""
    found: list[dict[str, Any]] = json.loads(board.json())["panels"]
    return found


def exprs() -> Iterator[tuple[str, str]]:
    """Everything that is asked of Prometheus, and where."""
    for board in grafana.BOARDS:
        for panel in board.panels:
            for query in panel.queries:
                yield f"{board.slug}: {panel.title}", query.expr
    for alert in ALERTS:
        yield alert.name, alert.expr


@pytest.mark.parametrize(
    ("folder", "wanted"),
    [(grafana.FOLDER, grafana.wanted()), (prometheus.FOLDER, prometheus.wanted())],
    ids=["dashboards", "rules"],
)
def test_what_is_committed_is_what_the_code_says(
    folder: Path, wanted: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert files.run("generate", folder, wanted, ["--check"]) == 0, capsys.readouterr().err


def test_a_changed_a_missing_and_a_foreign_file_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "changed").write_text("old")
    (tmp_path / "foreign").write_text("mine")
    wanted = {"changed": "new", "missing": "new"}
    assert files.run("generate", tmp_path, wanted, ["--check"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert files.run("generate", tmp_path, wanted, []) == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == wanted


@pytest.mark.parametrize("board", grafana.BOARDS, ids=lambda board: board.slug)
def test_a_dashboard_is_read_in_five_seconds(board: Board) -> None:
    shown = panels(board)
    rows = [panel["type"] for panel in shown].index("row") if board.months else len(shown)
    assert [panel["type"] for panel in shown[:6]] == ["stat"] * 6  # the row of figures above
    assert not [panel for panel in shown[6:] if panel["type"] == "stat"]
    assert rows <= 12  # below it stands what was over months
    assert len(shown) - rows == (len(board.months) + 1 if board.months else 0)
    assert all(panel["gridPos"]["w"] >= 12 for panel in shown[6:])
    for one, other in combinations([panel["gridPos"] for panel in shown], 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )


@pytest.mark.parametrize("board", grafana.BOARDS, ids=lambda board: board.slug)
def test_every_panel_has_its_definition_a_unit_and_a_data_source_that_is_provisioned(board: Board) -> None:
    read = yaml.safe_load((grafana.FOLDER.parent / "provisioning/datasources/guichet.yaml").read_text("utf-8"))
    figures, report = [{"type": each["type"], "uid": each["uid"]} for each in read["datasources"]]
    months = {panel.title for panel in board.months}
    for panel in panels(board):
        if panel["type"] == "row":
            continue
        assert len(panel["description"]) > 30, panel["title"]
        source = report if panel["title"] in months else figures
        assert [panel["datasource"], *(target["datasource"] for target in panel["targets"])] == [
            source, *[source] * len(panel["targets"]),
        ], panel["title"]  # fmt: skip
        unit = panel["options"]["yAxis"] if panel["type"] == "heatmap" else panel["fieldConfig"]["defaults"]
        assert unit.get("unit"), panel["title"]
    used = {name for panel in board.panels for query in panel.queries for name in re.findall(r"\$(\w+)", query.expr)}
    used |= {name for panel in board.months for name in re.findall(r"\$\{(\w+):regex\}", panel.sql)}
    assert used - {"__range", "__rate_interval"} == {variable.name for variable in board.variables}


def test_the_choices_are_queue_network_and_language() -> None:
    assert {variable.name for board in grafana.BOARDS for variable in board.variables} == {
        "queue",
        "network",
        "language",
    }


@pytest.mark.parametrize("board", grafana.BOARDS, ids=lambda board: board.slug)
def test_all_stands_in_a_question_as_its_condition_expects_it(board: Board) -> None:
    for variable in json.loads(board.json())["templating"].get("list", ()):
        assert (variable["allValue"], variable["current"]["value"]) == (ALL, ["$__all"])
    for panel in board.months:
        assert panel.sql.count(f":regex}}' = '{ALL}' OR ") == len(set(re.findall(r"\w+:regex", panel.sql))) > 0


def test_what_every_replica_exports_is_only_asked_through_its_recording_rule() -> None:
    shared = {metric for metric, _ in SHARED.values()}
    for where, expr in exprs():
        names = set(re.findall(r"[a-zA-Z_:][\w:]*", re.sub(r'"[^"]*"', "", re.sub(r"\b(?:by|on) \([^)]*\)", "", expr))))
        assert not names & shared, where


def test_every_recorded_name_that_is_asked_for_is_recorded() -> None:
    recorded = {rule.name for rule in RULES}
    for where, expr in [*exprs(), *((rule.name, rule.expr) for rule in RULES)]:
        assert set(re.findall(r"\w+(?::\w+)+", re.sub(r'"[^"]*"', "", expr))) <= recorded, where


def test_every_alarm_has_an_audience_and_a_page_that_says_what_to_do() -> None:
    for alert in ALERTS:
        page = (RUNBOOKS / f"{alert.name}.md").read_text("utf-8")
        assert page.startswith(f"# {alert.name}\n")
        for heading in ("## What it means", "## How to look", "## What to do"):
            assert heading in page, alert.name
        assert f"[{alert.name}]({alert.name}.md)" in (RUNBOOKS / "README.md").read_text("utf-8")
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {alert.name for alert in ALERTS} | {"README"}


def test_people_who_wait_page_nobody_of_ops_and_age_counts_only_in_opening_hours() -> None:
    for alert in ALERTS:
        asks_for_people = "queue_depth" in alert.expr or "first_clocks" in alert.expr or "oldest_age_s" in alert.expr
        if asks_for_people and "outbox" not in alert.expr:
            assert (alert.audience, alert.severity) == ("care", "ticket"), alert.name
        if "queue_oldest_age" in alert.expr or "queue_depth" in alert.expr:
            assert "queue:queue_open:max == 1" in alert.expr, alert.name


def test_every_dashboard_has_its_pictures_and_none_is_heavy() -> None:
    wanted = {name for board in grafana.BOARDS for name, _, _ in draw.sections(board)}
    there = {path.stem.removeprefix("dashboards-"): path for path in draw.PICTURES.glob("dashboards-*")}
    assert set(there) == wanted
    page = (ROOT / "docs/how-to/read-the-dashboards.md").read_text("utf-8")
    for name, path in there.items():
        assert path.read_bytes().startswith(b"\x89PNG"), name
        assert path.stat().st_size < 300_000, name
        assert f"(../pictures/{path.name})" in page


def test_a_picture_holds_every_panel_and_says_which_has_nothing_to_show() -> None:
    class Nothing(Source):
        """Where nothing ever happened."""

        async def lines(self, panel: Panel) -> list[Series]:
            return [Series("p50", [(0.0, 60.0), (50.0, 120.0)])] if panel.kind == "lines" else []

        async def table(self, panel: Panel) -> Table:
            return Table(["intent", "answers"], [("<praise>", 7)] if panel.kind == "table" else [])

    for board in grafana.BOARDS:
        for _, title, shown in draw.sections(board):
            empty: list[str] = []
            svg, height = asyncio.run(draw.drawn(title, shown, Nothing("", "", Span(0, 100)), empty))
            ElementTree.fromstring(svg)
            assert all(escape(panel.title) in svg for panel in shown)
            assert empty == [panel.title for panel in shown if panel.kind not in ("lines", "table")]
            assert height > sum(panel.width * panel.height for panel in shown) / 24 * draw.ROW
            assert "<praise>" not in svg


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, "'.*' = '.*' OR queue ~ '^(.*)$'"),
        ({"queue": ["en"]}, "'en' = '.*' OR queue ~ '^(en)$'"),
        ({"queue": ["en", "a.b"]}, "'(en|a\\.b)' = '.*' OR queue ~ '^((en|a\\.b))$'"),
    ],
)
def test_a_question_is_asked_as_grafana_would(chosen: dict[str, list[str]], expected: str) -> None:
    sql = "$__timeFilter(at) AND '${queue:regex}' = '.*' OR queue ~ '^(${queue:regex})$' AT '$__timezone'"
    times = "at BETWEEN '1970-01-01T00:00:00.000000Z' AND '1970-01-01T00:01:40.000000Z'"
    assert expanded(sql, Span(0, 100), "Asia/Tokyo", chosen) == f"{times} AND {expected} AT 'Asia/Tokyo'"
