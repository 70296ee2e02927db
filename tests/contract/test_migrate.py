"""What migrating promises, on SQLite and on PostgreSQL: a tiny history of two versions, made in the test."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from libs.common.db import connect
from libs.common.errors import Misconfigured, Unavailable
from libs.common.migrate import check, migrate

FIRST = """
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table("thing", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
    op.execute("INSERT INTO thing (id, name) VALUES (1, 'kept')")
"""
SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("thing") as thing:
        thing.add_column(sa.Column("color", sa.Text, nullable=False, server_default="red"))
        thing.alter_column("name", nullable=False)
"""
FAILS = """
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("INSERT INTO thing (id, name) VALUES (2, 'half done')")
    op.execute("INSERT INTO no_such_place (id) VALUES (1)")
"""


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """The folder of a service's migrations, with two of them."""
    return write(tmp_path / "migrations", FIRST, SECOND)


async def test_an_empty_database_comes_to_the_newest_version(database_url: str, history: Path) -> None:
    assert await migrate(database_url, "tiny", history) == (None, "0002")
    assert await check(database_url, "tiny", history) is None
    assert await things(database_url) == [(1, "kept", "red")]


async def test_migrating_again_changes_nothing(database_url: str, history: Path) -> None:
    await migrate(database_url, "tiny", history)
    assert await migrate(database_url, "tiny", history) == ("0002", "0002")
    assert await things(database_url) == [(1, "kept", "red")]


async def test_rows_survive_a_later_version(database_url: str, history: Path, tmp_path: Path) -> None:
    only_first = write(tmp_path / "older", FIRST)
    assert await migrate(database_url, "tiny", only_first) == (None, "0001")
    assert await migrate(database_url, "tiny", history) == ("0001", "0002")
    assert await things(database_url) == [(1, "kept", "red")]


async def test_tables_that_are_behind_are_said_to_be_and_what_to_do(
    database_url: str, history: Path, tmp_path: Path
) -> None:
    nothing = await check(database_url, "tiny", history)
    await migrate(database_url, "tiny", write(tmp_path / "older", FIRST))
    behind = await check(database_url, "tiny", history)
    assert nothing == "the tables of tiny are at nothing, 0002 is needed: run `guichet migrate`"
    assert behind == "the tables of tiny are at 0001, 0002 is needed: run `guichet migrate`"


async def test_tables_that_are_ahead_stop_the_program_with_one_line(
    database_url: str, history: Path, tmp_path: Path
) -> None:
    await migrate(database_url, "tiny", history)
    older = write(tmp_path / "older", FIRST)
    for attempt in (check, migrate):
        with pytest.raises(Misconfigured, match=r"^the tables of tiny are at version 0002") as error:
            await attempt(database_url, "tiny", older)
        assert "\n" not in str(error.value)
    assert await things(database_url) == [(1, "kept", "red")]


async def test_two_that_migrate_at_once_do_it_once(database_url: str, history: Path) -> None:
    answers = await asyncio.gather(*(migrate(database_url, "tiny", history) for _ in range(3)))
    assert sorted(answers, key=str) == [("0002", "0002"), ("0002", "0002"), (None, "0002")]
    assert await things(database_url) == [(1, "kept", "red")]


async def test_services_have_histories_of_their_own_in_one_database(database_url: str, history: Path) -> None:
    await migrate(database_url, "tiny", history)
    assert await check(database_url, "other", history) == (
        "the tables of other are at nothing, 0002 is needed: run `guichet migrate`"
    )
    assert await migrate(database_url, "other", history) == (None, "0002")


async def test_a_migration_that_fails_leaves_the_version_before_it(
    database_url: str, history: Path, tmp_path: Path
) -> None:
    await migrate(database_url, "tiny", history)
    with pytest.raises((sa.exc.DBAPIError, Unavailable), match="no_such_place"):
        await migrate(database_url, "tiny", write(tmp_path / "newer", FIRST, SECOND, FAILS))
    assert await check(database_url, "tiny", history) is None
    assert await things(database_url) == [(1, "kept", "red")]


@pytest.mark.postgres
async def test_a_database_that_is_not_there_is_unavailable(postgres_url: str, history: Path) -> None:
    missing = f"{postgres_url}_missing"
    with pytest.raises(Unavailable, match="does not exist"):
        await check(missing, "tiny", history)


async def test_a_server_that_does_not_answer_is_unavailable(history: Path) -> None:
    with pytest.raises(Unavailable, match="the database is away"):
        await check("postgresql://postgres@127.0.0.1:1/nothing", "tiny", history)


def write(folder: Path, *steps: str) -> Path:
    """The folder of a history with these steps."""
    folder.mkdir()
    for number, step in enumerate(steps, 1):
        (folder / f"v{number:04}.py").write_text(step)
    return folder


async def things(url: str) -> list[tuple[int, str, str]]:
    """The rows of the only table."""
    database = connect(url, "tiny")
    try:
        async with database.read() as session:
            found = await session.execute(sa.text("SELECT id, name, color FROM thing ORDER BY id"))
            return [(row.id, row.name, row.color) for row in found]
    finally:
        await database.close()
