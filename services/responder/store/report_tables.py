"""The tables that only the report needs, and the views it reads, as `0004_report.py` makes them."""

from typing import Any

import sqlalchemy as sa

from libs.common.db import UtcDateTime
from services.responder.store.tables import metadata


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


EXCHANGES = sa.Table(
    "exchanges",
    metadata,
    sa.Column("network", sa.Text, primary_key=True),
    sa.Column("own_post_id", sa.Text, primary_key=True),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("post_id", sa.Text, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("answered_at", UtcDateTime, nullable=False),
    sa.Column("elapsed_seconds", sa.Double, nullable=False),
    sa.Column("business_seconds", sa.Double),
    sa.Column("messages", sa.Integer, nullable=False),
    *_texts("handle", "queue", "language", "intent", "urgency", "team"),
    sa.Index("exchanges_started", "started_at"),
    sa.Index("exchanges_of_conversation", "conversation_id"),
)
CLOCKS = sa.Table(
    "clocks",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("stopped_at", UtcDateTime),
    *_texts("conversation_id", "network", "handle", "queue", "language", "intent", "urgency", "team"),
    sa.Index("clocks_started", "started_at"),
)
ITEM_ENDS = sa.Table(
    "item_ends",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("ended_at", UtcDateTime, nullable=False),
)
ANSWERING_POSTS = sa.Table(
    "answering_posts",
    metadata,
    sa.Column("network", sa.Text, primary_key=True),
    sa.Column("own_post_id", sa.Text, primary_key=True),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("answered_at", UtcDateTime, nullable=False),
    sa.Column("automatic", sa.Boolean, nullable=False),
    sa.Index("answering_posts_of_conversation", "conversation_id"),
)

MENTIONS = sa.table(
    "report_mentions",
    *[
        sa.column(name, sa.Text)
        for name in (
            "network", "post_id", "team", "handle", "queue", "language", "intent", "urgency", "incident",
            "conversation_id", "state",
        )
    ],
    sa.column("posted_at", UtcDateTime()),
    sa.column("ended_at", UtcDateTime()),
    sa.column("elapsed_seconds", sa.Double),
)  # fmt: skip
CONVERSATIONS = sa.table(
    "report_conversations",
    *[
        sa.column(name, sa.Text)
        for name in (
            "conversation_id", "network", "team", "handle", "queue", "language", "intent", "urgency",
            "last_intent", "last_sentiment",
        )
    ],
    *[
        sa.column(name, UtcDateTime())
        for name in ("started_at", "first_answered_at", "last_message_at", "last_answer_at")
    ],
    *[sa.column(name, sa.Double) for name in ("elapsed_seconds", "business_seconds")],
    *[
        sa.column(name, sa.Integer)
        for name in ("exchanges", "customer_messages", "our_messages", "waiting_messages")
    ],
)  # fmt: skip
