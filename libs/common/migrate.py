"""Migrations by Alembic: one history per service, the same on PostgreSQL and SQLite."""

import asyncio
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

from libs.common.db import server_settings
from libs.common.errors import Misconfigured, Unavailable

CONNECT_SECONDS = 5


async def migrate(url: str, service: str, folder: Path) -> tuple[str | None, str]:
    """Bring the service's tables to the newest migration; returns the version before and after.

    Raises:
        Misconfigured: the database is ahead of this program.
        Unavailable: it does not answer.
    """
    script = _script(folder)
    answer: tuple[str | None, str] = await _on(url, service, lambda connection: _upgrade(connection, script, service))
    return answer


async def check(url: str, service: str, folder: Path) -> str | None:
    """None when the tables are at the version this program needs; else one line: they are behind.

    Raises:
        Misconfigured: they are ahead: a newer program has been here, and this one must not write.
        Unavailable: the database does not answer.
    """
    script = _script(folder)
    head = script.get_current_head()
    current = await _on(url, service, _current)
    if current == head:
        return None
    if current is not None and current not in {step.revision for step in script.walk_revisions()}:
        raise Misconfigured(_ahead(service, current))
    return f"the tables of {service} are at {current or 'nothing'}, {head} is needed: run `guichet migrate`"


def _script(folder: Path) -> ScriptDirectory:
    return ScriptDirectory(str(folder), version_locations=[str(folder)])


async def _on(url: str, service: str, work: Any) -> Any:
    """Run `work(connection)` on a connection of its own, in one transaction."""
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///")) / f"{service}.db"
        file.parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(f"sqlite+aiosqlite:///{file}")
    else:
        address = sa.make_url(url).set(drivername="postgresql+asyncpg")
        limits = server_settings(service) | {"statement_timeout": "0", "lock_timeout": "30s"}
        engine = create_async_engine(address, connect_args={"timeout": CONNECT_SECONDS, "server_settings": limits})
    try:
        async with asyncio.timeout(CONNECT_SECONDS + 1):
            connection = await engine.connect()
        try:
            answer = await connection.run_sync(work)
            await connection.commit()
            return answer
        finally:
            await connection.close()
    except (TimeoutError, OSError, sa.exc.OperationalError, sa.exc.InterfaceError) as error:
        raise Unavailable("the database", str(error).splitlines()[0] if str(error) else "no answer") from error
    finally:
        await engine.dispose()


def _current(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: sa.Connection, script: ScriptDirectory, service: str) -> tuple[str | None, str]:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"{service}.migrate"})
        known = connection.execute(
            sa.text("SELECT 1 FROM information_schema.schemata WHERE schema_name = :s"), {"s": service}
        )
        if known.first() is None:
            connection.execute(sa.text(f'CREATE SCHEMA "{service}"'))
    before = _current(connection)
    if before is not None and before not in {step.revision for step in script.walk_revisions()}:
        raise Misconfigured(_ahead(service, before))
    context = EnvironmentContext(Config(), script, fn=lambda revision, _: script._upgrade_revs("head", revision))
    context.configure(connection=connection, transactional_ddl=True, render_as_batch=True)
    with context:
        context.run_migrations()
    return before, str(script.get_current_head())


def _ahead(service: str, current: str) -> str:
    return (
        f"the tables of {service} are at version {current}, which this program does not know: "
        "a newer Guichet has migrated them; start that one"
    )
