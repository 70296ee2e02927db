"""`guichet evaluate`: a labelled CSV and a mapping in, figures out."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.evaluate import evaluate
from cli.trouble import Trouble
from tests.integration.cli.command import guichet

COMPLAINTS = (
    "This is the worst service ever, still no refund and nobody answers me @skylark",
    "Shame on you @skylark, third broken parcel and no answer, I am furious",
    "C'est inadmissible @skylark, toujours pas remboursé et personne ne répond",
    "Honteux @skylark, colis cassé encore une fois, service client nul",
)
THANKS = (
    "Thank you so much @skylark, the crew was wonderful today!",
    "Great job @skylark, lovely staff and a fast answer, thanks",
    "Merci beaucoup @skylark, équipe adorable et très rapide !",
    "Bravo @skylark, super accueil, merci à toute l'équipe",
)
MAPPING = """
text = "tweet"
[[judge]]
head = "sentiment"
column = "mood"
labels = { neg = "negative", pos = "positive" }
[[judge]]
name = "complaint"
head = "intent"
label = "complaint"
column = "mood"
yes = ["neg"]
no = ["pos"]
[[judge]]
head = "critical"
column = "critical"
yes = ["1"]
no = ["0"]
[[judge]]
head = "topics"
column = "topics"
split = "|"
labels = { Money = "cancellation_refund", Staff = "friendly", Other = "none" }
[[judge]]
head = "urgency"
column = "urgency"
labels = { high = "high", none = "none", critical = "critical" }
"""


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    rows = [[text, "neg", "0", "Money" if "re" in text[:60] else "Other", "high"] for text in COMPLAINTS]
    rows += [[text, "pos", "0", "Staff", "none"] for text in THANKS]
    rows += [["The gate caught fire and my daughter is hurt, help @skylark", "neg", "1", "", "critical"]]
    rows += [["", "odd", "", "", ""]]
    return written(tmp_path / "posts.csv", ["tweet", "mood", "critical", "topics", "urgency"], rows)


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    file = tmp_path / "map.toml"
    file.write_text(MAPPING, "utf-8")
    return file


def written(file: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows([columns, *rows])
    return file


def judged(*arguments: str | Path) -> dict[str, Any]:
    ended = guichet("evaluate", *arguments, "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def refused(file: Path, mapping: Path, text: str | None = None) -> str:
    """What the command would say; no model is opened for it."""
    with pytest.raises(Trouble) as told:
        evaluate(file, text, mapping, Path("/nowhere/model.npz"), True, None, Console(file=io.StringIO()))
    assert "\n" not in str(told.value)
    return str(told.value)


def test_each_judge_has_its_figures_by_language(posts: Path, mapping: Path) -> None:
    found = judged(posts, "--map", mapping)

    assert (found["texts"], found["model"]) == (9, "guichet-1")
    assert found["texts_per_second"] > 0
    assert [one["name"] for one in found["judgements"]] == ["sentiment", "complaint", "critical", "topics", "urgency"]
    sentiment, complaint, critical, topics, urgency = (one["by_language"] for one in found["judgements"])
    assert (sentiment["all"]["texts"], sentiment["fr"]["texts"], sentiment["en"]["texts"]) == (9, 4, 5)
    assert sentiment["all"]["accuracy"] >= 0.6
    assert set(sentiment["all"]["recall"]) == {"negative", "positive"}
    assert complaint["all"]["auroc"] >= 0.8
    assert 0 <= complaint["all"]["calibration_error"] <= 1
    assert list(complaint["all"]["accuracy_without_least_sure"]) == ["0%", "10%", "20%", "30%"]
    assert set(critical["all"]["critical"]) == {"recall", "precision"}
    assert topics["all"]["texts"] == 8
    assert set(topics["all"]["recall"]) == {"cancellation_refund", "friendly"}
    assert -1 <= urgency["all"]["weighted_kappa"] <= 1


def test_without_json_there_is_a_line_for_each_judgement_and_language(posts: Path, mapping: Path) -> None:
    ended = guichet("evaluate", posts, "--map", mapping)

    assert (ended.returncode, ended.stderr) == (0, "")
    lines = [line.split("\t") for line in ended.stdout.splitlines()]
    assert ["sentiment", "all", "9"] in [line[:3] for line in lines]
    assert ["complaint", "all", "yes"] in [line[:3] for line in lines]
    assert "9 texts by guichet-1" in ended.stdout


def test_another_column_may_be_the_text_and_fewer_rows_do(tmp_path: Path, mapping: Path) -> None:
    rows = [[text, "", "neg", "0", "Other", "high"] for text in COMPLAINTS]
    columns = ["body", "tweet", "mood", "critical", "topics", "urgency"]
    file = written(tmp_path / "other.csv", columns, rows)

    found = judged(file, "--map", mapping, "--text", "body", "--limit", "2")

    assert found["texts"] == 2
    assert found["judgements"][0]["by_language"]["en"]["texts"] == 2


def test_semicolons_and_a_byte_order_mark_are_read_too(tmp_path: Path, mapping: Path) -> None:
    file = tmp_path / "excel.csv"
    lines = ["tweet;mood;critical;topics;urgency", *(f"{text};pos;0;Staff;none" for text in THANKS)]
    file.write_text("\ufeff" + "\n".join(lines), "utf-8")

    assert judged(file, "--map", mapping)["texts"] == 4


def test_bad_input_is_one_line_that_says_what_to_do(tmp_path: Path, posts: Path, mapping: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    header = written(tmp_path / "header.csv", ["tweet", "mood", "critical", "topics", "urgency"], [])
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe")
    unknown = tmp_path / "unknown.toml"
    unknown.write_text(MAPPING.replace('"negative"', '"angry"'))
    lacking = tmp_path / "lacking.toml"
    lacking.write_text(MAPPING.replace('column = "mood"', 'column = "tone"'))
    no_text = tmp_path / "no-text.toml"
    no_text.write_text(MAPPING.replace('text = "tweet"', ""))
    strange = tmp_path / "strange.toml"
    strange.write_text(MAPPING.replace('neg = "negative", pos = "positive"', 'bad = "negative"'))

    columns = "tweet, mood, critical, topics, urgency"
    assert f"no column 'body': it has {columns}" in refused(posts, mapping, "body")
    assert f"no column 'tone', which {lacking} names: it has {columns}" in refused(posts, lacking)
    assert "labels.neg = 'angry' is no label of sentiment; possible are negative" in refused(posts, unknown)
    assert "sentiment knows no value of 'mood'" in refused(posts, strange)
    assert "which has 'neg', 'pos', 'odd'" in refused(posts, strange)
    assert "is empty" in refused(empty, mapping)
    assert "is empty" in refused(header, mapping)
    assert "is not a CSV in UTF-8" in refused(picture, mapping)
    assert "cannot be read: No such file" in refused(tmp_path / "nowhere.csv", mapping)
    assert "cannot be read: Is a directory" in refused(tmp_path, mapping)
    assert "cannot be read: No such file" in refused(posts, tmp_path / "nowhere.toml")
    assert "is the text? name it with --text" in refused(posts, no_text)


def test_the_command_says_so_in_one_line(posts: Path, mapping: Path) -> None:
    ended = guichet("evaluate", posts, "--map", mapping, "--text", "body")

    assert (ended.returncode, ended.stdout) == (1, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"guichet: {posts} has no column 'body': it has tweet, mood")
