"""Fault points: silent unless a test plants something, and counted when one does."""

import pytest

from libs.common import faults


def test_a_point_where_nothing_is_planted_does_nothing_and_counts_nothing() -> None:
    faults.fault("anywhere")
    assert faults.hits == {}


def test_what_is_planted_runs_whenever_its_point_is_reached() -> None:
    reached: list[str] = []
    faults.plant("here", lambda: reached.append("here"))
    faults.fault("here")
    faults.fault("there")
    faults.fault("here")
    assert reached == ["here", "here"]


def test_points_are_counted_while_anything_is_planted() -> None:
    faults.plant("here", lambda: None)
    for point in ("here", "there", "here"):
        faults.fault(point)
    assert faults.hits == {"here": 2, "there": 1}


def test_what_is_planted_may_raise() -> None:
    def fails() -> None:
        raise ConnectionResetError

    faults.plant("here", fails)
    with pytest.raises(ConnectionResetError):
        faults.fault("here")
    assert faults.hits["here"] == 1


def test_clearing_takes_everything_out() -> None:
    faults.plant("here", lambda: None)
    faults.fault("here")
    faults.clear()
    faults.fault("here")
    assert faults.hits == {}
