"""Ids that sort by time and follow from what they name."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.router.ids import typed_id

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_the_same_thing_has_the_same_id() -> None:
    assert typed_id("itm", NOON, "x", "1") == typed_id("itm", NOON, "x", "1")


def test_parts_do_not_run_into_each_other() -> None:
    assert typed_id("itm", NOON, "x", "11") != typed_id("itm", NOON, "x1", "1")


@given(st.integers(1, 10**11), st.integers(1, 10**11))
def test_a_later_thing_has_a_greater_id(first: int, more: int) -> None:
    early = NOON + timedelta(milliseconds=first)

    assert typed_id("itm", early, "a") < typed_id("itm", early + timedelta(milliseconds=more), "a")
