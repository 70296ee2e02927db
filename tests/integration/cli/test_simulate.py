"""`guichet simulate`: a file of posts, a set-up, and what would come of it; the running house likewise."""

import asyncio
import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from cli.__main__ import app, run_command
from cli.house import find
from cli.rehearsal import fetch_traffic, handling_of, moment_of
from cli.trouble import Trouble
from services.router.domain.simulation.traffic import Handling
from tests.integration.cli.command import ROOT, guichet, running

TRAFFIC = ROOT / "config" / "demo" / "traffic.ndjson"
AGENTS = """
[[agents]]
slug = "ana"
skills = { "lang:fr" = 3 }
[[agents]]
slug = "tom"
skills = ["lang:en"]
"""
BY_LANGUAGE = (
    AGENTS
    + """
[queues.fr]
languages = ["fr"]
[queues.en]
languages = ["en"]

[[routing-policies]]
slug = "main"
[[routing-policies.rules]]
name = "spoken"
queue = "fr"
when = { languages = ["fr"] }
steps = [{ requires = [{ skill = "lang:fr", level = 2 }] }]
[[routing-policies.rules]]
name = "refunds"
queue = "en"
when = { languages = ["en"], topics = ["cancellation_refund"] }
steps = [{ requires = [{ skill = "refunds", level = 2 }], expires_after_seconds = 600 }]
"""
)


@pytest.fixture
def one_queue(tmp_path: Path) -> Path:
    return written(tmp_path / "before.toml", AGENTS)


@pytest.fixture
def by_language(tmp_path: Path) -> Path:
    return written(tmp_path / "after.toml", BY_LANGUAGE)


def written(file: Path, text: str) -> Path:
    file.write_text(text, "utf-8")
    return file


Said = tuple[int, str, str]
Guichet = Callable[..., Said]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Guichet:
    """The command without a process of its own: its status, and what it said on both ends."""
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)

    def run(*arguments: str | Path) -> Said:
        mask = os.umask(0o077)
        try:
            status = run_command(command, ["simulate", *map(str, arguments)])
        finally:
            os.umask(mask)
        return status, *capsys.readouterr()

    return run


def rehearsed(here: Guichet, *arguments: str | Path) -> dict[str, Any]:
    status, out, err = here("--traffic", TRAFFIC, *arguments, "--json")
    assert (status, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def refused(here: Guichet, *arguments: str | Path) -> str:
    """The one line it says."""
    status, out, err = here(*arguments)
    assert (status, out) == (2, "")
    [line] = err.splitlines()
    return line.removeprefix("guichet: ")


def test_the_report_counts_what_the_router_would_do(here: Guichet, by_language: Path) -> None:
    found = rehearsed(here, "--policy", by_language, "--promise", "72% in 1h", "--items")
    report = found["report"]
    assert report["messages"] == 366  # the brands' own posts are nobody's work
    assert report["total"]["items"] + report["joined"] + report["set_aside"] == 366
    assert {each["key"] for each in report["queues"]} == {"default", "fr", "en"}
    assert {each["agent"] for each in report["agents"]} == {"ana", "tom"}
    assert report["promise"] == {"share": 0.72, "within_seconds": 3600}
    assert report["kept"] is (report["total"]["kept"] >= 0.72)
    assert {each["agent"] for each in report["got"] if each["queue"] == "fr"} == {"ana"}
    assert len(report["got"]) == report["total"]["items"]
    [gap] = report["gaps"]
    assert (gap["queue"], gap["reason"]) == ("en", "nobody has refunds >= 2")


def test_the_same_seed_gives_the_same_report_and_another_one_does_not(here: Guichet, one_queue: Path) -> None:
    first, second, other = (
        rehearsed(here, "--policy", one_queue, "--seed", seed)["report"]["total"] for seed in ("1", "1", "2")
    )
    assert first == second != other


def test_before_and_after_stand_side_by_side(here: Guichet, one_queue: Path, by_language: Path) -> None:
    found = rehearsed(here, "--policy", by_language, "--against", one_queue)
    assert [each["key"] for each in found["before"]["queues"]] == ["default"]
    assert found["moved_queue"] > 250
    status, shown, _ = here("--traffic", TRAFFIC, "--policy", by_language, "--against", one_queue)
    assert status == 0
    rows = [line.split("\t") for line in shown.splitlines() if "\t" in line]
    [fr] = [row for row in rows if row[0] == "queue fr"]
    assert fr[1].startswith("- → ")
    assert "warning: en: nobody has refunds >= 2: " in shown
    assert "with another agent" in shown


def test_more_agents_wait_less(here: Guichet, one_queue: Path) -> None:
    few, many = (
        rehearsed(here, "--policy", one_queue, "--agents", n, "--handling", "5min", "--spread", "0")["report"]["total"]
        for n in ("2", "8")
    )
    assert many["elapsed"]["p80_seconds"] < few["elapsed"]["p80_seconds"]
    assert many["elapsed"]["p50_seconds"] == 300


def test_staffing_says_how_many_at_which_hour(here: Guichet) -> None:
    found = rehearsed(here, "--staffing", "--promise", "80% in 30min", "--zone", "Europe/Paris")["staffing"]
    [group] = found["groups"]
    assert next(hour for hour, n in enumerate(group["weekday"]) if n) in (7, 8)  # 06:01 UTC is 07:01
    assert found["round_the_clock"] >= 4
    assert found["share"] >= 0.8
    assert found["minimal"]
    _, shown, _ = here("--traffic", TRAFFIC, "--staffing", "--promise", "80% in 30min")
    assert "80 % in 30 min:\n" in shown
    assert f"{found['round_the_clock']} agents who can do everything, always there: " in shown
    assert "one agent less in any hour breaks it" in shown


def test_a_post_years_ago_does_not_stretch_the_time(here: Guichet, tmp_path: Path) -> None:
    old = '{"id":"1","text":"@rivage_fr toujours rien ?","author_id":"5","created_at":"2011-01-02T03:04:05Z"}\n'
    file = written(tmp_path / "posts.ndjson", old + TRAFFIC.read_text("utf-8"))
    status, shown, _ = here("--traffic", file, "--brands", "rivage_fr,rivage_en", "--agents", "4")
    assert status == 0
    assert "1 outside this time left out" in shown


def test_only_a_part_of_the_time(here: Guichet) -> None:
    whole, part = (
        rehearsed(here, "--agents", "3", *more)["report"]["messages"]
        for more in ((), ("--from", "2026-03-02T08:00", "--to", "2026-03-02T10:00+01:00"))
    )
    assert 0 < part < whole / 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[queus]\n", ':1: queus: this section is not known; did you mean "queues"?'),
        (
            "[queues.fr]\nlangages = ['fr']\n",
            ':2: queues fr langages: this field is not known; did you mean "languages"?',
        ),
        ("[[agents]]\nslug = 'ana'\nhours = 'desk'\n", ':3: agents ana hours: no business hours are called "desk"'),
        ("[queues\n", " is not TOML"),
        ("", " has no [[agents]]"),
    ],
)
def test_a_mistake_in_the_set_up_is_one_line_with_its_place(
    here: Guichet, tmp_path: Path, text: str, says: str
) -> None:
    file = written(tmp_path / "acme.toml", text)
    line = refused(here, "--traffic", TRAFFIC, "--policy", file)
    assert line.startswith(f"{file}{says}")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give --traffic FILE, or --from and --to"),
        (("--traffic", TRAFFIC), "there are no agents: write some, or give --agents 5"),
        (("--traffic", TRAFFIC, "--agents", "2", "--promise", "soon"), "--promise 'soon' is no promise"),
        (("--traffic", TRAFFIC, "--agents", "2", "--handling", "long"), "--handling 'long'"),
        (("--traffic", TRAFFIC, "--agents", "2", "--from", "monday"), "--from 'monday' is no time"),
        (("--traffic", TRAFFIC, "--agents", "2", "--from", "2027-01-01"), "no customer's post between --from and --to"),
        (("--traffic", TRAFFIC, "--agents", "2", "--zone", "Paris"), "--zone 'Paris' is not known"),
    ],
)
def test_a_wrong_option_is_one_line_that_says_what_to_write(
    here: Guichet, arguments: tuple[str | Path, ...], says: str
) -> None:
    assert says in refused(here, *arguments)


