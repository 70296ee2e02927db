"""The figures a model is judged by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classifier.training.calibrate import calibration_error
from services.classifier.training.score import auroc, macro_f1


def test_macro_f1_counts_every_label_the_same() -> None:
    right = np.array([0, 0, 0, 0, 1])

    assert macro_f1(right, right) == 1.0
    assert macro_f1(np.zeros(5, int), right) == pytest.approx((8 / 9 + 0) / 2)


def test_macro_f1_counts_a_label_that_is_only_told() -> None:
    assert macro_f1(np.array([0, 2]), np.array([0, 0])) == pytest.approx((2 / 3 + 0) / 2)


def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    positive = np.array([False, True, False, True])

    assert auroc(np.array([0.1, 0.9, 0.2, 0.8]), positive) == 1.0
    assert auroc(np.array([0.9, 0.1, 0.8, 0.2]), positive) == 0.0
    assert auroc(np.array([0.1, 0.9, 0.5, 0.3]), positive) == 0.75


def test_auroc_counts_ties_half() -> None:
    assert auroc(np.zeros(6), np.array([True, False, True, False, False, True])) == 0.5


def test_auroc_of_one_kind_alone_is_a_half() -> None:
    assert auroc(np.array([0.2, 0.7]), np.array([True, True])) == 0.5
    assert auroc(np.zeros(0), np.zeros(0, bool)) == 0.5


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40))
def test_auroc_agrees_with_counting_the_pairs(told: list[tuple[int, bool]]) -> None:
    above = [float(a > b) + 0.5 * (a == b) for a, yes in told if yes for b, no in told if not no]
    expected = sum(above) / len(above) if above else 0.5

    assert auroc(np.array([s for s, _ in told]), np.array([p for _, p in told])) == pytest.approx(expected)


def test_calibration_error_is_the_distance_between_sureness_and_truth() -> None:
    half = np.full(4, 0.5, np.float32)

    assert calibration_error(half, np.array([True, False, True, False])) == 0.0
    assert calibration_error(half, np.ones(4, bool)) == 0.5
    assert calibration_error(np.ones(3, np.float32), np.zeros(3, bool)) == 1.0
