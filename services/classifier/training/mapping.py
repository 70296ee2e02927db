"""Reading a mapping: which columns of a labelled CSV judge which of our labels, and what their values mean."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.classifier.domain.heads import (
    CHANNELS,
    INTENTS,
    LANGUAGES,
    REASONS,
    SENTIMENTS,
    TOPICS,
    UNKNOWN,
    URGENCIES,
)
from services.classifier.domain.model import SCRIPTS

NONE = "none"  # in a mapping of several labels: the row is judged, and none of ours holds
YES_NO = ("yes", "no")
_WRITTEN = tuple(script for script in SCRIPTS if script not in ("latin", "other"))  # named by their letters alone
JUDGED: Mapping[str, tuple[str, ...]] = {
    "language": (*LANGUAGES, *_WRITTEN, UNKNOWN),
    "intent": INTENTS,
    "sentiment": SENTIMENTS,
    "urgency": URGENCIES,
    "contact_channel": CHANNELS,
    "needs_response": YES_NO,
    "critical": YES_NO,
    "topics": TOPICS,
    "reasons": REASONS,
}
SEVERAL = ("topics", "reasons")  # any number of their labels hold
_KEYS = ("text", "filter", "judge")
_JUDGE_KEYS = ("head", "column", "name", "labels", "label", "yes", "no", "split")

Right = str | bool | frozenset[str]


@dataclass(frozen=True, slots=True)
class Judge:
    """One question asked of a row. Either `labels` says what a value means, or `yes` and `no` whether `label` holds."""

    name: str
    head: str
    column: str
    labels: Mapping[str, str]
    label: str
    yes: frozenset[str]
    no: frozenset[str]
    split: str

    @property
    def known(self) -> tuple[str, ...]:
        """The labels a row may have, in our order; of a yes-or-no question, its answers."""
        if not self.labels:
            return YES_NO
        said = set(self.labels.values())
        return tuple(label for label in JUDGED[self.head] if label in said)

    def right(self, row: Mapping[str, str | None]) -> Right | None:
        """What the row says: a label, whether the label holds, or all that hold; None where it says nothing."""
        cell = row.get(self.column)
        if cell is None:
            return None
        values = [value.strip() for value in (cell.split(self.split) if self.split else [cell])]
        if not self.labels:
            if any(value in self.yes for value in values):
                return True
            return False if any(value in self.no for value in values) else None
        said = [label for value in values if (label := self.labels.get(value, ""))]
        if self.head in SEVERAL:
            return frozenset(said) - {NONE} if said else None
        return said[0] if len(set(said)) == 1 else None


@dataclass(frozen=True, slots=True)
class LabelMapping:
    """What a file's columns mean."""

    file: str
    text: str | None  # the column of the text
    only: Mapping[str, frozenset[str]]  # rows that have one of these values, by column
    judges: Sequence[Judge]

    def check(self, columns: Sequence[str], where: str) -> None:
        """See that a CSV has what is asked for.

        Raises:
            ValueError: it lacks a column; the message says which it has.
        """
        for column in (*self.only, *(judge.column for judge in self.judges)):
            if column not in columns:
                raise ValueError(
                    f"{where} has no column {column!r}, which {self.file} names: it has {_listed(columns)}"
                )

    def takes(self, row: Mapping[str, str | None]) -> bool:
        """Whether a row is meant."""
        return all((row.get(column) or "").strip() in values for column, values in self.only.items())


