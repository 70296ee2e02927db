"""The expected wait: what is known of each queue, what was published, every promise, and the public pages."""

import sqlalchemy as sa
from alembic import op

from libs.common.db import Json, UtcDateTime

revision = "0003"
down_revision = "0002"

_WAITING = sa.text("ended_at IS NULL")
_UNSCORED = sa.text("kept IS NULL AND due_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "expected_waits",
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("memory", Json(), nullable=False),
        sa.PrimaryKeyConstraint("queue"),
    )
    op.create_table(
        "published_waits",
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("p50_seconds", sa.Integer(), nullable=True),
        sa.Column("p80_seconds", sa.Integer(), nullable=True),
        sa.Column("p90_seconds", sa.Integer(), nullable=True),
        sa.Column("more_than_hours", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("queue", "urgency", "at"),
    )
    op.create_table(
        "promises",
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("joined_at", UtcDateTime(), nullable=False),
        sa.Column("promised_at", UtcDateTime(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("promised_seconds", sa.Integer(), nullable=True),
        sa.Column("raw", Json(), nullable=False),
        sa.Column("regime", sa.Text(), nullable=False),
        sa.Column("idle", sa.Boolean(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("kept", sa.Boolean(), nullable=True),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("waited_seconds", sa.Float(), nullable=True),
        sa.Column("handled_seconds", sa.Float(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("item_id"),
    )
    op.create_index("promises_ended", "promises", ["queue", "ended_at"])
    op.create_index("promises_joined", "promises", ["queue", "joined_at"])
    op.create_index("promises_unscored", "promises", ["due_at"], postgresql_where=_UNSCORED, sqlite_where=_UNSCORED)
    op.create_index(
        "promises_waiting", "promises", ["queue", "joined_at"], postgresql_where=_WAITING, sqlite_where=_WAITING
    )
    op.create_table(
        "queue_hours",
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("open_seconds", sa.Float(), nullable=False),
        sa.Column("agent_seconds", sa.Float(), nullable=False),
        sa.Column("replies", sa.Float(), nullable=False),
        sa.Column("worked", sa.Float(), nullable=False),
        sa.Column("watched", sa.Float(), nullable=False),
        sa.Column("arrived", Json(), nullable=False),
        sa.PrimaryKeyConstraint("queue", "at"),
    )
    op.create_table(
        "public_pages",
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("languages", Json(), nullable=False),
        sa.Column("other_ways", Json(), nullable=False),
        sa.Column("published", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("handle"),
    )
