"""Figures as a table for a spreadsheet, in which no text becomes a formula. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Value = str | int | float | None


def cell(value: Value) -> str:
    """As it stands in a cell: a text that a spreadsheet would take for a formula gets a `'`; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return str(value)


def table(rows: Iterable[Mapping[str, object]], also: Mapping[str, str], columns: Sequence[str]) -> str:
    """The rows as CSV (RFC 4180), nested values as `outer.inner`; `also` stands at the end of each row.

    Args:
        columns: of the rows, so that a table without rows has its head too.
    """
    text = io.StringIO(newline="")
    out = csv.writer(text)
    out.writerow([*columns, *also])
    for row in rows:
        known = flat(row)
        out.writerow([cell(known.get(column)) for column in columns] + [cell(value) for value in also.values()])
    return text.getvalue()


def flat(row: Mapping[str, object], within: str = "") -> dict[str, Value]:
    """The row without nesting, in its order."""
    found: dict[str, Value] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{within}{name}.")
        elif value is None or isinstance(value, str | int | float):
            found[f"{within}{name}"] = value
    return found
