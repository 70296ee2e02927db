"""Versions of conversations, drafts and what they were written from, rules, approvals, budgets."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from libs.common.db import Json, UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Replies learn their conversation; the rest is new and empty."""
    _add(
        "targets",
        sa.Column("conversation_version", sa.Integer(), nullable=False, server_default="0"),
    )
    _add(
        "replies",
        sa.Column("conversation_id", sa.Text(), nullable=False, server_default=""),
        sa.Column("kind", sa.Text(), nullable=False, server_default="reply"),
        sa.Column("promise_seconds", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("priority", sa.SmallInteger(), nullable=False, server_default="1"),
        sa.Column("template", sa.Text(), nullable=False, server_default=""),
        sa.Column("warnings", sa.Text(), nullable=False, server_default=""),
        sa.Column("approved_by", sa.Text(), nullable=False, server_default=""),
        sa.Column("by_hand", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.execute(
        "UPDATE replies SET conversation_id = coalesce((SELECT t.conversation_id FROM targets t"
        " WHERE t.network = replies.network AND t.post_id = replies.in_reply_to), '')"
    )
    op.create_index("targets_of_conversation", "targets", ["conversation_id"])
    op.create_index("replies_of_conversation", "replies", ["conversation_id"])
    op.drop_index("replies_queued", "replies")
    _only("replies_queued", "replies", ["priority", "not_before", "id"], "state = 'queued'")
    _answers()
    _templates()
    _rules()
    _budgets()


def _add(table: str, *columns: sa.Column[Any]) -> None:
    for column in columns:
        op.add_column(table, column)


def _only(name: str, table: str, columns: list[str], condition: str, *, unique: bool = False) -> None:
    only = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, postgresql_where=only, sqlite_where=only)


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("conversation_id", sa.Text(), primary_key=True),
        sa.Column("own_post_id", sa.Text(), nullable=False),
        sa.Column("reply_id", sa.Text(), nullable=False),
        sa.Column("in_reply_to", sa.Text(), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
    )


def _templates() -> None:
    op.create_table(
        "templates",
        sa.Column("slug", sa.Text(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("texts", Json(), nullable=False),
        sa.Column("latest", sa.Boolean(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
    )
    _only("templates_latest", "templates", ["slug"], "latest", unique=True)


def _rules() -> None:
    op.create_table(
        "reply_rules",
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
    )


def _budgets() -> None:
    op.create_table(
        "budgets",
        sa.Column("network", sa.Text(), primary_key=True),
        sa.Column("handle", sa.Text(), primary_key=True),
        sa.Column("operation", sa.Text(), primary_key=True),
        sa.Column("limit", sa.Integer(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("reset_at", UtcDateTime()),
    )
