"""Handles, and how far each source was read."""

import sqlalchemy as sa
from alembic import op

from libs.common.db import Json, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "handles",
        sa.Column("slug", sa.Text, primary_key=True),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("username_lower", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("languages", Json, nullable=False),
        sa.Column("team_id", sa.Text, nullable=False),
        sa.Column("other_ways", Json, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("network", "username_lower", name="handles_account"),
        sa.UniqueConstraint("network", "external_id", name="handles_external_id"),
    )
    op.create_index("handles_updated", "handles", ["updated_at", "slug"])
    op.create_table(
        "sources",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("last_event_at", UtcDateTime),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
