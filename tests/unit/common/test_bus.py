"""Keys, partitions, records and the pulse: the parts of the port that need no log."""

import re

import pytest
from aiokafka.partitioner import DefaultPartitioner, murmur2
from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus import Pulse, Record, conversation_key, partition_of
from libs.common.bus_kafka import parse
from libs.common.errors import Misconfigured

SECRET = b"a secret of the deployment"


@given(key=st.binary(max_size=100), partitions=st.integers(1, 1000))
def test_a_key_goes_where_kafkas_own_partitioner_puts_it(key: bytes, partitions: int) -> None:
    everywhere = list(range(partitions))
    assert partition_of(key, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions
    if key:
        assert partition_of(key, partitions) == DefaultPartitioner()(key, everywhere, everywhere)


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_person_has_one_key_and_two_have_two(one: str, other: str) -> None:
    keys = {conversation_key(SECRET, "x", person) for person in (one, other, one)}
    assert len(keys) == len({one, other})


def test_a_key_names_nobody_and_stands_in_a_path() -> None:
    key = conversation_key(SECRET, "x", "ana.belle")
    assert re.fullmatch(r"[0-9a-f]{24}", key)
    assert "ana" not in key


def test_a_key_depends_on_the_network_and_on_the_deployments_secret() -> None:
    keys = {
        conversation_key(SECRET, "x", "1001"),
        conversation_key(SECRET, "y", "1001"),
        conversation_key(b"another secret", "x", "1001"),
    }
    assert len(keys) == 3


def test_a_key_never_changes() -> None:
    assert conversation_key(SECRET, "x", "1001") == "afa2fb28da9c61d9f48fc283"


def test_a_secret_may_be_longer_than_the_hash_takes() -> None:
    assert conversation_key(b"s" * 64, "x", "1") == conversation_key(b"s" * 100, "x", "1")


def test_a_header_is_the_first_of_its_name_as_text() -> None:
    record = Record("t", 0, b"k", b"v", (("a", b"1"), ("a", b"2"), ("b", b"\xff")))
    assert (record.header("a"), record.header("b"), record.header("c")) == ("1", "�", "")


def test_a_bus_address_is_the_brokers() -> None:
    assert parse("kafka://one:9092,two:9093") == "one:9092,two:9093"


@pytest.mark.parametrize(
    "address", ["kafka://", "one:9092", "kafka://one", "kafka://one:x", "kafka://:9092", "amqp://a:1"]
)
def test_another_bus_address_is_refused_with_what_it_should_be(address: str) -> None:
    with pytest.raises(Misconfigured, match=r"kafka://HOST:PORT"):
        parse(address)


# --- the pulse


def at(pulse: Pulse, seconds_ago: float) -> Pulse:
    """The pulse as it would be so many seconds later."""
    pulse.beat_at -= seconds_ago
    if pulse.in_hand_since is not None:
        pulse.in_hand_since -= seconds_ago
    return pulse


def test_a_pulse_that_beats_is_well() -> None:
    pulse = at(Pulse(), 100)
    pulse.beat()
    assert pulse.stalled() is None


def test_silence_is_a_stall() -> None:
    assert at(Pulse(), 61).stalled() == "the consumer has been silent for 61 s"
    assert at(Pulse(), 59).stalled() is None


def test_a_batch_in_hand_for_too_long_is_a_stall_though_the_loop_turns() -> None:
    pulse = Pulse()
    pulse.took()
    at(pulse, 61).beat()
    assert pulse.stalled() == "a batch is in hand for 61 s"
    pulse.finished()
    assert pulse.stalled() is None


def test_a_declared_wait_counts_as_progress_and_silence_in_it_does_not() -> None:
    pulse = Pulse()
    pulse.took()
    at(pulse, 50).waits("the database")
    at(pulse, 50).waits("the database")
    assert pulse.stalled() is None
    assert at(pulse, 61).stalled() == "the consumer has been silent for 61 s"


def test_time_spent_waiting_is_not_held_against_the_batch() -> None:
    pulse = Pulse()
    pulse.took()
    at(pulse, 59).waits("the database")
    at(pulse, 59).waits(None)
    at(pulse, 59)
    assert pulse.stalled() is None
    assert at(pulse, 2).stalled() == "a batch is in hand for 61 s"
