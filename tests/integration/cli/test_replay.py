"""`guichet replay` into a real ingest: every post once, in order, whatever comes between."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli import posts
from cli.house import House
from cli.pace import Full, Rate, Speed
from cli.replay import Plan, Position, Replay, Tally, brands_of
from cli.trouble import Away, Refused, Trouble
from libs.common.events import MentionReceived
from tests.integration.ingest.world import World, world_of

NOW = datetime(2025, 6, 2, 12, tzinfo=UTC)
THEN = datetime(2017, 10, 4, 8, tzinfo=UTC)


class StillTicker:
    """Time passes only where the replay waits, and then at once."""

    def __init__(self) -> None:
        self.at = 0.0
        self.pauses: list[float] = []

    def elapsed(self) -> float:
        return self.at

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.at += seconds


class Notes:
    """A watcher that notes, and may interrupt after so many batches."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.batches: list[int] = []
        self.reasons: list[str | None] = []
        self._stop_after = stop_after

    def moved(self, tally: Tally, posted_at: datetime | None) -> None:
        self.batches.append(tally.posts)
        if len(self.batches) == self._stop_after:
            raise asyncio.CancelledError

    def waits(self, reason: str | None) -> None:
        self.reasons.append(reason)


class Away503(httpx2.AsyncBaseTransport):
    """The way to ingest, closed for the next so many requests."""

    def __init__(self, to: httpx2.AsyncBaseTransport) -> None:
        self._to = to
        self.closed_for = 0
        self.retry_after = ""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.closed_for > 0:
            self.closed_for -= 1
            if not self.retry_after:
                raise httpx2.ConnectError("refused", request=request)
            return httpx2.Response(503, headers={"Retry-After": self.retry_after}, json={"title": "Away"})
        return await self._to.handle_async_request(request)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(tmp_path / "house", "") as made:
        yield made


class Scene:
    """A file, and what sending it takes."""

    def __init__(self, world: World, folder: Path) -> None:
        self.file = folder / "posts.ndjson"
        self.way = Away503(httpx2.ASGITransport(world.service.app))
        self.ticker = StillTicker()
        self._world = world
        self._kept = folder / "position.json"

    def write(self, *lines: dict[str, Any] | str) -> None:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        self.file.write_text("".join(f"{text}\n" for text in texts), "utf-8")

    async def replay(
        self, notes: Notes | None = None, speed: Speed | None = None, shift: bool = False, limit: int | None = None
    ) -> Tally:
        brands, _ = brands_of(self.file, None)
        plan = Plan(self.file, posts.survey(self.file, limit), speed or Full(), shift, brands, "x", limit)
        position = Position(self._kept, self.file)
        position.load()
        async with House({"ingest": "http://ingest"}, self._world.admin, self.way) as house:
            return await Replay(house, plan, position, notes or Notes(), self.ticker, NOW).run()  # type: ignore[arg-type]


@pytest.fixture
def scene(world: World, tmp_path: Path) -> Scene:
    made = Scene(world, tmp_path)
    user = {"id": "99", "username": "Acme_Help", "name": "Acme", "verified_brand": True}
    posts.users_beside(made.file).write_text(json.dumps(user) + "\n")
    return made


def post(n: int, author: str = "1", text: str = "@acme_help where is my bag?") -> dict[str, Any]:
    at = posts.text_of(THEN + timedelta(minutes=n))
    return {"id": str(n), "author_id": author, "text": text, "created_at": at, "_meta": {"secret": n}}


async def ids(world: World) -> list[str]:
    return [mention.post_id for mention in await world.mentions()]


async def test_every_post_is_in_the_log_once_and_our_own_are_known(world: World, scene: Scene) -> None:
    scene.write(*(post(n) for n in range(1, 1201)), post(1201, author="99", text="@1 here it is"))
    tally = await scene.replay()
    assert (tally.posts, tally.accepted, tally.rejected) == (1201, 1201, 0)
    assert await ids(world) == [str(n) for n in range(1, 1201)]
    assert [own.post_id for own in await world.own_posts()] == ["1201"]
    assert {mention.handle for mention in await world.mentions()} == {"acme-help"}


async def test_notes_of_the_file_are_not_sent(world: World, scene: Scene) -> None:
    scene.write(post(1))
    await scene.replay()
    assert b"_meta" not in ((await world.records())[0].value or b"")


async def test_what_is_no_post_is_counted_with_its_reason_and_the_others_go(world: World, scene: Scene) -> None:
    scene.write(post(1), "{", {**post(2), "author_id": None}, post(3))
    tally = await scene.replay()
    assert (tally.posts, tally.accepted, tally.rejected) == (4, 2, 2)
    assert set(tally.reasons) == {"not a JSON object", "$.author_id: Expected `int | str`, got `null`."}
    assert await ids(world) == ["1", "3"]


