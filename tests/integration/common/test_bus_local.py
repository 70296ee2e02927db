"""The local bus as processes see it: killed, locked out, out of disk."""

import asyncio
from pathlib import Path

import pytest

from libs.common.bus import MAX_BATCH, Record
from libs.common.bus_local import LocalBus
from libs.common.errors import Misconfigured, Unavailable
from tests.builders import PARTITIONS, record
from tests.buses import Reader, joined, scanned
from tests.processes import Program

PUBLISHES = """
import asyncio, sys
from libs.common.bus import Record
from libs.common.bus_local import LocalBus

async def publisher(bus, name):
    n = 0
    while True:
        await bus.publish([Record("t", 0, name.encode(), f"{name} {n + i}".encode()) for i in range(3)])
        for i in range(3):
            print(f"{name} {n + i}")
        n += 3

async def main():
    bus = LocalBus(sys.argv[1], 4)
    await asyncio.gather(*(publisher(bus, f"publisher-{i}") for i in range(8)))

asyncio.run(main())
"""
CONSUMES = """
import asyncio, sys
from libs.common.bus import Pulse
from libs.common.bus_local import LocalBus

async def main():
    bus = LocalBus(sys.argv[1], 4)
    async def handle(batch):
        print(len(batch))
    await bus.consume(["t"], "group", handle, Pulse())

asyncio.run(main())
"""
OPENS = """
import sys
from libs.common.bus_local import LocalBus
from libs.common.errors import Misconfigured

try:
    LocalBus(sys.argv[1])
except Misconfigured as error:
    sys.exit(str(error))
"""
FILLS_THE_DISK = """
import asyncio, os, resource, sys
from libs.common.bus import Pulse, Record
from libs.common.bus_local import LocalBus
from libs.common.errors import Unavailable

async def main():
    bus, pulse, heard = LocalBus(sys.argv[1], 4), Pulse(), []
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    async def handle(batch):
        heard.extend(record.value for record in batch)
        if heard[-1] == b"9":  # no file may grow any more, as on a full disk: not even to note what is finished
            resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(sys.argv[1] + "-wal"), most))
    consumer = asyncio.ensure_future(bus.consume(["t"], "group", handle, pulse))
    for n in range(10):
        await bus.publish([Record("t", 0, b"k", b"%d" % n)])
    async with asyncio.timeout(10):
        while pulse.waiting_for is None:
            await asyncio.sleep(0.01)
    print(pulse.waiting_for)
    try:
        await bus.publish([Record("t", 0, b"k", b"no room")])
    except Unavailable as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    await bus.publish([Record("t", 0, b"k", b"room again")])
    async with asyncio.timeout(10):
        while heard[-1] != b"room again":
            await asyncio.sleep(0.01)
    print(pulse.waiting_for, b" ".join(heard).decode())
    pulse.stop.set()
    await consumer
    await bus.close()

asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for _ in range(3):
        with Program(PUBLISHES, tmp_path / "log.db") as program:
            told = program.lines(300)
            told += program.kill()
        acknowledged += [f"{line}" for line in told]
        bus = LocalBus(tmp_path / "log.db", PARTITIONS)
        kept = [str(r.value, "utf-8") for r in await scanned(bus, "t") if r.value]
        await bus.close()
        assert len(told) >= 300
        assert set(acknowledged) <= set(kept)
        for name in {line.split()[0] for line in told}:
            numbers = [int(line.split()[1]) for line in kept if line.startswith(f"{name} ")]
            lives = [i for i, number in enumerate(numbers) if number == 0]
            for start, end in zip(lives, [*lives[1:], len(numbers)], strict=True):
                assert numbers[start:end] == list(range(end - start))  # in order, without a gap


async def test_what_was_finished_is_not_given_again_after_kill_9(tmp_path: Path) -> None:
    many = 3 * MAX_BATCH + 200
    bus = LocalBus(tmp_path / "log.db", PARTITIONS)
    await bus.publish([record("t", b"%d" % n) for n in range(many)])
    await bus.close()
    with Program(CONSUMES, tmp_path / "log.db") as program:
        batches = [*program.lines(2), *program.kill()]
    bus = LocalBus(tmp_path / "log.db", PARTITIONS)
    async with Reader(bus, "t", "group") as reader:
        await joined(reader)
        await bus.publish([record("t", b"last")])
        await reader.until(lambda: reader.values[-1:] == [b"last"])
    await bus.close()
    given = sum(map(int, batches))
    assert given >= 2 * MAX_BATCH
    again = [int(value or b"") for value in reader.values[:-1]]
    assert again == list(range(many - len(again), many))
    assert many - given <= len(again) <= many - given + MAX_BATCH  # the batch that was in hand may come again, no other


async def test_a_second_process_is_refused_with_one_line_and_the_first_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "log.db"
    bus = LocalBus(file, PARTITIONS)
    with Program(OPENS, file) as program:
        code, _, said = program.end()
    await bus.publish([record("t", b"still here")])
    assert (code, said) == (1, f"{file} is in use by another process: stop it, or choose another --data\n")
    assert [r.value for r in await scanned(bus, "t")] == [b"still here"]
    await bus.close()


async def test_the_same_process_is_refused_too_until_the_first_is_closed(tmp_path: Path) -> None:
    bus = LocalBus(tmp_path / "log.db", PARTITIONS)
    with pytest.raises(Misconfigured, match="in use by another process"):
        LocalBus(tmp_path / "log.db", PARTITIONS)
    await bus.close()
    again = LocalBus(tmp_path / "log.db", PARTITIONS)
    await again.ping()
    await again.close()


async def test_a_file_that_is_no_log_is_refused_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_text("this is no database" * 1000)
    with pytest.raises(Misconfigured, match="cannot be opened") as error:
        LocalBus(tmp_path / "log.db", PARTITIONS)
    assert "\n" not in str(error.value)


def test_a_full_disk_is_waited_out_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with Program(FILLS_THE_DISK, tmp_path / "log.db") as program:
        code, told, errors = program.end()
    assert (code, errors) == (0, "")
    waits_for, away, end = told.splitlines()
    assert waits_for == "the local log"
    assert away.startswith("the local log is away: ")
    assert end == "None 0 1 2 3 4 5 6 7 8 9 room again"


async def test_many_publishers_at_once_lose_nothing(tmp_path: Path) -> None:
    async def publisher(name: str) -> None:
        for n in range(250):
            await bus.publish([record("t", b"%d" % (3 * n + i), key=name.encode()) for i in range(3)])

    bus = LocalBus(tmp_path / "log.db", PARTITIONS)
    names = [f"publisher-{n}" for n in range(8)]
    await asyncio.gather(*map(publisher, names))
    found = await scanned(bus, "t")
    await bus.close()
    for name in names:
        assert [int(r.value or b"") for r in found if r.key == name.encode()] == list(range(750))


async def test_a_record_that_cannot_be_written_harms_no_other(tmp_path: Path) -> None:
    bus = LocalBus(tmp_path / "log.db", PARTITIONS)
    broken = Record("t", 2**70, b"k", b"no such partition")
    async with Reader(bus, "t", "group") as reader:
        with pytest.raises(OverflowError):
            await bus.publish([broken])
        await bus.publish([record("t", b"fine")])
        await reader.has(1)
    assert reader.values == [b"fine"]
    await bus.close()


async def test_a_closed_bus_is_unavailable(tmp_path: Path) -> None:
    bus = LocalBus(tmp_path / "log.db", PARTITIONS)
    await bus.close()
    with pytest.raises(Unavailable, match="closed"):
        await bus.publish([record("t")])
    with pytest.raises(Unavailable, match="closed"):
        await bus.ping()


async def test_only_what_is_old_and_finished_by_all_groups_is_forgotten(tmp_path: Path) -> None:
    bus = LocalBus(tmp_path / "log.db", PARTITIONS)
    await bus.publish([record("heard", b"%d" % n) for n in range(3)] + [record("unheard", b"0")])
    async with Reader(bus, "heard", "quick") as reader:
        await reader.has(3)
    assert await bus.forget(older_than_seconds=60) == 0
    assert await bus.forget(older_than_seconds=-1) == 3
    assert [r.value for r in await scanned(bus, "heard")] == []
    assert [r.value for r in await scanned(bus, "unheard")] == [b"0"]
    await bus.publish([record("heard", b"3")])
    async with Reader(bus, "heard", "quick") as again, Reader(bus, "heard", "late") as late:
        await again.has(1)
        await late.has(1)
    assert again.values == late.values == [b"3"]
    await bus.close()
