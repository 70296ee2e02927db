"""Following a file: from where it stopped, as it grows, and nothing lost while the log is away."""

import json
from pathlib import Path
from typing import Any

from tests.integration.ingest.world import FlakyBus, World, world_of, x_post


def write(file: Path, *ids: int, end: str = "\n") -> None:
    """Append posts to the file."""
    with file.open("a", encoding="utf-8") as to:
        to.write("\n".join(json.dumps(x_post(str(id_))) for id_ in ids) + end)


async def read_until(world: World, size: int) -> Any:
    """Wait until so many bytes are done; gives the source as it stands then."""
    answer = await world.until(
        "/v1/sources", lambda answer: any(each["position"] == size for each in answer.json()["items"])
    )
    return answer.json()["items"][0]


async def test_a_file_is_read_to_its_end_and_followed(tmp_path: Path) -> None:
    file = tmp_path / "posts.ndjson"
    write(file, *range(1200))
    async with world_of(tmp_path, "", file=file) as world:
        source = await read_until(world, file.stat().st_size)
        assert (source["name"], source["kind"]) == ("posts.ndjson", "file")
        assert source["last_event_at"] is not None

        write(file, 1200)
        await read_until(world, file.stat().st_size)
        assert [mention.post_id for mention in await world.mentions()] == [str(n) for n in range(1201)]
        assert {mention.source for mention in await world.mentions()} == {"file"}
        figures = (await world.call("GET", "/metrics")).text
        assert 'mentions_ingested_total{outcome="accepted",source="file"} 1201.0' in figures


async def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file, bus = tmp_path / "posts.ndjson", FlakyBus()
    write(file, 1, 2)
    async with world_of(tmp_path, "", bus=bus, file=file) as world:
        await read_until(world, file.stat().st_size)
    write(file, 3)
    async with world_of(tmp_path, "", bus=bus, file=file) as world:
        await read_until(world, file.stat().st_size)
        assert [mention.post_id for mention in await world.mentions()] == ["1", "2", "3"]
    await bus.close()


async def test_a_line_still_being_written_is_left_until_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "posts.ndjson"
    write(file, 1)
    whole = file.stat().st_size
    with file.open("a", encoding="utf-8") as to:
        to.write('{"id": "2", "te')
    async with world_of(tmp_path, "", file=file) as world:
        await read_until(world, whole)
        with file.open("a", encoding="utf-8") as to:
            to.write('xt": "hi", "author_id": "3"}\n')
        await read_until(world, file.stat().st_size)
        assert [mention.post_id for mention in await world.mentions()] == ["1", "2"]


async def test_a_bad_line_is_counted_and_passed(tmp_path: Path) -> None:
    file = tmp_path / "posts.ndjson"
    file.write_bytes(b'{"id":\n' + b"\xff\n\n" + b'"' + b"x" * 300_000 + b'"\n')
    write(file, 1)
    async with world_of(tmp_path, "", file=file) as world:
        await read_until(world, file.stat().st_size)
        assert [mention.post_id for mention in await world.mentions()] == ["1"]
        figures = (await world.call("GET", "/metrics")).text
        assert 'mentions_ingested_total{outcome="rejected",source="file"} 3.0' in figures


async def test_the_position_waits_for_the_log(tmp_path: Path) -> None:
    file, bus = tmp_path / "posts.ndjson", FlakyBus()
    write(file, 1, 2)
    bus.away = True
    async with world_of(tmp_path, "", bus=bus, file=file, ready=False) as world:
        await world.until("/readyz", lambda answer: "Kafka is away" in answer.text)
        assert (await world.call("GET", "/v1/sources")).json()["items"] == []
        bus.away = False
        await read_until(world, file.stat().st_size)
        assert [mention.post_id for mention in await world.mentions()] == ["1", "2"]
    await bus.close()


async def test_a_file_begun_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "posts.ndjson"
    write(file, 1, 2, 3)
    async with world_of(tmp_path, "", file=file) as world:
        await read_until(world, file.stat().st_size)
        file.unlink()
        write(file, 4)
        await read_until(world, file.stat().st_size)
        assert [mention.post_id for mention in await world.mentions()] == ["1", "2", "3", "4"]


async def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "posts.ndjson"
    async with world_of(tmp_path, "", file=file) as world:
        write(file, 1)
        await read_until(world, file.stat().st_size)
        assert len(await world.mentions()) == 1
