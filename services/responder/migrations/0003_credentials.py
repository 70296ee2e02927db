"""Tokens that run out, renewed by one process at a time; and accounts that a network lets do nothing."""

import sqlalchemy as sa
from alembic import op

from libs.common.db import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Both are new and empty."""
    op.create_table(
        "credentials",
        sa.Column("network", sa.Text(), primary_key=True),
        sa.Column("handle", sa.Text(), primary_key=True),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("refresh", sa.Text(), nullable=False),
        sa.Column("lease_until", UtcDateTime()),
    )
    op.create_table(
        "breakers",
        sa.Column("network", sa.Text(), primary_key=True),
        sa.Column("handle", sa.Text(), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("probe_at", UtcDateTime()),
    )
