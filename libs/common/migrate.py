"""Migrations by Alembic: one history per service, the same on PostgreSQL and SQLite."""

import os
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

from libs.common.db import house_errors, reach, server_settings, sqlite_engine
from libs.common.errors import Misconfigured, Unavailable

T = TypeVar("T")

CONNECT_SECONDS = 5
LOCK_SECONDS = 30  # for another one that migrates


async def migrate(url: str, service: str, folder: Path) -> tuple[str | None, str]:
    """Bring the service's tables to the newest migration; returns the version before and after.

    Raises:
        Misconfigured: the database is ahead of this program, or its certificate is not good.
        Unavailable: it does not answer.
    """
    script = _script(folder)
    return await _on(url, service, partial(_upgrade, script=script, service=service), writes=True)


async def check(url: str, service: str, folder: Path) -> str | None:
    """None when the tables are at the version this program needs; else one line: they are behind.

    Raises:
        Misconfigured: they are ahead: a newer program has been here, and this one must not write. Or the
            database's certificate is not good.
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


async def _on(url: str, service: str, work: Callable[[sa.Connection], T], *, writes: bool = False) -> T:
    """Run `work(connection)` on a connection of its own, in one transaction."""
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///")) / f"{service}.db"
        file.parent.mkdir(parents=True, exist_ok=True)
        # without foreign keys, as SQLite's own advice for changing a table by making it anew
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        engine = sqlite_engine(file, pool_size=1, begin=begin, busy_seconds=LOCK_SECONDS, foreign_keys=False)
    else:
        address = sa.make_url(url).set(drivername="postgresql+asyncpg")
        limits = server_settings(service) | {"statement_timeout": "0", "lock_timeout": f"{LOCK_SECONDS}s"}
        options = {"timeout": CONNECT_SECONDS, "server_settings": limits, "async_creator_fn": reach}
        engine = create_async_engine(address, connect_args=options)
    try:
        async with house_errors(), engine.begin() as connection:
            return await connection.run_sync(work)
    except Unavailable as error:
        if line := _never(error.__cause__, engine.url):
            raise Misconfigured(line) from error
        raise
    finally:
        await engine.dispose()


def _never(cause: BaseException | None, url: sa.URL) -> str | None:
    """Why waiting will not help: a certificate that is not good, or the file that says which are."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"the certificate of the database at {url.host}:{url.port or 5432} is refused: {cause.verify_message};"
            " renew it, or correct PGSSLROOTCERT"
        )
    if file := os.environ.get("PGSSLROOTCERT"):  # the driver reads it, and does not say which file it could not read
        try:
            ssl.create_default_context(cafile=file)
        except OSError as error:
            return f"PGSSLROOTCERT names {file}, which holds no certificate that can be read: {error.strerror}"
    return None


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
