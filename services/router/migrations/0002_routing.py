"""The set-up, the order by lines, clocks, reservations, and what agents do."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from libs.common.db import Json, UtcDateTime

revision = "0002"
down_revision = "0001"

_OPEN = sa.text("state IN ('pending', 'reserved', 'assigned', 'wrapping')")
_PENDING = sa.text("state = 'pending'")
_TIMED = sa.text("next_at IS NOT NULL")


def upgrade() -> None:
    sqlite = op.get_context().dialect.name == "sqlite"
    never = sa.text("253370764800000000" if sqlite else "'9999-01-01 00:00:00+00'")  # no deadline
    _set_up(sqlite)
    added: dict[str, list[sa.Column[Any]]] = {
        "work_items": [
            sa.Column("line", sa.Text(), nullable=False, server_default=""),
            sa.Column("late", sa.Boolean(), nullable=False, server_default=sa.false()),
            sa.Column("sort_at", UtcDateTime(), nullable=False, server_default=never),
            sa.Column("next_at", UtcDateTime(), nullable=True),
            sa.Column("weight", sa.SmallInteger(), nullable=False, server_default="1"),
            sa.Column("routing", Json(), nullable=False, server_default="{}"),
        ],
        "conversations": [
            sa.Column("urgency", sa.Text(), nullable=False, server_default="none"),
            sa.Column("replied_at", UtcDateTime(), nullable=True),
            sa.Column("agent", sa.Text(), nullable=False, server_default=""),
            sa.Column("agent_at", UtcDateTime(), nullable=True),
            sa.Column("cycle", sa.Integer(), nullable=False, server_default="1"),
            sa.Column("wake_at", UtcDateTime(), nullable=True),
        ],
        "agents": [
            sa.Column("teams", Json(), nullable=False, server_default="[]"),
            sa.Column("queues", Json(), nullable=False, server_default="[]"),
            sa.Column("hours", sa.Text(), nullable=False, server_default=""),
            sa.Column("idle_since", UtcDateTime(), nullable=True),
            sa.Column("timeouts", sa.SmallInteger(), nullable=False, server_default="0"),
            sa.Column("next_at", UtcDateTime(), nullable=True),
        ],
    }
    for table, columns in added.items():
        for column in columns:
            op.add_column(table, column)
    op.execute("UPDATE work_items SET line = queue || ' ' || team, rank = rank * 2 + 1")
    op.execute("UPDATE work_items SET sort_at = due_at, next_at = due_at WHERE due_at IS NOT NULL")
    op.drop_index("work_items_waiting", "work_items")
    op.create_index(
        "work_items_waiting",
        "work_items",
        ["line", "late", "rank", "sort_at", "enqueued_at", "id"],
        postgresql_where=_PENDING,
        sqlite_where=_PENDING,
    )
    timed = sa.text("state IN ('pending', 'reserved', 'assigned', 'wrapping') AND next_at IS NOT NULL")
    op.create_index("work_items_timed", "work_items", ["next_at"], postgresql_where=timed, sqlite_where=timed)
    wakes = sa.text("wake_at IS NOT NULL")
    op.create_index("conversations_waking", "conversations", ["wake_at"], postgresql_where=wakes, sqlite_where=wakes)
    op.create_index("agents_timed", "agents", ["next_at"], postgresql_where=_TIMED, sqlite_where=_TIMED)
    _lines()
    _clocks()
    _agents()


def _set_up(sqlite: bool) -> None:
    """Queues move to where all of the set-up is."""
    setup = op.create_table(
        "setup",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "slug"),
    )
    versions = op.create_table(
        "setup_versions",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", Json(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "slug", "version"),
    )
    revisions = op.create_table(
        "setup_revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(revisions, [{"id": 1, "revision": 1}])
    old = sa.table(
        "queues", sa.column("slug"), sa.column("name"), sa.column("languages", Json()), sa.column("team"),
        sa.column("version"), sa.column("updated_at", UtcDateTime()),
    )  # fmt: skip
    rows: list[dict[str, Any]] = []
    for queue in op.get_bind().execute(sa.select(old)):
        body = {"name": queue.name, "team": queue.team, "languages": queue.languages}
        rows.append(
            {"kind": "queues", "slug": queue.slug, "version": queue.version, "team": queue.team, "body": body,
             "updated_at": queue.updated_at}
        )  # fmt: skip
    op.bulk_insert(setup, rows)
    now = datetime.now(UTC)
    op.bulk_insert(
        versions,
        [{name: row[name] for name in ("kind", "slug", "version", "body")} | {"actor": "", "at": now} for row in rows],
    )
    op.drop_table("queues")


def _lines() -> None:
    lines = op.create_table(
        "lines",
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("line"),
    )
    op.create_index("lines_of_queue", "lines", ["queue"])
    items = sa.table("work_items", sa.column("line"), sa.column("queue"))
    known = op.get_bind().execute(sa.select(items.c.line, items.c.queue).distinct()).all()
    op.bulk_insert(lines, [{"line": row.line, "queue": row.queue} for row in known])
    op.create_table(
        "picks",
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("picks", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("queue"),
    )


def _clocks() -> None:
    op.create_table(
        "clocks",
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stopped_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changes", Json(), nullable=False),
        sa.PrimaryKeyConstraint("item_id", "kind"),
    )
    op.create_index("clocks_of_conversation", "clocks", ["conversation_id"])
    op.create_table(
        "reservations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("offered_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("reservations_of_agent", "reservations", ["agent", "offered_at"])
    op.create_index("reservations_of_item", "reservations", ["item_id"])


def _agents() -> None:
    op.create_table(
        "agent_changes",
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("presence", sa.Text(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("agent", "version"),
    )
    op.create_table(
        "leases",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("renewed_at", UtcDateTime(), nullable=False),
        sa.Column("draft_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("conversation_id"),
    )
    op.add_column("work_item_changes", sa.Column("why", Json(), nullable=True))
