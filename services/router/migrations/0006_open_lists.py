"""Lists of what is open, whatever lies in the past."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_OPEN = sa.text("state IN ('pending', 'reserved', 'assigned', 'wrapping')")


def upgrade() -> None:
    op.create_index(
        "work_items_open_changed",
        "work_items",
        ["updated_at", "id"],
        postgresql_where=_OPEN,
        sqlite_where=_OPEN,
    )
