"""Incidents and what belongs to them, counts of topics, consultations."""

import sqlalchemy as sa
from alembic import op

from libs.common.db import Json, UtcDateTime

revision = "0005"
down_revision = "0004"

_LASTING = sa.text("state IN ('proposed', 'open')")
_ASKED = sa.text("state = 'open'")


def upgrade() -> None:
    _incidents()
    op.create_table(
        "topic_arrivals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("bucket", UtcDateTime(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    if op.get_context().dialect.name == "postgresql":  # emptied as fast as it fills, like the outbox
        op.execute(
            "ALTER TABLE topic_arrivals SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)"
        )
    op.create_table(
        "topic_counts",
        sa.Column("bucket", UtcDateTime(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "team", "topic"),
    )
    op.create_table(
        "consultations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("consultations_of_conversation", "consultations", ["conversation_id"])
    op.create_index("consultations_open", "consultations", ["asked"], postgresql_where=_ASKED, sqlite_where=_ASKED)
    op.create_index("consultations_changed", "consultations", ["updated_at", "id"])


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("matcher", Json(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("holding", Json(), nullable=False),
        sa.Column("banner", Json(), nullable=False),
        sa.Column("spike", Json(), nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=True),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("scan_at", UtcDateTime(), nullable=True),
        sa.Column("scan_from", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("slug"),
    )
    op.create_index("incidents_changed", "incidents", ["updated_at", "slug"])
    op.create_index("incidents_lasting", "incidents", ["state"], postgresql_where=_LASTING, sqlite_where=_LASTING)
    op.create_table(
        "incident_changes",
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("incident", "version"),
    )
    op.create_table(
        "incident_items",
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("joined_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("incident", "item_id"),
    )
