"""deploy/k8s/roles: each service's role does its service's work on a real PostgreSQL, and nothing else."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from cli.services import MIGRATIONS
from deploy.k8s.render import FOLDER
from libs.common.migrate import check, migrate
from tests.servers import Postgres

pytestmark = pytest.mark.postgres

_NUMBERS = itertools.count(1)
SQL = (FOLDER / "roles" / "roles.sql").read_text("utf-8")


@pytest.fixture
async def address(postgres: Postgres) -> AsyncIterator[str]:
    """A database with the roles and, made by the one who may, the tables; `{role}` in it is who connects."""
    url = postgres.create_database(f"roles_{next(_NUMBERS)}")
    admin = await asyncpg.connect(url)
    await admin.execute(SQL)
    await admin.execute(SQL)  # again changes nothing
    for role in ("migrate", "reports", *MIGRATIONS):
        await admin.execute(f"ALTER ROLE guichet_{role} LOGIN")
    for_role = url.replace("postgres@", "guichet_{role}@", 1)
    for service, folder in MIGRATIONS.items():
        await migrate(for_role.format(role="migrate"), service, folder)
    yield for_role
    await admin.close()


async def test_the_tables_are_made_by_one_role_and_used_by_another(address: str) -> None:
    for service, folder in MIGRATIONS.items():
        assert await check(address.format(role=service), service, folder) is None
        async with _as(address, service) as connection:
            tables = await _tables(connection, service)
            assert len(tables) >= 2
            for table in tables:
                own = f'"{service}"."{table}"'
                await connection.fetch(f"SELECT * FROM {own} LIMIT 1")
                await connection.execute(f"DELETE FROM {own} WHERE false")
                for refused in (f"TRUNCATE {own}", f"DROP TABLE {own}", f"ALTER TABLE {own} ADD COLUMN x int"):
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await connection.execute(refused)
            for refused in (f'CREATE TABLE "{service}".more (id int)', "CREATE TABLE public.more (id int)"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(refused)


async def test_no_role_reads_anothers_tables(address: str) -> None:
    for service in MIGRATIONS:
        async with _as(address, service) as connection:
            for other in MIGRATIONS.keys() - {service}:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(f'SELECT * FROM "{other}".alembic_version')


async def test_what_a_later_migration_makes_is_the_services_too(address: str) -> None:
    async with _as(address, "migrate") as migrating:
        await migrating.execute("CREATE TABLE router.later (id bigserial, n int)")
    async with _as(address, "router") as connection:
        await connection.execute("INSERT INTO router.later (n) VALUES (1)")


async def test_no_role_may_more_than_connect(address: str) -> None:
    async with _as(address, "router") as connection:
        rows = await connection.fetch("SELECT * FROM pg_roles WHERE rolname LIKE 'guichet_%'")
    assert len(rows) == len(MIGRATIONS) + 2
    for row in rows:
        assert not any(row[right] for right in ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication"))


async def test_the_dashboards_role_reads_the_reports_views_and_nothing_else(address: str) -> None:
    async with _as(address, "reports") as connection:
        rows = await connection.fetch("SELECT schemaname, viewname FROM pg_views WHERE viewname LIKE 'report%'")
        assert {"report_mentions", "report_exchanges", "report_clocks", "report_conversations"} <= {
            row["viewname"] for row in rows
        }
        for row in rows:
            await connection.fetch(f"SELECT * FROM {row['schemaname']}.{row['viewname']}")
        await connection.execute("SET default_transaction_read_only = off")  # a promise, not a lock
        for service in MIGRATIONS:
            for table in await _tables(connection, service):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(f'SELECT * FROM "{service}"."{table}"')
        for refused in ("DELETE FROM responder.report_exchanges", "CREATE TABLE responder.more (id int)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(refused)
    async with _as(address, "reports") as connection:
        said = [await connection.fetchval(f"SHOW {name}") for name in ("transaction_read_only", "statement_timeout")]
    assert said == ["on", "30s"]


async def test_a_view_that_a_migration_makes_anew_is_read_by_the_dashboards_as_before(address: str) -> None:
    async with _as(address, "migrate") as migrating:
        await migrating.execute("DROP VIEW responder.report_clocks")
        await migrating.execute("CREATE VIEW responder.report_clocks AS SELECT 7 AS days")
        await migrating.execute("CREATE VIEW responder.reportx AS SELECT 1 AS one")
        await migrating.execute("CREATE VIEW router.report_more AS SELECT 1 AS one")
    async with _as(address, "reports") as connection:
        assert await connection.fetchval("SELECT days FROM responder.report_clocks") == 7
        for other in ("responder.reportx", "router.report_more"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM {other}")


@pytest.mark.parametrize(
    ("script", "place"),
    [
        ("compose/20-logins.sh", "/run/secrets/{role}-password"),
        ("k8s/overlays/dev/20-logins.sh", "/run/secrets/postgresql/{role}/password"),
    ],
)
async def test_the_first_start_gives_every_role_the_password_of_its_file(
    address: str, tmp_path: Path, script: str, place: str
) -> None:
    roles = ("migrate", *MIGRATIONS, *(("reports",) if "compose" in script else ()))  # in dev there are no dashboards
    for role in roles:
        file = tmp_path / place.format(role=role).lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"it's {role}'s")
    url = urlsplit(address.format(role="migrate"))
    text = (FOLDER.parent / script).read_text("utf-8").replace("/run/secrets", f"{tmp_path}/run/secrets")
    text = text.replace("--dbname guichet", f"--dbname {url.path[1:]}")
    env = os.environ | {"PGHOST": str(url.hostname), "PGPORT": str(url.port)}
    said = await asyncio.create_subprocess_exec("sh", "-c", text, env=env)
    assert await said.wait() == 0
    async with _as(address.replace("guichet_{role}", "{role}"), "postgres") as admin:
        stored = dict(await admin.fetch("SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL"))
    assert set(stored) - {"guichet_reports"} == {f"guichet_{role}" for role in roles} - {"guichet_reports"}
    for role in roles:
        assert _is_of(f"it's {role}'s", stored[f"guichet_{role}"])


def _is_of(password: str, stored: str) -> bool:
    """Whether PostgreSQL's own note of a password is of this one (RFC 5802)."""
    turns, salt = stored.removeprefix("SCRAM-SHA-256$").split("$")[0].split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(turns))
    key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return base64.b64encode(key).decode() == stored.split("$")[2].split(":")[0]


class _as:  # noqa: N801 - reads as a word: async with _as(address, "router")
    def __init__(self, address: str, role: str) -> None:
        self._url = address.format(role=role)

    async def __aenter__(self) -> asyncpg.Connection:
        self._connection = await asyncpg.connect(self._url)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        async with asyncio.timeout(5):
            await self._connection.close()


async def _tables(connection: asyncpg.Connection, schema: str) -> list[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
    return [row["tablename"] for row in rows]
