"""`guichet evaluate`: how good the classifier is on any labelled CSV, by what a mapping says of its columns."""

import csv
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from cli.classify import opened
from cli.tables import show
from cli.trouble import Trouble
from services.classifier.domain.heads import SUPPORTED, URGENCIES
from services.classifier.domain.understand import Asked, Understanding, Understood
from services.classifier.training.calibrate import calibration_error
from services.classifier.training.mapping import SEVERAL, Judge, LabelMapping, Right, read_mapping
from services.classifier.training.score import auroc

BATCH = 256
LEFT_OUT = (0, 10, 20, 30)  # per cent of the texts, the least confident
ALL, OTHER = "all", "other"
LONGEST_FIELD = 1 << 24  # characters: one post of 100,000 is legal
FEWEST_SHOWN = 20  # texts of a language in the table; the JSON has them all
_SHOWN = 9  # values of a column, in a message

Row = dict[str, str | None]
Figures = dict[str, Any]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Told:
    """What the model answered to one question about one text."""

    answer: str | bool | frozenset[str]
    sure: float  # of the answer, 0..1
    p: Mapping[str, float]  # of each label asked about


def evaluate(
    file: Path,
    text: str | None,
    mapping: Path,
    model: Path | None,
    as_json: bool,
    limit: int | None,
    console: Console,
    cascade: float = 0,
) -> None:
    """Score the model on a file, and say it.

    Raises:
        Trouble: the file, the mapping or the model cannot be used.
    """
    found = evaluated(file, text, mapping, lambda: opened(model, cascade), limit)
    if as_json:
        console.file.write(json.dumps(found, ensure_ascii=False) + "\n")
    else:
        _show(found, console)


