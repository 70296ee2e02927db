"""What the story's database notes by itself: a clock that goes faster, and every state that a work item ever had."""

from datetime import UTC, datetime, timedelta

import asyncpg
from msgspec import Struct

POSTGRES = {"track_commit_timestamp": "on", "max_wal_size": "4GB"}
"""Settings of PostgreSQL: it says when a row was committed, in real time."""

BEGINS = datetime(2026, 3, 2, 8, tzinfo=UTC)
"""A Monday morning, in the story's time."""


class StoryClock(Struct, frozen=True):
    """Since `started` (real) it is `BEGINS`, and time goes `speed` times as fast."""

    started: datetime
    speed: int

    def at(self, real: datetime) -> datetime:
        """The story's time at a real moment."""
        return BEGINS + (real - self.started) * self.speed

    def now(self) -> datetime:
        """The story's time now."""
        return self.at(datetime.now(UTC))

    def real(self, at: datetime) -> datetime:
        """The real moment at which it was so late in the story."""
        return self.started + (at - BEGINS) / self.speed


_RENAMED = "ALTER FUNCTION pg_catalog.clock_timestamp() RENAME TO real_clock_timestamp"
_CLOCK = "CREATE OR REPLACE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ {} $$"

_STATES = """
CREATE SCHEMA proof;
CREATE UNLOGGED TABLE proof.states (
  seq bigserial, id text, version int, state text, queue text, team text, line text, urgency text, rank smallint,
  late boolean, sort_at timestamptz, enqueued_at timestamptz, weight smallint, declined_by text);
CREATE FUNCTION proof.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO proof.states (id, version, state, queue, team, line, urgency, rank, late, sort_at, enqueued_at, weight,
    declined_by)
  SELECT id, version, state, queue, team, line, urgency, rank, late, sort_at, enqueued_at, weight,
    (routing::json -> 'declined_by')::text FROM fresh;
  RETURN NULL;
END $$;
CREATE TRIGGER proof_opened AFTER INSERT ON router.work_items REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION proof.note();
CREATE TRIGGER proof_changed AFTER UPDATE ON router.work_items REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION proof.note();
ALTER TABLE router.work_item_changes ADD COLUMN seq bigserial;
ALTER TABLE router.agent_changes ADD COLUMN seq bigserial
"""


async def roll(url: str, speed: int) -> StoryClock:
    """Let the story begin in this (migrated) database, before anybody connects: its clock, and what it notes."""
    connection = await asyncpg.connect(url)
    try:
        started: datetime = await connection.fetchval("SELECT clock_timestamp()")
        await connection.execute(_RENAMED)
        ran = f"(pg_catalog.real_clock_timestamp() - timestamptz '{started.isoformat()}') * {speed}"
        await connection.execute(_CLOCK.format(f"SELECT timestamptz '{BEGINS.isoformat()}' + {ran}"))
        await connection.execute(_STATES)
    finally:
        await connection.close()
    return StoryClock(started.astimezone(UTC), speed)


async def hold(connection: asyncpg.Connection) -> datetime:
    """Time stands still from now on; gives what it is."""
    at: datetime = await connection.fetchval("SELECT clock_timestamp()") + timedelta(seconds=1)
    await connection.execute(_CLOCK.format(f"SELECT timestamptz '{at.isoformat()}'"))
    return at.astimezone(UTC)