async def test_stopped_it_goes_on_where_it_was(world: World, scene: Scene) -> None:
    scene.write(*(post(n) for n in range(1, 1301)))
    with pytest.raises(asyncio.CancelledError):
        await scene.replay(Notes(stop_after=1))
    tally = await scene.replay()
    assert (tally.posts, tally.accepted) == (1300, 1300)
    assert await ids(world) == [str(n) for n in range(1, 1301)]


async def test_done_it_begins_anew(world: World, scene: Scene) -> None:
    scene.write(post(1))
    await scene.replay()
    assert (await scene.replay()).accepted == 1
    assert await ids(world) == ["1", "1"]  # the router knows them for the same


async def test_another_file_of_the_same_name_begins_anew(world: World, scene: Scene) -> None:
    scene.write(*(post(n) for n in range(1, 601)))
    with pytest.raises(asyncio.CancelledError):
        await scene.replay(Notes(stop_after=1))
    scene.write(post(7001))
    assert (await scene.replay()).posts == 1


async def test_only_so_many_posts_counted_over_an_interruption(world: World, scene: Scene) -> None:
    scene.write(*(post(n) for n in range(1, 1301)))
    with pytest.raises(asyncio.CancelledError):
        await scene.replay(Notes(stop_after=1), limit=700)
    assert (await scene.replay(limit=700)).posts == 700
    assert len(await ids(world)) == 700


async def test_while_ingest_is_away_it_waits_and_then_goes_on(world: World, scene: Scene) -> None:
    scene.write(post(1))
    scene.way.closed_for = 3
    notes = Notes()
    assert (await scene.replay(notes)).accepted == 1
    assert notes.reasons[0] == "ingest is away: nothing answers there (http://ingest); `guichet up` starts it"
    assert notes.reasons[-1] is None
    assert scene.ticker.pauses == [0.5, 1.0, 2.0]


async def test_ingest_says_how_long_to_wait(world: World, scene: Scene) -> None:
    scene.write(post(1))
    scene.way.closed_for, scene.way.retry_after = 1, "7"
    await scene.replay()
    assert scene.ticker.pauses == [7.0]


async def test_with_its_log_away_nothing_is_lost_and_nothing_doubled(world: World, scene: Scene) -> None:
    scene.write(*(post(n) for n in range(1, 601)))

    class Heals(Notes):
        def waits(self, reason: str | None) -> None:
            world.bus.away = False

        def moved(self, tally: Tally, posted_at: datetime | None) -> None:
            world.bus.away = tally.posts == 500

    assert (await scene.replay(Heals())).accepted == 600
    assert await ids(world) == [str(n) for n in range(1, 601)]


async def test_a_house_that_never_answered_is_not_waited_for_for_ever(scene: Scene) -> None:
    scene.write(post(1))
    scene.way.closed_for = 1000
    with pytest.raises(Away):
        await scene.replay()


async def test_a_refusal_ends_it(world: World, scene: Scene) -> None:
    scene.write(post(1))
    world.admin = world.reader
    with pytest.raises(Refused, match="403"):
        await scene.replay()


async def test_shifted_at_full_speed_the_last_post_is_from_now(world: World, scene: Scene) -> None:
    scene.write(post(1), post(61))
    await scene.replay(shift=True)
    first, last = await world.mentions()
    assert (last.post_id, last.posted_at) == ("61", NOW)
    assert first.posted_at == NOW - timedelta(hours=1)


async def test_shifted_with_a_pace_a_post_is_from_the_moment_it_is_sent(world: World, scene: Scene) -> None:
    scene.write(*(post(n * 60) for n in range(1, 5)))
    notes = Notes()
    await scene.replay(notes, speed=Rate(2), shift=True)
    assert notes.batches == [1, 2, 3, 4]
    assert [m.posted_at - NOW for m in await world.mentions()] == [timedelta(seconds=n / 2) for n in range(4)]


async def test_without_users_and_brands_everything_goes_to_the_default_handle(world: World, scene: Scene) -> None:
    posts.users_beside(scene.file).unlink()
    scene.write(post(1))
    assert "every mention goes to the handle `default`" in brands_of(scene.file, None)[1]
    await scene.replay()
    (mention,) = await world.told()
    assert isinstance(mention, MentionReceived)
    assert mention.handle == "default"


def test_more_names_than_a_path_can_hold_are_names(tmp_path: Path) -> None:
    names = [f"brand{n}" for n in range(1000)]
    found, where = brands_of(tmp_path / "posts.ndjson", ",".join(names))
    assert [handle.username for handle in found] == names
    assert where == "1000 handles from --brands"


@pytest.mark.parametrize("mistyped", ["nowhere/brands", "uesrs.ndjson"])
def test_a_mistyped_file_of_brands_is_not_taken_for_a_name(tmp_path: Path, mistyped: str) -> None:
    with pytest.raises(Trouble, match=f"{mistyped} cannot be read: No such file"):
        brands_of(tmp_path / "posts.ndjson", mistyped)
