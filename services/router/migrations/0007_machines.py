"""What a machine of ours wrote is told apart from answers."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Two columns with a default."""
    op.add_column("conversations", sa.Column("machine", sa.Text(), nullable=False, server_default=""))
    op.add_column("own_posts", sa.Column("kind", sa.Text(), nullable=False, server_default=""))