def test_a_file_that_is_not_there_is_said(here: Guichet, tmp_path: Path) -> None:
    status, out, err = here("--traffic", tmp_path / "none.ndjson", "--agents", "2")
    assert (status, out) == (1, "")
    assert err.endswith("cannot be read: No such file or directory\n")


@pytest.mark.parametrize(("text", "seconds"), [("240s", 240), ("4 min", 240), ("1 h 30", 5400)])
def test_spans_are_read(text: str, seconds: float) -> None:
    assert handling_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-4min", "2 days", "25h", "240"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(Trouble, match="--handling"):
        handling_of(text)


def test_the_teams_of_handles_are_those_of_the_set_up(here: Guichet, tmp_path: Path) -> None:
    """Whose handle was named, their agents answer."""
    team = """
[[teams]]
slug = "nord"
[[handles]]
slug = "rivage-en"
network = "x"
username = "rivage_en"
team = "nord"
[[agents]]
slug = "nils"
team = "nord"
"""
    report = rehearsed(here, "--policy", written(tmp_path / "teams.toml", AGENTS + team), "--items")["report"]
    nils = [each for each in report["got"] if each["agent"] == "nils"]
    assert 20 < len(nils) < 200
    assert not report["gaps"]


@pytest.mark.slow
def test_what_the_house_has_stored_is_rehearsed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running("up", data=data) as (_, _, _):
        sent = guichet("replay", TRAFFIC, "--data", data, "--speed", "max")
        assert sent.returncode == 0, sent.stderr
        stored = asyncio.run(eventually_stored(data))
        assert stored == 366
        ended = guichet(
            "simulate", "--data", data, "--from", "2026-03-02", "--to", "2026-03-03", "--agents", "4", "--json"
        )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    report = json.loads(ended.stdout)["report"]
    assert report["messages"] == 366
    assert report["total"]["items"] > 280


async def eventually_stored(data: Path) -> int:
    """How many mentions there are, when no more come; the router takes them within seconds."""
    start: datetime = moment_of("2026-03-02", "--from")
    async with asyncio.timeout(30), find(data) as house:
        while True:
            try:
                found = await fetch_traffic(house, Handling(), start, None, lambda done: None)
            except Trouble:
                continue
            if len(found.arrivals) >= 366:
                return len(found.arrivals)
