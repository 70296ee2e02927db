"""A backup taken in the middle of posting, restored: nothing goes out twice, nothing unapproved goes out."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from libs.common import faults
from libs.common.db import Database, connect
from libs.common.events import ReplyPosted, of_type
from sandbox.state import Limits
from services.responder.handlers.restore import LaterThanBackup, finish, too_late
from services.responder.store import replies as store
from services.responder.store.tables import REPLIES
from tests.integration.responder.conftest import PACE, World
from tests.integration.responder.mentions import routed
from tests.integration.responder.network import Sandbox, sandbox

LOOK = 181  # seconds after the restore: the first look
LOOK_AGAIN = 242
SENT = ["1001", "1002", "1003", "1004"]


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
async def network() -> AsyncIterator[Sandbox]:
    """One that does not refuse the same text twice: nothing but us keeps a reply from going out again."""
    async with sandbox(Limits(duplicates_within=timedelta())) as made:
        yield made


@pytest.fixture
def backup(database_url: str, tmp_path: Path) -> Callable[[], Callable[[], str]]:
    """Takes a backup; what it gives restores that, and says where."""
    return lambda: _of_file(tmp_path) if database_url.startswith("sqlite") else _of_server(database_url, tmp_path)


def _of_file(folder: Path) -> Callable[[], str]:
    kept = folder / "backup.db"
    with sa.create_engine(f"sqlite:///{folder / 'responder.db'}").connect() as connection:
        connection.execute(sa.text(f"VACUUM INTO '{kept}'"))
    restored = folder / "restored"

    def restore() -> str:
        restored.mkdir()
        shutil.copy(kept, restored / "responder.db")
        return f"sqlite:///{restored}"

    return restore


def _of_server(url: str, folder: Path) -> Callable[[], str]:
    dump = folder / "backup.dump"
    server, _, name = url.rpartition("/")
    if shutil.which("pg_dump") is None:
        pytest.skip("NOT PROVEN HERE, for want of pg_dump")
    subprocess.run(["pg_dump", "--format=custom", f"--file={dump}", url], check=True)
    new = f"{name}-restored"

    def restore() -> str:
        subprocess.run(["createdb", f"--maintenance-db={server}/postgres", new], check=True)
        subprocess.run(["pg_restore", f"--dbname={server}/{new}", dump], check=True)
        return f"{server}/{new}"

    return restore


@pytest.fixture
async def restored(world: World) -> AsyncIterator[Callable[[str], World]]:
    """The world on another database."""
    opened: list[Database] = []

    def on(url: str) -> World:
        opened.append(connect(url, "responder"))
        return replace(world, url=url, database=opened[-1], registry=CollectorRegistry())

    yield on
    for each in opened:
        await each.close()


async def states(world: World) -> dict[str, str]:
    """Of every reply, by the mention it answers."""
    return {row["in_reply_to"]: row["state"] for row in await world.rows("replies")}


async def many_looks(world: World) -> None:
    for later in (0, LOOK, LOOK_AGAIN, LOOK_AGAIN + 61, 600, 7200):
        await world.sends(later)


async def test_a_backup_taken_in_the_middle_of_posting_posts_nothing_twice(
    world: World, restored: Callable[[str], World], backup: Callable[[], Callable[[], str]]
) -> None:
    for post_id in SENT[:2]:  # 1001: out before the backup; 1002: begun, and nobody said how it went
        await world.queued(post_id)
        if post_id == "1001":
            await world.sends()
    faults.plant("after_post_before_confirm", _kill)
    with pytest.raises(Killed):
        await world.sends()
    faults.clear()
    for post_id in SENT[2:]:  # queued at the backup; 1003 goes out after it, 1004 does not
        await world.queued(post_id)
    await _set(world, "1004", not_before=datetime.now(UTC) + timedelta(hours=1))
    restore = backup()
    await world.sends()
    assert await world.sandbox.per_mention() == {"1001": 1, "1002": 1, "1003": 1}

    again = restored(restore())
    assert (await states(again))["1003"] == "queued"
    done = await finish(again.database, [], PACE)
    await many_looks(again)

    assert (done.posted, done.in_doubt) == (0, 3)
    assert await again.sandbox.per_mention() == dict.fromkeys(SENT, 1)
    assert await states(again) == dict.fromkeys(SENT, "posted")
    assert sorted(row["own_post_id"] for row in await again.rows("replies")) == _ids(await again.sandbox.received())


async def test_nothing_is_sent_before_the_network_was_read(
    world: World, restored: Callable[[str], World], backup: Callable[[], Callable[[], str]]
) -> None:
    await world.queued()
    again = restored(backup()())
    await finish(again.database, [], PACE)

    await again.sends()
    await again.sends(LOOK)
    assert await again.sandbox.attempts() == 0
    await again.sends(LOOK_AGAIN)
    await again.sends(LOOK_AGAIN + 1)

    assert await again.sandbox.per_mention() == {"1001": 1}


async def test_what_nobody_has_approved_is_a_persons_and_not_sent(
    world: World, restored: Callable[[str], World], backup: Callable[[], Callable[[], str]]
) -> None:
    await world.queued()
    await _set(world, "1001", state="approval_pending")
    again = restored(backup()())

    await finish(again.database, [], PACE)
    await many_looks(again)

    assert await states(again) == {"1001": "needs_human"}
    assert await again.sandbox.attempts() == 0


async def test_a_reply_written_after_the_backup_is_known_from_the_log(
    world: World, restored: Callable[[str], World], backup: Callable[[], Callable[[], str]]
) -> None:
    await world.hears(routed("1001"), routed("1002"))
    draft = (await world.ask("1002", state="draft")).json()["id"]
    restore = backup()
    await world.queued("1001")
    answer = await world.http.post(f"/v1/replies/{draft}/send", headers={"Idempotency-Key": "send-it"})
    assert answer.is_success, answer.text
    await world.sends()
    await world.sends()  # the first goes alone, until the network has said how many may
    told = of_type(ReplyPosted, await world.told())

    again = restored(restore())
    assert await states(again) == {"1002": "draft"}
    done = await finish(again.database, [*told, *told], PACE)
    await many_looks(again)

    assert (done.posted, done.in_doubt) == (2, 0)
    assert await states(again) == {"1001": "posted", "1002": "posted"}
    async with again.database.read() as session:
        assert len(await store.live_replies(session, "x", "1001")) == 1  # so that nobody can ask for another
    assert await again.sandbox.per_mention() == {"1001": 1, "1002": 1}


async def test_tables_that_went_on_after_the_backup_are_not_those_of_a_backup(world: World) -> None:
    await world.queued()

    now = datetime.now(UTC)
    assert isinstance(await too_late(world.database, now - timedelta(hours=1)), LaterThanBackup)
    assert await too_late(world.database, now) is None


def _kill() -> None:
    raise Killed


def _ids(received: list[dict[str, Any]]) -> list[str]:
    return sorted(post["id"] for post in received)


async def _set(world: World, post_id: str, **values: Any) -> None:
    async with world.database.begin() as session:
        await session.execute(sa.update(REPLIES).where(REPLIES.c.in_reply_to == post_id).values(**values))
