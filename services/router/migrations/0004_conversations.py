"""Notes, what people and time did to conversations, covered answers, leases of several, idempotency keys."""

import sqlalchemy as sa
from alembic import op

from libs.common.db import Json, UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("reason", sa.Text(), nullable=False, server_default=""))
    op.add_column("conversations", sa.Column("merged_into", sa.Text(), nullable=False, server_default=""))
    op.add_column("conversations", sa.Column("private", sa.Boolean(), nullable=False, server_default=sa.false()))
    merged = sa.text("merged_into <> ''")
    op.create_index(
        "conversations_merged", "conversations", ["merged_into"], postgresql_where=merged, sqlite_where=merged
    )
    op.add_column("mentions", sa.Column("covered_at", UtcDateTime(), nullable=True))
    op.add_column("mentions", sa.Column("covered_by", sa.Text(), nullable=True))
    op.create_index("work_items_of_conversation", "work_items", ["conversation_id"])
    op.create_table(
        "conversation_changes",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("why", Json(), nullable=True),
        sa.PrimaryKeyConstraint("conversation_id", "version"),
    )
    op.create_index("conversation_changes_by_time", "conversation_changes", ["at"])
    op.create_table(
        "notes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("notes_of_conversation", "notes", ["conversation_id", "created_at"])
    # at several agents each; they are valid for seconds, so that none is missed
    op.drop_table("leases")
    op.create_table(
        "leases",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("renewed_at", UtcDateTime(), nullable=False),
        sa.Column("draft_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("conversation_id", "agent"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
