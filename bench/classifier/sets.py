"""The labelled sets of a data folder, as texts and what each is; their texts stay in that folder."""

import csv
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Row = dict[str, str]
HELD_OUT = (0, 1)  # of ten parts, by the hash of the text: judged, never learnt from
OUTSIDE = ""  # the label of what belongs to no class


@dataclass(frozen=True, slots=True)
class Set:
    """Which rows of a file are meant, what each is, and in which figures it is judged."""

    name: str
    file: str
    label: Callable[[Row], str | None]  # `OUTSIDE`: to be recognised as nothing known; None: left out


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts, the number of each one's label, -1 outside all classes, and which tenth a text belongs to."""

    texts: Sequence[str]
    numbers: Sequence[int]
    labels: Sequence[str]
    tenths: Sequence[int]


def _only(column: str, **where: str) -> Callable[[Row], str | None]:
    def label(row: Row) -> str | None:
        return (row[column] or None) if all(row[name] == value for name, value in where.items()) else None

    return label


def _one_label(row: Row) -> str | None:
    return row["labels"] if row["lang"] == "fr" and "|" not in row["labels"] else None


def _clinc(row: Row) -> str | None:
    return OUTSIDE if row["intent"] == "oos" else row["intent"]


SETS = (
    Set("airline sentiment", "airline_us", _only("sentiment")),
    Set("ten complaint reasons", "airline_us", _only("negativereason", sentiment="neg")),
    Set("complaint yes/no", "complaints_acl19", _only("complaint")),
    Set("French sentiment", "umsab_tweets", _only("sentiment", lang="fr")),
    Set("French feedback", "cfa_ijcnlp17", _one_label),
    Set("Banking77", "banking77", _only("intent")),
    Set("CLINC150", "clinc150", _clinc),
)


def path_of(folder: Path, file: str) -> Path:
    """Where a set's training part is."""
    return folder / f"{file}.train.csv"


def rows_of(path: Path) -> list[Row]:
    """All rows of a set."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def labelled(some: Set, folder: Path) -> Labelled:
    """Read a set.

    Raises:
        OSError: its file is not there.
    """
    rows = rows_of(path_of(folder, some.file))
    told = [(row["text"], label) for row in rows if (label := some.label(row)) is not None]
    labels = sorted({label for _, label in told} - {OUTSIDE})
    place = {label: number for number, label in enumerate(labels)} | {OUTSIDE: -1}
    return Labelled(
        [text for text, _ in told], [place[label] for _, label in told], labels, [tenth_of(text) for text, _ in told]
    )


def tenth_of(text: str) -> int:
    """The same for texts that differ in case or spaces alone, so that none stands on both sides."""
    return hashlib.sha1(" ".join(text.casefold().split()).encode(), usedforsecurity=False).digest()[0] % 10
