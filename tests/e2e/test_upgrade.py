"""Restarts and upgrades from end to end: callers see nothing worse than "try again", and nothing is lost."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from bench.queue import COMMIT_TIMES
from cli.services import MIGRATIONS
from libs.common.migrate import check, migrate
from tests.proof.fleet import running
from tests.proof.restart import prepared, rolling, under_load
from tests.servers import KafkaCluster, Postgres


class Table(NamedTuple):
    """A table as a program that writes to it sees it."""

    must: dict[str, bool]  # by column: whether a new row has to name it
    unique: set[str]
    key: list[str]


Tables = dict[str, Table]

CONTRACTING: Mapping[str, set[str]] = {
    # before the first release: nobody ran what still used them
    "router": {"0002: table queues is gone", "0004: the key of leases is another"},
    # only of a kind of replies that the version before never writes
    "responder": {"0005: index replies_automatic refuses what was allowed"},
}
"""What the migrations so far took from the version before. Nothing is added here once there are releases."""

FIRST = """
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table("thing", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
    op.create_table("other", sa.Column("id", sa.Integer, primary_key=True))
"""
SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    {}
"""


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.slow
async def test_a_rolling_restart_of_every_service_loses_nothing_and_fails_no_caller(
    kafka_to_crash: KafkaCluster, postgres_with_commit_times: Postgres, tmp_path: Path
) -> None:
    assert COMMIT_TIMES == {"track_commit_timestamp": "on"}  # as the fixture's
    bus = f"kafka://{kafka_to_crash.bootstrap}"
    database = postgres_with_commit_times.create_database("guichet")

    async with running(tmp_path, bus, database, prepare=partial(prepared, bus, database)) as fleet:
        verdict = await under_load(fleet, rolling(), rate=50, calm_seconds=0.5)

    assert verdict.accepted > 0
    assert (verdict.missing, verdict.unasked, verdict.doubled) == (set(), set(), 0)
    assert list(verdict.wrong) == []


@pytest.mark.parametrize("service", MIGRATIONS)
async def test_a_migration_takes_nothing_away_from_the_version_before(service: str, tmp_path: Path) -> None:
    assert await taken_away(MIGRATIONS[service], tmp_path) == CONTRACTING.get(service, set())


@pytest.mark.parametrize(
    ("does", "found"),
    [
        ('op.drop_table("other")', {"0002: table other is gone"}),
        ('op.drop_column("thing", "name")', {"0002: column thing.name is gone"}),
        ('op.alter_column("thing", "name", new_column_name="title")', {"0002: column thing.name is gone"}),
        (
            'op.add_column("thing", sa.Column("color", sa.Text, nullable=False, server_default=""))\n'
            '    op.create_table("new", sa.Column("id", sa.Integer, primary_key=True))',
            set(),
        ),
        (
            'with op.batch_alter_table("thing") as t:\n        t.alter_column("name", nullable=False)',
            {"0002: column thing.name must be given now"},
        ),
        (
            'with op.batch_alter_table("thing") as t:\n        t.add_column(sa.Column("a", sa.Text, nullable=False))',
            {"0002: column thing.a must be given now"},
        ),
        ('op.create_index("one", "thing", ["name"], unique=True)', {"0002: index one refuses what was allowed"}),
    ],
)
async def test_what_takes_away_is_seen(does: str, found: set[str], tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_first.py").write_text(FIRST)
    (folder / "0002_second.py").write_text(SECOND.format(does))

    assert await taken_away(folder, tmp_path) == found


async def test_tables_of_the_version_before_are_waited_for(database_url: str, tmp_path: Path) -> None:
    folder = MIGRATIONS["responder"]
    older = copied(revisions_of(folder)[:-1], tmp_path / "older")
    await migrate(database_url, "responder", older)

    behind = await check(database_url, "responder", folder)
    await migrate(database_url, "responder", folder)

    assert behind is not None
    assert "run `guichet migrate`" in behind
    assert await check(database_url, "responder", folder) is None


async def taken_away(folder: Path, scratch: Path) -> set[str]:
    """What each migration of a history takes from a program of the version before it."""
    found: set[str] = set()
    before: Tables = {}
    revisions = revisions_of(folder)
    for count, revision in enumerate(revisions, start=1):
        await migrate(f"sqlite:///{scratch}", "history", copied(revisions[:count], scratch / f"{count}"))
        after = tables(scratch / "history.db")
        found |= {f"{revision.stem[:4]}: {what}" for what in lost(before, after)}
        before = after
    return found


def revisions_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.py"))


def copied(files: Sequence[Path], folder: Path) -> Path:
    folder.mkdir()
    for file in files:
        (folder / file.name).write_text(file.read_text("utf-8"), "utf-8")
    return folder


def tables(file: Path) -> Tables:
    engine = sa.create_engine(f"sqlite:///{file}")
    try:
        inspector = sa.inspect(engine)
        return {
            name: Table(
                {
                    column["name"]: not column["nullable"] and column["default"] is None
                    for column in inspector.get_columns(name)
                },
                {str(index["name"]) for index in inspector.get_indexes(name) if index["unique"]},
                inspector.get_pk_constraint(name)["constrained_columns"],
            )
            for name in inspector.get_table_names()
        }
    finally:
        engine.dispose()


def lost(before: Tables, after: Tables) -> Iterator[str]:
    for name, table in before.items():
        if name not in after:
            yield f"table {name} is gone"
            continue
        new = after[name]
        for column in table.must.keys() - new.must.keys():
            yield f"column {name}.{column} is gone"
        for column, must in new.must.items():
            if must and not table.must.get(column, False):
                yield f"column {name}.{column} must be given now"
        if new.key != table.key:
            yield f"the key of {name} is another"
        for index in new.unique - table.unique:
            yield f"index {index} refuses what was allowed"
