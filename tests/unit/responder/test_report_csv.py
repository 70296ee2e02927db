"""A table that a spreadsheet opens shows what we wrote and runs nothing."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.responder.domain.report_csv import cell, flat, table


@pytest.mark.parametrize("text", ["=1+1", "+33", "-2", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_no_text_becomes_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(("value", "shown"), [(-2, "-2"), (0.5, "0.5"), (None, ""), ("fr", "fr"), ("a=b", "a=b")])
def test_all_else_stays_as_it_is(value: str | float | None, shown: str) -> None:
    assert cell(value) == shown


def test_what_is_nested_has_a_column_of_its_own_and_what_is_not_there_is_empty() -> None:
    row = {"key": "fr", "within": {"3600": {"met": 1, "share": None}}}
    assert flat(row) == {"key": "fr", "within.3600.met": 1, "within.3600.share": None}
    written = table([row], {"definition": "what, and how"}, ["key", "within.3600.met", "within.3600.share", "p50"])
    assert written == 'key,within.3600.met,within.3600.share,p50,definition\r\nfr,1,,,"what, and how"\r\n'


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_any_text_comes_back_as_it_was_but_for_the_quote_before_a_formula(texts: list[str]) -> None:
    written = table(({"key": text} for text in texts), {"to": "x"}, ["key"])

    head, *rows = list(csv.reader(io.StringIO(written, newline="")))

    assert head == ["key", "to"]
    assert rows == [[cell(text), "x"] for text in texts]
    assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for value in row)
