"""Times are the network's, and each mention has its earliest answer."""

from datetime import datetime, timedelta
from itertools import permutations

import pytest

from services.responder.domain.latency import network_time, waited
from tests.unit.responder.builders import NOON, SECOND, latency

MILLISECOND = timedelta(milliseconds=1)


def snowflake(moment: datetime) -> str:
    return str((round(moment.timestamp() * 1000) - 1288834974657) << 22 | 12345)


def test_an_id_gives_the_millisecond_where_it_agrees_with_the_second() -> None:
    made = NOON + 123 * MILLISECOND
    assert network_time(snowflake(made), NOON, NOON + 9 * SECOND) == made


@pytest.mark.parametrize("post_id", [snowflake(NOON + 2 * SECOND), "12", "2001-abc", "٣", "9" * 40])
def test_created_at_is_believed_where_the_id_says_otherwise(post_id: str) -> None:
    assert network_time(post_id, NOON, NOON + 9 * SECOND) == NOON


def test_without_created_at_a_plausible_id_is_believed() -> None:
    made = NOON - 2 * SECOND
    assert network_time(snowflake(made), None, NOON) == made


@pytest.mark.parametrize("post_id", ["2001", snowflake(NOON - 600 * SECOND), "at://did/3k", ""])
def test_without_either_it_is_when_we_heard_of_it(post_id: str) -> None:
    assert network_time(post_id, None, NOON) == NOON


def test_the_earliest_answer_of_each_mention_is_kept_whatever_the_order() -> None:
    answers = [
        latency(seconds=90, own_post_id="5"),
        latency(seconds=60, own_post_id="7"),
        latency(seconds=60, own_post_id="6"),
        latency("0999", seconds=5),
    ]
    for order in permutations(answers):
        kept, left_out = waited(order)
        assert [(each.post_id, each.own_post_id) for each in kept] == [("0999", "2001"), ("1001", "6")]
        assert left_out == 0


def test_an_answer_older_than_its_mention_is_left_out_and_counted() -> None:
    kept, left_out = waited([latency(seconds=-0.001), latency("1002", seconds=0)])
    assert ([each.post_id for each in kept], left_out) == (["1002"], 1)