def read_mapping(path: Path) -> LabelMapping:
    """Read a mapping.

    Raises:
        ValueError: it is not one; the message names the file, the key and what is possible.
        OSError: it cannot be read.
    """
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from error
    try:
        return _mapping(told, str(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _mapping(told: Mapping[str, Any], file: str) -> LabelMapping:
    _known_keys(told, _KEYS, "")
    text = told.get("text")
    if text is not None and not (isinstance(text, str) and text):
        raise ValueError('text is the name of a column: text = "tweet"')
    only = told.get("filter", {})
    if not isinstance(only, dict):
        raise ValueError('[filter] holds columns and the value each must have: lang = "fr"')
    judges = told.get("judge")
    if not isinstance(judges, list) or not judges or not all(isinstance(one, dict) for one in judges):
        raise ValueError("nothing to judge: write at least one [[judge]] with head and column")
    found = [_judge(one, f"judge {number}") for number, one in enumerate(judges, 1)]
    for number, judge in enumerate(found):
        if judge.name in (one.name for one in found[:number]):
            raise ValueError(f"two judges are called {judge.name!r}: give one of them another name")
    return LabelMapping(
        file, text, {column: frozenset(_values(value, f"filter.{column}")) for column, value in only.items()}, found
    )


def _judge(told: Mapping[str, Any], where: str) -> Judge:
    _known_keys(told, _JUDGE_KEYS, f"{where}: ")
    for key in ("head", "column"):
        if not isinstance(told.get(key), str) or not told[key]:
            raise ValueError(f"{where}: {key} is missing; {_what_is_possible(key)}")
    head, column = told["head"], told["column"]
    if head not in JUDGED:
        raise ValueError(f"{where}: head = {head!r}; {_what_is_possible('head')}")
    split = told.get("split", "")
    if not isinstance(split, str):
        raise ValueError(f'{where}: split is what stands between several values of a cell: split = "|"')
    labels, yes_no = told.get("labels"), "yes" in told or "no" in told
    if (labels is None) != yes_no:
        raise ValueError(f"{where}: write either labels = {{ value = label }}, or yes = [values] and no = [values]")
    label = told.get("label", "")
    if labels is not None:
        if label:
            raise ValueError(f"{where}: label goes with yes and no, not with labels")
        labels = _labels(labels, head, where)
    else:
        label = label or ("yes" if JUDGED[head] == YES_NO else "")
        if label not in JUDGED[head]:
            raise ValueError(f"{where}: label = {label!r}; possible for {head} are {_listed(JUDGED[head])}")
    yes, no = (frozenset(_values(told.get(key, []), f"{where}: {key}")) for key in YES_NO)
    if both := yes & no:
        raise ValueError(f"{where}: {_listed(sorted(both))} in yes and in no")
    asked = head if labels or JUDGED[head] == YES_NO else f"{head} {label}"
    name = told.get("name", asked)
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where}: name is a word of yours, and not empty")
    return Judge(name, head, column, labels or {}, label, yes, no, split)


def _labels(told: Any, head: str, where: str) -> dict[str, str]:
    if not isinstance(told, dict) or not told:
        raise ValueError(f'{where}: labels says what each value of the column is: labels = {{ "neg" = "negative" }}')
    possible = (*JUDGED[head], NONE) if head in SEVERAL else JUDGED[head]
    for value, label in told.items():
        if label != "" and label not in possible:
            raise ValueError(
                f"{where}: labels.{value} = {label!r} is no label of {head}; possible are {_listed(possible)} "
                'and "" for rows to leave out'
            )
    if not any(label not in ("", NONE) or head == "contact_channel" for label in told.values()):
        raise ValueError(f"{where}: labels leaves out every value")
    return dict(told)


def _values(told: Any, where: str) -> list[str]:
    """A value or several, as the CSV writes them: `1` is the same as "1"."""
    values = told if isinstance(told, list) else [told]
    if any(isinstance(value, (dict, list, bool)) for value in values):
        raise ValueError(f'{where} holds values as the CSV writes them: "1", or several: ["1", "yes"]')
    return [str(value) for value in values]


def _known_keys(told: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    for key in told:
        if key not in keys:
            raise ValueError(f"{where}{key} is not a key; possible are {_listed(keys)}")


def _what_is_possible(key: str) -> str:
    return f"possible are {_listed(tuple(JUDGED))}" if key == "head" else "it is a column of the CSV"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name or '""' for name in names) or "none"
