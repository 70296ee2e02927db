"""Targets, replies, latencies; the outbox, the inbox and the idempotency keys."""

import sqlalchemy as sa
from alembic import op

from libs.common.db import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """The tables as the first version had them."""
    _targets()
    _latencies()
    _replies()
    _common()


def _targets() -> None:
    op.create_table(
        "targets",
        sa.Column("network", sa.Text, primary_key=True),
        sa.Column("post_id", sa.Text, primary_key=True),
        sa.Column("handle", sa.Text, nullable=False),
        sa.Column("author_id", sa.Text, nullable=False),
        sa.Column("author_username", sa.Text, nullable=False),
        sa.Column("thread_id", sa.Text, nullable=False),
        sa.Column("private", sa.Boolean, nullable=False),
        sa.Column("posted_at", UtcDateTime, nullable=False),
        sa.Column("conversation_id", sa.Text, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("intent", sa.Text, nullable=False),
        sa.Column("urgency", sa.Text, nullable=False),
        sa.Column("team", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("routed_at", UtcDateTime, nullable=False),
    )


def _latencies() -> None:
    op.create_table(
        "latencies",
        sa.Column("network", sa.Text, primary_key=True),
        sa.Column("post_id", sa.Text, primary_key=True),
        sa.Column("how", sa.Text, primary_key=True),
        sa.Column("own_post_id", sa.Text, nullable=False),
        sa.Column("reply_id", sa.Text, nullable=False),
        sa.Column("posted_at", UtcDateTime, nullable=False),
        sa.Column("answered_at", UtcDateTime, nullable=False),
        sa.Column("latency_seconds", sa.Double, nullable=False),
        sa.Column("handle", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("intent", sa.Text, nullable=False),
        sa.Column("team", sa.Text, nullable=False),
        sa.Column("conversation_id", sa.Text, nullable=False),
    )
    op.create_index("latencies_posted", "latencies", ["posted_at"])


def _replies() -> None:
    op.create_table(
        "replies",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("in_reply_to", sa.Text, nullable=False),
        sa.Column("handle", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("not_before", UtcDateTime, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("team", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("follow_up_of", sa.Text, nullable=False),
        sa.Column("author_id", sa.Text, nullable=False),
        sa.Column("thread_id", sa.Text, nullable=False),
        sa.Column("private", sa.Boolean, nullable=False),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("reserved_at", UtcDateTime),
        sa.Column("unknown_since", UtcDateTime),
        sa.Column("missed_at", UtcDateTime),
        sa.Column("look_at", UtcDateTime),
        sa.Column("own_post_id", sa.Text),
        sa.Column("posted_at", UtcDateTime),
    )
    live = sa.text(
        "state IN ('approval_pending', 'queued', 'sending', 'unknown', 'needs_human', 'manual_required', 'posted')"
    )
    _unique("replies_live", ["network", "in_reply_to", "follow_up_of"], live)
    _unique("replies_own_posts", ["network", "own_post_id"], sa.text("own_post_id IS NOT NULL"))
    op.create_index("replies_of_mention", "replies", ["network", "in_reply_to"])
    op.create_index("replies_changed", "replies", ["updated_at", "id"])
    for name, columns, state in (
        ("replies_queued", ["not_before", "id"], "queued"),
        ("replies_sending", ["reserved_at"], "sending"),
        ("replies_unknown", ["look_at"], "unknown"),
    ):
        only = sa.text(f"state = '{state}'")
        op.create_index(name, "replies", columns, postgresql_where=only, sqlite_where=only)


def _unique(name: str, columns: list[str], only: sa.TextClause) -> None:
    op.create_index(name, "replies", columns, unique=True, postgresql_where=only, sqlite_where=only)


def _common() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("told_at", UtcDateTime, nullable=False),
        # rows live for milliseconds: vacuum by their number, not by a share of an empty table
        postgresql_with={"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 5000},
    )
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_inbox_occurred_at", "inbox", ["occurred_at"])
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("body_sha256", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
