"""`guichet restore-finish` at the terminal: what it refuses, and from where the log is read again."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from cli.restore import AGAIN, GROUPS, moment
from cli.services import MIGRATIONS
from cli.trouble import Trouble
from libs.common.bus import Bus
from libs.common.events import CLASSIFIED, REPLIES, TOPICS, WORK_ITEMS, Event
from libs.common.migrate import migrate
from libs.common.outbox import record_of
from tests.builders import PARTITIONS, classified
from tests.buses import Buses, OnFile, OnKafka, Reader
from tests.integration.cli.command import guichet, running
from tests.servers import KafkaCluster

HEARD = [(group, topic) for group, topics in GROUPS.items() for topic in topics]


@pytest.mark.parametrize(
    ("written", "says"),
    [("yesterday", "is no time"), ("2026-03-02T12:00:00", "has no zone"), ("2999-01-01T00:00:00Z", "in the future")],
)
def test_a_time_that_is_none_is_refused(written: str, says: str) -> None:
    with pytest.raises(Trouble, match=says):
        moment(written)


def test_a_house_that_runs_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running("up", data=data):
        refused = guichet("restore-finish", "--backup-time", "2026-03-02T12:00:00Z", "--data", data)

    assert refused.returncode == 1
    assert "already runs" in refused.stderr


async def test_the_local_log_is_read_again_from_ten_minutes_before_the_backup(tmp_path: Path) -> None:
    await reads_again(OnFile(tmp_path / "log.db"), tmp_path, "local")


@pytest.mark.kafka
async def test_kafka_is_read_again_from_ten_minutes_before_the_backup(
    kafka_to_crash: KafkaCluster, tmp_path: Path
) -> None:
    buses = OnKafka(kafka_to_crash.bootstrap)
    for topic in TOPICS:
        await buses.topic(topic)

    await reads_again(buses, tmp_path, f"kafka://{kafka_to_crash.bootstrap}")


@pytest.mark.kafka
async def test_a_service_that_still_reads_is_to_be_stopped_first(kafka_to_crash: KafkaCluster, tmp_path: Path) -> None:
    buses = OnKafka(kafka_to_crash.bootstrap)
    for topic in TOPICS:
        await buses.topic(topic)
    bus = await buses.open()
    await publish(bus, classified())
    async with Reader(bus, GROUPS["router"], "router") as router:
        await router.has(len(GROUPS["router"]))
        refused = await restore_finish(tmp_path, f"kafka://{kafka_to_crash.bootstrap}", datetime.now(UTC))
    await buses.close()

    assert refused.returncode == 1
    assert "stop every router first" in refused.stderr


async def reads_again(buses: Buses, data: Path, bus_address: str) -> None:
    bus = await buses.open()
    await publish(bus, classified("before"))
    await read_all(bus)
    since = datetime.now(UTC)
    await publish(bus, classified("after"))
    await read_all(bus)
    await buses.close()

    done = await restore_finish(data, bus_address, since + AGAIN)

    assert done.returncode == 0, done.stderr
    bus = await buses.open()
    assert await read_all(bus) == {where: ["after"] for where in HEARD}
    await buses.close()


async def publish(bus: Bus, event: Event) -> None:
    """To every topic that is heard, as if it were one of its own."""
    await bus.publish([record_of(event, "test", 0, topic=topic) for topic in (CLASSIFIED, REPLIES, WORK_ITEMS)])


async def read_all(bus: Bus) -> dict[tuple[str, str], list[str]]:
    """What each group has not read yet of each topic."""
    found: dict[tuple[str, str], list[str]] = {}
    for group, topics in GROUPS.items():
        async with Reader(bus, topics, group) as reader:
            await reader.has(len(topics))
        for record in reader.finished:
            found.setdefault((group, record.topic), []).append(record.header("ce_id"))
    return found


async def restore_finish(data: Path, bus: str, backup_time: datetime) -> CompletedProcess[str]:
    await migrate(f"sqlite:///{data}", "responder", MIGRATIONS["responder"])
    told = ("--backup-time", backup_time.isoformat(), "--data", data, "--bus", bus)
    return await asyncio.to_thread(guichet, "restore-finish", *told, more={"GUICHET_PARTITIONS": str(PARTITIONS)})