def evaluated(
    file: Path, text: str | None, mapping: Path, opens: Callable[[], Understanding], limit: int | None = None
) -> Figures:
    """The figures of each judge, by the language the model reads; see `evaluate`.

    Args:
        opens: gives the model, once the file and the mapping are seen to be right.
    """
    try:
        wanted = read_mapping(mapping)
    except OSError as error:
        raise Trouble(f"{mapping} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Trouble(str(error), 2) from error
    texts, rights = _labelled(file, text, wanted, limit)
    model = opens()
    begun = time.perf_counter()
    read: list[Understood] = []
    for at in range(0, len(texts), BATCH):
        read += model.understood([Asked(one) for one in texts[at : at + BATCH]])
    seconds = time.perf_counter() - begun
    return {
        "file": str(file),
        "mapping": str(mapping),
        "model": model.name,
        "texts": len(texts),
        "texts_per_second": round(len(texts) / seconds),
        "judgements": [
            _judgement(judge, read, [right[number] for right in rights]) for number, judge in enumerate(wanted.judges)
        ],
    }


# --- the file


def _labelled(
    file: Path, text: str | None, mapping: LabelMapping, limit: int | None
) -> tuple[list[str], list[list[Right | None]]]:
    """The texts of which a judge knows something, and what each judge knows of them."""
    column = text or mapping.text
    if not column:
        raise Trouble(f'which column is the text? name it with --text, or in {mapping.file}: text = "..."', 2)
    texts: list[str] = []
    rights: list[list[Right | None]] = []
    seen: list[Counter[str]] = [Counter() for _ in mapping.judges]
    rows = 0
    for row in _rows(file, column, mapping):
        rows += 1
        if not mapping.takes(row) or row[column] is None:
            continue
        right = [judge.right(row) for judge in mapping.judges]
        for judge, values in zip(mapping.judges, seen, strict=True):
            values[row[judge.column] or ""] += 1
        if any(one is not None for one in right):
            texts.append(row[column] or "")
            rights.append(right)
            if len(texts) == limit:
                break
    if not rows:
        raise Trouble(f"{file} is empty: it has a header and no rows")
    for number, (judge, values) in enumerate(zip(mapping.judges, seen, strict=True)):
        if all(right[number] is None for right in rights):
            shown = ", ".join(repr(value) for value, _ in values.most_common(_SHOWN)) or "nothing the filter lets pass"
            raise Trouble(
                f"{mapping.file}: {judge.name} knows no value of {judge.column!r} in {file}, which has {shown}"
            )
    return texts, rights


def _rows(file: Path, column: str, mapping: LabelMapping) -> Iterator[Row]:
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            header = lines.readline()
            if not header.strip():
                raise Trouble(f"{file} is empty: its first line names the columns")
            lines.seek(0)
            reader = csv.DictReader(lines, delimiter=max(",;\t", key=header.count), strict=True)
            columns = list(reader.fieldnames or ())
            if "\0" in header:
                raise Trouble(f"{file} is not a CSV")
            if column not in columns:
                raise Trouble(f"{file} has no column {column!r}: it has {', '.join(columns)}")
            mapping.check(columns, str(file))
            yield from reader
    except OSError as error:
        raise Trouble(f"{file} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Trouble(f"{file} is not a CSV in UTF-8: {error}") from error
    except ValueError as error:
        raise Trouble(str(error)) from error
    finally:
        csv.field_size_limit(before)


# --- the figures


def _judgement(judge: Judge, read: Sequence[Understood], rights: Sequence[Right | None]) -> Figures:
    chosen = [number for number, right in enumerate(rights) if right is not None]
    told = [_told(judge, read[number]) for number in chosen]
    right = [rights[number] for number in chosen]
    languages = np.array([_kind(read[number].labels.language) for number in chosen])
    figures = _several if judge.head in SEVERAL and judge.labels else _one if judge.labels else _holds
    by_language: dict[str, Figures] = {}
    for language in (ALL,) if judge.head == "language" else (ALL, *SUPPORTED, OTHER):
        meant = np.flatnonzero(languages == language) if language != ALL else np.arange(len(chosen))
        if len(meant):
            by_language[language] = figures(judge, [told[at] for at in meant], [right[at] for at in meant])
    said = {"label": judge.label} if judge.label else {}
    return {"name": judge.name, "head": judge.head, **said, "column": judge.column, "by_language": by_language}


def _kind(language: str) -> str:
    return language if language in SUPPORTED else OTHER


def _told(judge: Judge, one: Understood) -> Told:
    """What the labels say, which the rules had a part in; the probabilities are those of the weights."""
    labels, head = one.labels, judge.head
    if head in ("critical", "needs_response"):
        yes = labels.urgency == "critical" if head == "critical" else labels.needs_response
        p = one.scores["urgency"]["critical"] if head == "critical" else one.scores[head]["yes"]
        sure = (p if yes else 1 - p) if head == "critical" else labels.confidence[head]
        said: str | bool = _yes_no(yes) if judge.labels else yes == (judge.label == "yes")
        return Told(said, sure, {"yes": p, "no": 1 - p})
    scores = one.scores.get(head, {})
    if head in SEVERAL:
        held = frozenset(getattr(labels, head))
        p_of = {label: scores.get(label, _by_other(label, one, held)) for label in (*judge.known, judge.label) if label}
        if judge.labels:
            sure = min((p if label in held else 1 - p for label, p in p_of.items()), default=1.0)
            return Told(held & set(judge.known), sure, p_of)
        p, answer = p_of[judge.label], judge.label in held
        return Told(answer, p if answer else 1 - p, p_of)
    value = str(getattr(labels, head))
    if judge.labels:
        return Told(value, labels.confidence[head], scores)
    p, answer = scores.get(judge.label, float(value == judge.label)), value == judge.label
    return Told(answer, p if answer else 1 - p, {judge.label: p})


def _by_other(label: str, one: Understood, held: frozenset[str]) -> float:
    """Of a reason that another head learns: the intent, a topic; or none does: whether it was told."""
    for head in ("intent", "topics"):
        if label in one.scores[head]:
            return one.scores[head][label]
    return float(label in held)


def _yes_no(answer: bool) -> str:
    return "yes" if answer else "no"


def _one(judge: Judge, told: Sequence[Told], right: Sequence[Any]) -> Figures:
    """One label out of several: the macro-F1 is over those the file has."""
    known = sorted(set(right), key=judge.known.index)
    place = {label: number for number, label in enumerate(known)}
    said = np.array([place.get(str(one.answer), -1) for one in told])
    meant = np.array([place[label] for label in right])
    f1 = [_f1(said == number, meant == number) for number in range(len(known))]
    found = _common(said == meant, told) | {
        "macro_f1": _rounded(np.mean(f1)),
        "recall": {label: _share(said == number, meant == number) for label, number in place.items()},
        "precision": {label: _share(meant == number, said == number) for label, number in place.items()},
    }
    if judge.head == "critical":
        found["critical"] = {"recall": found["recall"].get("yes"), "precision": found["precision"].get("yes")}
    if judge.head == "urgency":
        found["weighted_kappa"] = _kappa([URGENCIES.index(str(t.answer)) for t in told], [*map(URGENCIES.index, right)])
        found["critical"] = {"recall": found["recall"].get("critical"), "precision": found["precision"].get("critical")}
    return found


def _holds(judge: Judge, told: Sequence[Told], right: Sequence[Any]) -> Figures:
    """Whether one label holds."""
    said, meant = (np.array(some, bool) for some in ([one.answer for one in told], right))
    area = _area([one.p[judge.label] for one in told], meant)
    found = _common(said == meant, told) | {
        "macro_f1": _rounded(np.mean([_f1(said == answer, meant == answer) for answer in np.unique(meant)])),
        "recall": {"yes": _share(said, meant), "no": _share(~said, ~meant)},
        "precision": {"yes": _share(meant, said), "no": _share(~meant, ~said)},
        "auroc": area,
    }
    if judge.head == "critical" and judge.label == "yes":
        found["critical"] = {"recall": found["recall"]["yes"], "precision": found["precision"]["yes"]}
    return found


def _several(judge: Judge, told: Sequence[Told], right: Sequence[Any]) -> Figures:
    """All labels that hold: accurate where none is missing and none too many; each label's F1, and their mean."""
    labels = [label for label in judge.known if any(label in some for some in right)]
    said = {
        label: np.array([label in one.answer for one in told if isinstance(one.answer, frozenset)]) for label in labels
    }
    meant = {label: np.array([label in some for some in right]) for label in labels}
    areas = [_area([one.p[label] for one in told], meant[label]) for label in labels]
    return _common(np.array([one.answer == some for one, some in zip(told, right, strict=True)]), told) | {
        "macro_f1": _rounded(np.mean([_f1(said[label], meant[label]) for label in labels])) if labels else None,
        "recall": {label: _share(said[label], meant[label]) for label in labels},
        "precision": {label: _share(meant[label], said[label]) for label in labels},
        "auroc": _rounded(np.mean([area for area in areas if area is not None])) if any(areas) else None,
    }


def _common(right: Bools, told: Sequence[Told]) -> Figures:
    sure = np.array([one.sure for one in told], np.float32)
    by_risk = right[np.argsort(-sure, kind="stable")]
    return {
        "texts": len(right),
        "accuracy": _rounded(right.mean()),
        "calibration_error": _rounded(calibration_error(sure, right)),
        "accuracy_without_least_sure": {
            f"{percent}%": _rounded(by_risk[: max(1, round(len(by_risk) * (100 - percent) / 100))].mean())
            for percent in LEFT_OUT
        },
    }


def _area(p: Sequence[float], meant: Bools) -> float | None:
    return _rounded(auroc(np.array(p), meant)) if meant.any() and not meant.all() else None


def _f1(said: Bools, meant: Bools) -> float:
    return 2 * int((said & meant).sum()) / max(1, int(said.sum() + meant.sum()))


def _share(of: Bools, among: Bools) -> float | None:
    return _rounded(of[among].mean()) if among.any() else None


def _kappa(told: Sequence[int], right: Sequence[int]) -> float | None:
    """Agreement on an order, a miss counting by the square of its distance.

    Source: Cohen, "Weighted kappa", Psychological Bulletin 70, 1968.
    """
    a, b = np.array(told), np.array(right)
    by_chance = float((a**2).mean() + (b**2).mean() - 2 * a.mean() * b.mean())
    return _rounded(1 - float(((a - b) ** 2).mean()) / by_chance) if by_chance else None


def _rounded(number: Any) -> float:
    return round(float(number), 4)


# --- the table


def _show(found: Figures, console: Console) -> None:
    heads = ["judgement", "language", "texts", "accuracy", "macro-F1", "AUROC", "calibration error"]
    heads += [f"without {percent} %" for percent in LEFT_OUT[1:]]
    rows: list[list[str]] = []
    recalls: list[list[str]] = []
    for one in found["judgements"]:
        for language, of in one["by_language"].items():
            if language != ALL and of["texts"] < FEWEST_SHOWN:
                continue
            rows.append(
                [
                    one["name"],
                    language,
                    f"{of['texts']:,}",
                    *(_percent(of.get(key)) for key in ("accuracy", "macro_f1")),
                ]
                + ["" if of.get("auroc") is None else f"{of['auroc']:.3f}", f"{of['calibration_error']:.3f}"]
                + [_percent(of["accuracy_without_least_sure"][f"{percent}%"]) for percent in LEFT_OUT[1:]]
            )
            recalls += [
                [one["name"], language, label, _percent(recall), _percent(of["precision"][label])]
                for label, recall in of["recall"].items()
                if recall is not None
            ]
    show(console, heads, rows, empty="")
    show(console, ["judgement", "language", "label", "recall", "precision"], recalls, empty="")
    kappas = [
        f"{one['name']}, {language}: weighted kappa {of['weighted_kappa']:.3f}"
        for one in found["judgements"]
        for language, of in one["by_language"].items()
        if of.get("weighted_kappa") is not None
    ]
    for line in (*kappas, f"{found['texts']:,} texts by {found['model']}, {found['texts_per_second']:,} a second"):
        console.print(line, highlight=False)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.1f}"
