"""What the gauge of the expected wait shows."""

import math
from datetime import UTC, datetime

import pytest

from services.router.domain.hours import ALWAYS
from services.router.domain.pace import CLASSES
from services.router.domain.promises import Memory, Shown
from services.router.handlers.waits import Wait

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("shown", "seconds"),
    [
        (Shown("known", p50=300.0, p80=600.0, p90=900.0), (300, 600, 900)),
        (Shown("more_than", hours=8), (28_800, 28_800, 28_800)),
    ],
)
def test_more_than_so_many_hours_are_shown_as_those(shown: Shown, seconds: tuple[int, int, int]) -> None:
    assert Wait("fr", "main", ALWAYS, NOON, Memory(shown=(shown,) * CLASSES)).shown() == seconds


def test_what_is_not_known_is_no_number() -> None:
    assert all(math.isnan(each) for each in Wait("fr", "main", ALWAYS, NOON).shown())
