"""Pages and edits: cursors survive the way out and back, forged ones are refused, stale edits too."""

import base64
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.lists import Mark, check_if_match, cut, decode_cursor, encode_cursor, etag_of
from libs.common.problems import Problem

NOON = datetime(2026, 6, 2, 12, 0, 0, 123456, tzinfo=UTC)


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)
def test_a_cursor_comes_back_as_it_went(moment: datetime, id_: str) -> None:
    assert decode_cursor(encode_cursor((moment, id_))) == (moment, id_)


@given(st.text())
def test_a_cursor_that_is_not_ours_is_a_problem_and_never_a_crash(cursor: str) -> None:
    with suppress(Problem):  # any other exception would be a crash
        mark = decode_cursor(cursor)
        assert mark is not None
        assert encode_cursor(mark) == cursor


def written(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "!!!!", "é", written("9" * 25 + " a"), written("007 a"), encode_cursor((NOON, "a\0"))],
)
def test_a_forged_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        decode_cursor(cursor)
    assert caught.value.status_code == 400


def test_no_cursor_is_the_beginning() -> None:
    assert decode_cursor(None) is None


def mark(id_: str) -> Mark:
    return NOON, id_


def test_a_page_is_cut_where_the_next_begins() -> None:
    page, cursor = cut(["a", "b", "c"], 2, mark)
    assert page == ["a", "b"]
    assert decode_cursor(cursor) == (NOON, "b")


def test_the_last_page_has_no_cursor() -> None:
    assert cut(["a", "b"], 2, mark) == (["a", "b"], None)
    assert cut([], 2, mark) == ([], None)


@pytest.mark.parametrize("header", [None, "*", '"3"', 'W/"3"', '"2", "3"'])
def test_an_edit_of_what_is_there_passes(header: str | None) -> None:
    check_if_match(header, 3)


@pytest.mark.parametrize("header", ['"2"', "3", "", '"33"'])
def test_an_edit_of_something_older_is_told_what_is_there(header: str) -> None:
    with pytest.raises(Problem) as caught:
        check_if_match(header, 3)
    assert caught.value.status_code == 412
    assert caught.value.headers == {"ETag": etag_of(3)}
