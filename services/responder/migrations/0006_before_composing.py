"""Who has a conversation in hand, and who wrote to us in private."""

import sqlalchemy as sa
from alembic import op

from libs.common.db import UtcDateTime

revision = "0006"
down_revision = "0005"

_PRIVATE = sa.text("private")


def upgrade() -> None:
    """A table that is new and empty, and an index."""
    op.create_table(
        "holders",
        sa.Column("conversation_id", sa.Text(), primary_key=True),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
    )
    op.create_index(
        "targets_private", "targets", ["network", "author_id"], postgresql_where=_PRIVATE, sqlite_where=_PRIVATE
    )
