"""The trace context: what is valid is kept, what is not is replaced, and nothing leaks out of its request."""

import pytest

from libs.common import trace

VALID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_valid_context_is_kept() -> None:
    assert trace.accepted(VALID) == VALID


@pytest.mark.parametrize(
    "given",
    [
        "",
        "nonsense",
        VALID.upper(),
        VALID + "-extra",
        VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        VALID.replace("00f067aa0ba902b7", "0" * 16),
        "ff" + VALID[2:],
    ],
)
def test_another_is_replaced_by_a_valid_new_one(given: str) -> None:
    made = trace.accepted(given)
    assert made != given
    assert trace.accepted(made) == made
    assert trace.accepted(given) != made


def test_a_context_is_carried_until_it_is_dropped() -> None:
    assert trace.traceparent() == ""
    token = trace.carry(VALID)
    assert trace.traceparent() == VALID
    trace.drop(token)
    assert trace.traceparent() == ""
