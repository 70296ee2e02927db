"""What is said of our own replies is counted, has its interval, and is not said of too few."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.responder.domain.effects import (
    FEWEST,
    Observation,
    Sent,
    Share,
    effect,
    effects,
    newcombe,
    outcomes_of,
    wilson,
)
from tests.unit.responder.builders import NOON, SECOND

shares = st.integers(1, 400).flatmap(lambda n: st.builds(Share, st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        (Share(56, 70), Share(48, 80), 0.0524, 0.3339),
        (Share(9, 10), Share(3, 10), 0.1705, 0.8090),
        (Share(10, 10), Share(0, 20), 0.6791, 1.0),
        (Share(0, 10), Share(0, 20), -0.1611, 0.2775),
    ],
)
def test_the_interval_is_the_published_one(one: Share, other: Share, low: float, high: float) -> None:
    assert list(newcombe(one, other)) == pytest.approx([low, high], abs=5e-5)


@given(shares, shares)
def test_an_interval_holds_its_difference_and_turns_with_it(one: Share, other: Share) -> None:
    low, high = newcombe(one, other)
    difference = one.met / one.n - other.met / other.n
    assert -1 - 1e-9 <= low <= difference + 1e-9
    assert difference - 1e-9 <= high <= 1 + 1e-9
    assert list(newcombe(other, one)) == pytest.approx([-high, -low])
    assert all(-1e-9 <= each <= 1 + 1e-9 for each in wilson(one))


@pytest.mark.parametrize(("present", "absent"), [(FEWEST - 1, 500), (500, FEWEST - 1), (0, 500)])
def test_below_fifty_on_a_side_nothing_is_said(present: int, absent: int) -> None:
    told = effect("link", "thanked", Share(0, present), Share(1, absent))
    assert (told.difference, told.low, told.high) == (None, None, None)


def test_each_trait_is_compared_with_the_replies_without_it() -> None:
    with_it = [Observation(frozenset({"name"}), frozenset({"thanked"} if n < 30 else set())) for n in range(60)]
    without = [
        Observation(frozenset(), frozenset({"thanked", "further_contact"} if n < 9 else set())) for n in range(90)
    ]
    thanked, further = effects(with_it + without, ["name"])
    assert (thanked.present, thanked.absent) == (Share(30, 60), Share(9, 90))
    assert thanked.difference == pytest.approx(0.4)
    assert thanked.low is not None
    assert thanked.low > 0
    assert (further.present, further.absent) == (Share(0, 60), Share(9, 90))


def test_the_outcome_is_what_the_customer_wrote_within_a_day() -> None:
    def after(hours: float, intent: str) -> frozenset[str]:
        return outcomes_of(Sent("", "fr", "jo", NOON, [(NOON + timedelta(hours=hours), intent)]))

    assert after(24, "praise_thanks") == {"thanked"}
    assert after(1, "complaint") == after(1, "information_request") == {"further_contact"}
    assert after(24 + SECOND / timedelta(hours=1), "complaint") == after(0, "complaint") == frozenset()
