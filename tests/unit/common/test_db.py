"""What needs no database: addresses, settings, and how values stand in a statement."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from libs.common.db import Json, UtcDateTime, connect, server_settings
from libs.common.errors import Misconfigured

SQLITE, POSTGRES = sqlite.dialect(), postgresql.dialect()  # type: ignore[no-untyped-call]
times = st.datetimes(timezones=st.just(UTC))


@given(times)
def test_sqlite_keeps_a_time_as_microseconds_and_gives_it_back(at: datetime) -> None:
    column = UtcDateTime()
    kept = column.process_bind_param(at, SQLITE)
    assert isinstance(kept, int)
    assert column.process_result_value(kept, SQLITE) == at


@given(times, times)
def test_times_on_sqlite_are_ordered_as_times(one: datetime, other: datetime) -> None:
    column = UtcDateTime()
    assert (column.process_bind_param(one, SQLITE) < column.process_bind_param(other, SQLITE)) == (one < other)


def test_a_time_from_postgresql_is_utc_whatever_zone_it_comes_in() -> None:
    at = datetime(2025, 6, 2, 14, tzinfo=timezone(timedelta(hours=2)))
    found = UtcDateTime().process_result_value(at, POSTGRES)
    assert (found, found and found.tzinfo) == (at, UTC)


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES], ids=["sqlite", "postgresql"])
def test_a_time_without_a_zone_is_refused(dialect: sa.Dialect) -> None:
    with pytest.raises(ValueError, match="without a zone"):
        UtcDateTime().process_bind_param(datetime(2025, 6, 2), dialect)


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES], ids=["sqlite", "postgresql"])
def test_nothing_stays_nothing(dialect: sa.Dialect) -> None:
    for column in (UtcDateTime(), Json()):
        assert column.process_bind_param(None, dialect) is None
        assert column.process_result_value(None, dialect) is None


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=10))
def test_json_is_text_and_comes_back(value: object) -> None:
    column = Json()
    kept = column.process_bind_param(value, SQLITE)
    assert kept is None or isinstance(kept, str)
    assert column.process_result_value(kept, SQLITE) == value


@pytest.mark.parametrize(
    "url",
    ["mysql://host/name", "sqlite://data", "sqlite", "", "postgresql+psycopg://host/name", "postgresql://host:x/n"],
)
def test_another_address_is_refused_with_one_line(url: str) -> None:
    with pytest.raises(Misconfigured) as error:
        connect(url, "router")
    assert "\n" not in str(error.value)


def test_a_refusal_does_not_repeat_a_password() -> None:
    with pytest.raises(Misconfigured) as error:
        connect("mysql://me:hunter2@host/name", "router")
    assert "hunter2" not in str(error.value)


async def test_connecting_opens_nothing_yet(tmp_path: Path) -> None:
    database = connect(f"sqlite:///{tmp_path / 'new'}", "router")
    assert database.dialect == "sqlite"
    assert list((tmp_path / "new").iterdir()) == []
    await database.close()


def test_a_service_asks_for_its_schema_and_its_limits() -> None:
    assert server_settings("router") == {
        "search_path": "router",
        "application_name": "guichet-router",
        "jit": "off",
        "enable_seqscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "enable_material": "off",
        "plan_cache_mode": "force_generic_plan",
        "max_parallel_workers_per_gather": "0",
        "lock_timeout": "2s",
        "statement_timeout": "4s",
        "idle_in_transaction_session_timeout": "15s",
    }
