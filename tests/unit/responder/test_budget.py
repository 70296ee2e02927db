"""What a network lets us post is counted down, and taken in the order of what matters."""

from datetime import timedelta

import pytest

from services.responder.domain.budget import Budget, give_back, heard, take, wait_until
from services.responder.domain.replies import CLASSES
from tests.unit.responder.builders import MINUTE, NOON, SECOND

WINDOW = 15 * MINUTE


def budget(remaining: int, limit: int = 10, **more: object) -> Budget:
    fields: dict[str, object] = {"reset_at": NOON + WINDOW} | more
    return Budget("x", "acme", "post", limit, remaining, **fields)  # type: ignore[arg-type]


def headers(remaining: int, limit: int = 10, reset: timedelta = WINDOW) -> dict[str, str]:
    return {
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": str(remaining),
        "x-rate-limit-reset": str(int((NOON + reset).timestamp())),
    }


def test_before_the_network_spoke_everything_goes() -> None:
    unknown = Budget("x", "acme", "post")
    assert take(unknown, CLASSES["reply"], NOON) == unknown
    assert unknown.share(NOON) == 1


def test_each_post_takes_one_until_none_is_left() -> None:
    after = take(budget(1), CLASSES["reply"], NOON)
    assert after == budget(0)
    assert take(budget(0), CLASSES["critical"], NOON) is None
    assert wait_until(budget(0), NOON, 0.5) == NOON + WINDOW + 3.5 * SECOND


@pytest.mark.parametrize(("remaining", "goes"), [(10, True), (6, True), (5, False), (1, False)])
def test_surveys_go_only_while_more_than_half_is_left(remaining: int, goes: bool) -> None:
    assert (take(budget(remaining), CLASSES["survey"], NOON) is not None) == goes
    assert take(budget(remaining), CLASSES["closure"], NOON) is not None


def test_after_the_reset_all_is_there_again() -> None:
    later = NOON + WINDOW + SECOND
    assert budget(0).share(later) == 1
    assert take(budget(0), CLASSES["reply"], later) == budget(9, reset_at=None)


@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.999])
def test_the_second_of_the_reset_belongs_to_the_window_that_ends(fraction: float) -> None:
    """Networks tell it in whole seconds, with the rest of it cut off."""
    within = NOON + WINDOW + fraction * SECOND
    assert take(budget(0), CLASSES["critical"], within) is None
    assert wait_until(budget(0), within, 0.0) == NOON + WINDOW + SECOND
    assert heard(budget(0), headers(0), 0, within) == budget(0)


def test_the_networks_word_counts_less_what_is_on_its_way() -> None:
    assert heard(budget(0, 0), headers(9), 2, NOON) == budget(7)


def test_an_answer_that_was_overtaken_gives_nothing_back() -> None:
    assert heard(budget(5), headers(8), 0, NOON) == budget(5)
    assert heard(budget(5), headers(3), 0, NOON) == budget(3)
    assert heard(budget(5), headers(9, reset=WINDOW - MINUTE), 0, NOON) is None


def test_a_later_window_begins_anew() -> None:
    assert heard(budget(0), headers(9, reset=2 * WINDOW), 1, NOON) == budget(8, reset_at=NOON + 2 * WINDOW)


@pytest.mark.parametrize("name", ["x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"])
@pytest.mark.parametrize("value", ["", "-1", "²", "soon", "9" * 11])
def test_headers_that_say_nothing_change_nothing(name: str, value: str) -> None:
    if (name, value) in (("x-rate-limit-limit", "9" * 11), ("x-rate-limit-remaining", "9" * 11)):
        return
    assert heard(budget(5), headers(3) | {name: value}, 0, NOON) is None


def test_what_was_taken_and_not_sent_is_given_back() -> None:
    assert give_back(budget(4)) == budget(5)
    assert give_back(budget(10)) == budget(10)
