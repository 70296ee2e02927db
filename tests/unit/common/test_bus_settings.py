"""The settings that aiokafka's defaults would get wrong, read back; and the time limits, each within the next."""

from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from libs.common import bus_kafka, bus_kafka_reading, db
from libs.common.bus import Pulse
from libs.common.bus_kafka import CONSUMER, PRODUCER


def test_the_consumer_is_set_as_the_reliability_rules_say() -> None:
    assert dict(CONSUMER) == {
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "partition_assignment_strategy": (RangePartitionAssignor,),
        "session_timeout_ms": 15_000,
        "heartbeat_interval_ms": 3_000,
        "rebalance_timeout_ms": 20_000,
        "request_timeout_ms": 40_000,
        "max_poll_interval_ms": 120_000,
        "max_partition_fetch_bytes": 1_048_576,
        "fetch_max_wait_ms": 100,
        "fetch_min_bytes": 1,
    }


def test_the_producer_is_set_as_the_reliability_rules_say() -> None:
    assert dict(PRODUCER) == {
        "acks": "all",
        "enable_idempotence": False,
        "request_timeout_ms": 8_000,
        "max_batch_size": 524_288,
        "max_request_size": 3_145_728,
        "linger_ms": 0,
    }


def test_each_time_limit_is_within_the_next() -> None:
    seconds = [
        (db.LOCK_SECONDS, 2),
        (db.STATEMENT_SECONDS, 4),
        (PRODUCER["request_timeout_ms"] / 1000, 8),
        (bus_kafka.PUBLISH_SECONDS, 10),
        (db.IDLE_IN_TRANSACTION_SECONDS, 15),
        (CONSUMER["rebalance_timeout_ms"] / 1000, 20),
        (CONSUMER["request_timeout_ms"] / 1000, 40),
        (60.0, 60),
        (CONSUMER["max_poll_interval_ms"] / 1000, 120),
    ]
    assert [limit for limit, _ in seconds] == [meant for _, meant in seconds]
    assert seconds == sorted(seconds)
    assert Pulse.stalled.__defaults__ == (60.0,)


def test_a_revocation_waits_for_its_batch_less_than_the_group_waits_for_the_member() -> None:
    assert bus_kafka_reading.REVOKE_SECONDS == 15
    assert CONSUMER["rebalance_timeout_ms"] > bus_kafka_reading.REVOKE_SECONDS * 1000


def test_joining_waits_ten_seconds_longer_than_the_group_rebalances() -> None:
    assert CONSUMER["request_timeout_ms"] - CONSUMER["rebalance_timeout_ms"] >= 10_000


def test_a_member_misses_several_heartbeats_before_it_is_thrown_out() -> None:
    assert CONSUMER["session_timeout_ms"] >= 3 * CONSUMER["heartbeat_interval_ms"]
    assert CONSUMER["max_poll_interval_ms"] / 10 > bus_kafka_reading.KEEP_POLLING_SECONDS * 1000
