"""The ladder a batch goes down when something is wrong: nothing is lost, and only the culprit is set aside."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from libs.common import __version__
from libs.common.bus import MAX_BATCH, Record
from libs.common.bus_local import LocalBus
from libs.common.errors import Raced, Rejected, Unavailable
from libs.common.events import CLASSIFIED, RAW, Event
from libs.common.worker import Patience, TooManyDead
from tests.builders import PARTITIONS, figure, published, received, record, unreadable
from tests.buses import scanned, until
from tests.lines import Line, fails_on, fails_times


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    bus = LocalBus(":memory:", PARTITIONS)
    yield Line(bus)
    await bus.close()


# --- all is well


async def test_what_a_handler_returns_goes_to_the_partition_of_its_cause(line: Line) -> None:
    await line.hears(published(received("e-1", key="a"), partition=3), published(received("e-2", key="b"), partition=1))
    assert line.calls == [["e-1", "e-2"]]
    assert [(r.topic, r.partition, r.header("ce_id")) for r in await scanned(line.bus, CLASSIFIED)] == [
        (CLASSIFIED, 3, "of-e-1"),
        (CLASSIFIED, 1, "of-e-2"),
    ]
    assert await line.dead() == []


async def test_a_type_of_a_newer_teller_is_passed_over_and_counted(line: Line) -> None:
    newer = record(RAW, b'{"what": "ever"}', headers={"ce_type": b"mention.received.v9"})
    await line.hears(newer, published(received("e-1")), newer)
    assert (line.calls, await line.dead()) == ([["e-1"]], [])
    counted = {"group": "tests", "type": "mention.received.v9", "outcome": "unknown_type"}
    assert figure(line.metrics, "events_handled_total", **counted) == 2


async def test_a_tombstone_is_passed_over(line: Line) -> None:
    await line.hears(record(RAW, None), published(received("e-1")))
    assert (line.calls, await line.dead()) == ([["e-1"]], [])


async def test_what_was_done_is_counted(line: Line) -> None:
    await line.hears(*(published(received()) for _ in range(5)))
    done = {"group": "tests", "type": "mention.received.v1", "outcome": "done"}
    assert figure(line.metrics, "events_handled_total", **done) == 5
    assert figure(line.metrics, "events_published_total", type="mention.classified.v1") == 5
    assert figure(line.metrics, "event_handle_seconds_count", group="tests", topic=RAW) == 1
    assert figure(line.metrics, "event_age_seconds_count", group="tests") == 1


async def test_the_lag_counts_the_batch_in_hand_and_falls_to_nothing(line: Line) -> None:
    seen: list[float] = []

    async def look(events: Sequence[Event]) -> None:
        seen.append(figure(line.metrics, "consumer_lag_records", group="tests", topic=RAW))

    line.does = look
    await line.hears(*(published(received()) for _ in range(MAX_BATCH + 200)))
    assert seen == [MAX_BATCH + 200, 200]
    assert figure(line.metrics, "consumer_lag_records", group="tests", topic=RAW) == 0


# --- records that nobody can read


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (unreadable(RAW), "mention.received.v1"),
        (unreadable(RAW, b""), "mention.received.v1"),
        (unreadable(RAW, b"\xff\xfe"), "mention.received.v1"),
        (unreadable(RAW, b'{"event_id": 7}'), "$.event_id"),
        (unreadable(RAW, b"[" * 100_000), "mention.received.v1"),
        (record(RAW, b"{}"), "without a ce_type"),
    ],
    ids=["not JSON", "empty", "not UTF-8", "wrong type", "too deep", "no type"],
)
async def test_what_cannot_be_read_is_a_dead_letter_byte_for_byte_before_anything_is_handled(
    line: Line, bad: Record, says: str
) -> None:
    await line.hears(published(received("e-1")), bad, published(received("e-2")))
    assert line.calls == [["e-1", "e-2"]]
    (letter,) = await line.dead()
    assert (letter.partition, letter.value, letter.headers[: len(bad.headers)]) == (
        bad.partition,
        bad.value,
        bad.headers,
    )
    assert says in letter.header("dlq_error")
    assert letter.header("dlq_attempts") == "0"
    first_told = (await scanned(line.bus, CLASSIFIED))[0]
    assert letter.offset < first_told.offset


async def test_a_dead_letter_says_where_it_came_from(line: Line) -> None:
    bad = unreadable(RAW)
    await line.hears(bad)
    (kept,) = await scanned(line.bus, RAW)
    (letter,) = await line.dead()
    assert letter.key.decode() == f"{RAW}/{bad.partition}/{kept.offset}/tests"
    added = {name: value for name, value in letter.headers if name.startswith("dlq_")}
    error = added.pop("dlq_error")
    assert added == {
        "dlq_key": bad.key,
        "dlq_topic": RAW.encode(),
        "dlq_group": b"tests",
        "dlq_attempts": b"0",
        "dlq_version": __version__.encode(),
    }
    assert error.startswith(b"mention.received.v1: ")
    assert figure(line.metrics, "dead_letters_total", topic=RAW) == 1


async def test_a_dead_letter_waits_for_the_log(line: Line) -> None:
    await line.sends(unreadable(RAW))
    worker, line.bus.before = line.worker(), True
    async with line.running(worker):
        await until(lambda: line.bus.tries > 5)
        assert worker.ready() == "tests waits for Kafka"
        assert not line.done
        line.bus.before = False
        await until(lambda: line.done)
    assert len(await line.dead()) == 1


# --- Rejected


async def test_a_rejected_event_is_a_dead_letter_and_the_rest_run_again(line: Line) -> None:
    line.does = fails_on("e-2", Rejected("not a post", "e-2"))
    await line.hears(*(published(received(f"e-{n}")) for n in range(1, 5)))
    assert line.calls == [["e-1", "e-2", "e-3", "e-4"], ["e-1", "e-3", "e-4"]]
    (letter,) = await line.dead()
    assert (letter.header("ce_id"), letter.header("dlq_error"), letter.header("dlq_attempts")) == (
        "e-2",
        "not a post",
        "1",
    )
    assert await line.told() == ["of-e-1", "of-e-3", "of-e-4"]


async def test_a_rejection_that_names_nobody_is_found_by_halves_without_waiting(line: Line) -> None:
    line.does = fails_on("e-3", Rejected("one of them"))
    await line.hears(*(published(received(f"e-{n}")) for n in range(1, 5)), worker=line.worker(Patience()))
    assert line.sizes == [4, 2, 2, 1, 1]
    assert [letter.header("ce_id") for letter in await line.dead()] == ["e-3"]
    assert await line.told() == ["of-e-1", "of-e-2", "of-e-4"]


# --- bugs of ours


async def test_a_batch_that_fails_runs_again_whole_before_anything_else(line: Line) -> None:
    line.does = fails_times(2, KeyError("flaky"))
    await line.hears(*(published(received(f"e-{n}")) for n in range(4)))
    assert (line.sizes, await line.dead()) == ([4, 4, 4], [])
    assert await line.told() == [f"of-e-{n}" for n in range(4)]


async def test_a_batch_that_keeps_failing_is_halved_until_the_culprit_stands_alone(line: Line) -> None:
    line.does = fails_on("e-5", ZeroDivisionError("ours"))
    await line.hears(*(published(received(f"e-{n}")) for n in range(8)))
    assert line.sizes == [8, 8, 8, 4, 4, 2, 1, 1, 1, 2]
    (letter,) = await line.dead()
    assert (letter.header("ce_id"), letter.header("dlq_attempts")) == ("e-5", "2")
    first, *trace = letter.header("dlq_error").splitlines()
    assert first == "ZeroDivisionError: ours"
    assert trace[0].startswith("Traceback")
    assert await line.told() == [f"of-e-{n}" for n in range(8) if n != 5]


async def test_several_culprits_are_each_found(line: Line) -> None:
    async def does(events: Sequence[Event]) -> None:
        if {event.event_id for event in events} & {"e-0", "e-3", "e-7"}:
            raise ValueError("ours")

    line.does = does
    await line.hears(*(published(received(f"e-{n}")) for n in range(8)))
    assert [letter.header("ce_id") for letter in await line.dead()] == ["e-0", "e-3", "e-7"]
    assert await line.told() == [f"of-e-{n}" for n in (1, 2, 4, 5, 6)]


async def test_a_lone_record_gets_three_tries(line: Line) -> None:
    line.does = fails_on("e-1", ValueError("ours"))
    await line.hears(published(received("e-1")))
    assert line.sizes == [1, 1, 1]
    assert (await line.dead())[0].header("dlq_attempts") == "3"


async def test_a_later_record_of_a_dead_lettered_key_goes_on(line: Line) -> None:
    line.does = fails_on("e-1", ValueError("ours"))
    await line.hears(published(received("e-1", key="ana")), published(received("e-2", key="ana")))
    await line.hears(published(received("e-3", key="ana")))
    assert [letter.header("ce_id") for letter in await line.dead()] == ["e-1"]
    assert await line.told() == ["of-e-2", "of-e-3"]


# --- Raced


async def test_a_race_runs_again_at_once(line: Line) -> None:
    line.does = fails_times(5, Raced("somebody was quicker"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await line.hears(published(received("e-1")), published(received("e-2")), worker=line.worker(Patience()))
    assert loop.time() - began < 1
    assert (line.sizes, await line.dead()) == ([2] * 6, [])


async def test_a_race_that_goes_on_is_halved_and_nobody_is_a_dead_letter(line: Line) -> None:
    line.does = fails_times(7, Raced("somebody was quicker"))
    await line.hears(*(published(received(f"e-{n}")) for n in range(4)))
    assert line.sizes == [4] * 6 + [2, 2, 2]
    assert await line.dead() == []
    assert await line.told() == [f"of-e-{n}" for n in range(4)]


async def test_a_lone_record_may_race_for_as_long_as_it_takes(line: Line) -> None:
    line.does = fails_times(20, Raced("somebody was quicker"))
    await line.hears(published(received("e-1")))
    assert (line.sizes, await line.dead(), await line.told()) == ([1] * 21, [], ["of-e-1"])


# --- Unavailable


async def test_what_is_away_is_waited_for_as_long_as_it_takes(line: Line) -> None:
    back = asyncio.Event()

    async def does(events: Sequence[Event]) -> None:
        if not back.is_set():
            raise Unavailable("the database", "connection refused")

    line.does = does
    await line.sends(published(received("e-1")), published(received("e-2")))
    worker = line.worker()
    async with line.running(worker):
        await until(lambda: len(line.calls) > 30)
        assert worker.ready() == "tests waits for the database"
        assert worker.alive() is None
        back.set()
        await until(lambda: line.done)
        assert worker.ready() is None
    assert set(line.sizes) == {2}
    assert (await line.dead(), await line.told()) == ([], ["of-e-1", "of-e-2"])


async def test_a_log_that_is_away_for_what_was_told_is_waited_for(line: Line) -> None:
    await line.sends(published(received("e-1")))
    worker, line.bus.before = line.worker(), True
    async with line.running(worker):
        await until(lambda: line.bus.tries > 5)
        assert worker.ready() == "tests waits for Kafka"
        line.bus.before = False
        await until(lambda: line.done)
    assert (await line.dead(), await line.told()) == ([], ["of-e-1"])


async def test_waiting_ends_in_words_too_when_the_next_try_fails_for_another_reason(line: Line) -> None:
    readiness: list[str | None] = []
    errors: list[Exception] = [Unavailable("the database"), ValueError("ours"), ValueError("ours")]

    async def does(events: Sequence[Event]) -> None:
        readiness.append(worker.ready())
        if errors:
            raise errors.pop(0)

    line.does, worker = does, line.worker()
    await line.hears(published(received("e-1")), worker=worker)
    assert readiness == [None, "tests waits for the database", None, None]


# --- stopping


@pytest.mark.parametrize("error", [Unavailable("the database"), ValueError("ours")])
async def test_stopping_during_a_wait_leaves_the_batch_unfinished(line: Line, error: Exception) -> None:
    line.does = fails_times(1, error)
    await line.sends(published(received("e-1")))
    slow = Patience(whole_again=(60, 60), away_first=60, away_longest=60)
    async with line.running(line.worker(slow)) as task:
        await until(lambda: bool(line.calls))
        line.stop.set()
        async with asyncio.timeout(2):
            await task
    assert (await line.dead(), await line.told()) == ([], [])
    await line.hears()
    assert (line.calls, await line.told()) == ([["e-1"], ["e-1"]], ["of-e-1"])


async def test_a_worker_is_ready_while_it_has_joined(line: Line) -> None:
    worker = line.worker()
    assert worker.ready() == "tests has not joined its group"
    async with line.running(worker):
        await until(lambda: worker.ready() is None)
        assert worker.alive() is None
    assert worker.ready() == "tests has not joined its group"


# --- too many dead


async def test_fifty_dead_in_a_row_stop_the_line(line: Line) -> None:
    await line.sends(*(unreadable(RAW, b"%d" % n) for n in range(60)))
    with pytest.raises(TooManyDead, match="50 records in a row"):
        await line.hears()
    assert len(await line.dead()) == 49
    with pytest.raises(TooManyDead):  # nothing was passed over: the next one meets them all again
        await line.hears()


async def test_dead_ones_among_others_do_not_stop_the_line(line: Line) -> None:
    for n in range(8):
        await line.hears(*(unreadable(RAW) for _ in range(9)), published(received(f"e-{n}")))
    assert len(await line.dead()) == 72
    assert len(await line.told()) == 8


async def test_more_than_a_twentieth_of_the_last_records_stop_the_line(line: Line) -> None:
    worker = line.worker(Patience(dead_window=100))
    await line.hears(*(published(received()) for _ in range(100)), worker=worker)
    for _ in range(5):
        await line.hears(unreadable(RAW), *(published(received()) for _ in range(9)), worker=worker)
    with pytest.raises(TooManyDead, match="6 of the last 100"):
        await line.hears(unreadable(RAW), published(received()), worker=worker)


async def test_dead_ones_of_long_ago_are_forgotten(line: Line) -> None:
    worker = line.worker(Patience(dead_window=20, dead_share=0.05))
    for n in range(4):
        await line.hears(unreadable(RAW), *(published(received()) for _ in range(40)), worker=worker)
        assert len(await line.dead()) == n + 1
