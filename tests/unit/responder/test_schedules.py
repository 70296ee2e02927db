"""The posting protocol under a few thousand schedules; `python -m tests.proof.posting` runs millions."""

import pytest

from tests.proof.posting import PLANTED, prove

HIT = (
    "answer lost",
    "crash after the reservation",
    "crash before the confirmation",
    "crash after a look",
    "error after the post",
    "fence lost",
    "freeze after the reservation",
    "freeze before the request",
    "late timeline",
    "look overtaken",
    "timeline not read",
    "too late to send",
)


def test_no_schedule_posts_twice_or_loses_a_reply() -> None:
    ran, broken, seen = prove(range(1, 3001))

    assert (ran, broken) == (3000, [])
    assert not [what for what in HIT if seen[what] < 20]


@pytest.mark.parametrize("mistake", PLANTED)
def test_each_planted_mistake_is_found(mistake: str) -> None:
    assert any(prove(range(first, first + 500), mistake)[1] for first in range(1, 10_000, 500))
