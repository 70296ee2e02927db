"""The tables of the expected wait."""

import sqlalchemy as sa

from libs.common.db import Json, UtcDateTime
from services.router.store.tables import metadata

_WAITING = sa.text("ended_at IS NULL")
_UNSCORED = sa.text("kept IS NULL AND due_at IS NOT NULL")

EXPECTED_WAITS = sa.Table(  # what is known of a queue between two looks, whichever replica takes the next one
    "expected_waits",
    metadata,
    sa.Column("queue", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("memory", Json, nullable=False),
)
PUBLISHED_WAITS = sa.Table(  # every change of what is published; seconds on the wall, rounded up
    "published_waits",
    metadata,
    sa.Column("queue", sa.Text, primary_key=True),
    sa.Column("urgency", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("p50_seconds", sa.Integer),
    sa.Column("p80_seconds", sa.Integer),
    sa.Column("p90_seconds", sa.Integer),
    sa.Column("more_than_hours", sa.Integer),
    sa.Column("reason", sa.Text, nullable=False),
)
PROMISES = sa.Table(  # what was published when an item joined, and what came of it
    "promises",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("urgency", sa.Text, nullable=False),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("joined_at", UtcDateTime, nullable=False),
    sa.Column("promised_at", UtcDateTime),  # since when it was published
    sa.Column("state", sa.Text, nullable=False),  # known, more_than, unknown
    sa.Column("promised_seconds", sa.Integer),  # p80, on the wall
    sa.Column("raw", Json, nullable=False),  # p50, p80, p90 of opening time, before the ledger's correction
    sa.Column("regime", sa.Text, nullable=False),
    sa.Column("idle", sa.Boolean, nullable=False),  # somebody was free and nobody ahead
    sa.Column("due_at", UtcDateTime),
    sa.Column("kept", sa.Boolean),  # none: not known yet, or nothing was promised
    sa.Column("answered_at", UtcDateTime),  # the network's time
    sa.Column("waited_seconds", sa.Float),  # opening time
    sa.Column("handled_seconds", sa.Float),  # opening time from an agent's taking it
    sa.Column("ended_at", UtcDateTime),  # answered, or closed without an answer
    sa.Index("promises_ended", "queue", "ended_at"),
    sa.Index("promises_joined", "queue", "joined_at"),
    sa.Index("promises_unscored", "due_at", postgresql_where=_UNSCORED, sqlite_where=_UNSCORED),
    sa.Index("promises_waiting", "queue", "joined_at", postgresql_where=_WAITING, sqlite_where=_WAITING),
)
QUEUE_HOURS = sa.Table(  # who was there and what came in each hour
    "queue_hours",
    metadata,
    sa.Column("queue", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, primary_key=True),
    sa.Column("open_seconds", sa.Float, nullable=False),
    sa.Column("agent_seconds", sa.Float, nullable=False),
    sa.Column("replies", sa.Float, nullable=False),  # first ones, while somebody was kept waiting
    sa.Column("worked", sa.Float, nullable=False),  # agent-seconds, likewise
    sa.Column("watched", sa.Float, nullable=False),
    sa.Column("arrived", Json, nullable=False),  # by class
)
PUBLIC_PAGES = sa.Table(
    "public_pages",
    metadata,
    sa.Column("handle", sa.Text, primary_key=True),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),  # "": where its team's routing sends a plain question
    sa.Column("zone", sa.Text, nullable=False),
    sa.Column("languages", Json, nullable=False),
    sa.Column("other_ways", Json, nullable=False),
    sa.Column("published", sa.Text, nullable=False),  # auto, on, off
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)
