"""What the report counts: exchanges, clocks, how items ended, our own posts; and views of it for reading only."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from libs.common.db import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """What was heard before this has no exchanges and no clocks: they begin with what comes now.

    The views hang on these tables: who makes one of them anew (a batch on SQLite) drops the views before, and makes
    them again after it.
    """
    _add(
        "targets",
        sa.Column("outcome", sa.Text(), nullable=False, server_default=""),
        sa.Column("incident", sa.Text(), nullable=False, server_default=""),
        sa.Column("sentiment", sa.Text(), nullable=False, server_default=""),
    )
    _add("latencies", sa.Column("business_seconds", sa.Double()))
    op.create_index("targets_posted", "targets", ["posted_at"])
    op.create_index("latencies_of_conversation", "latencies", ["conversation_id"])
    _exchanges()
    _clocks()
    op.create_table(
        "item_ends",
        sa.Column("item_id", sa.Text(), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=False),
    )
    op.create_table(
        "answering_posts",
        sa.Column("network", sa.Text(), primary_key=True),
        sa.Column("own_post_id", sa.Text(), primary_key=True),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
    )
    op.create_index("answering_posts_of_conversation", "answering_posts", ["conversation_id"])
    for view in (_MENTIONS, _EXCHANGES, _CLOCKS, _CONVERSATIONS):
        op.execute(view)


def _add(table: str, *columns: sa.Column[Any]) -> None:
    for column in columns:
        op.add_column(table, column)


def _exchanges() -> None:
    op.create_table(
        "exchanges",
        sa.Column("network", sa.Text(), primary_key=True),
        sa.Column("own_post_id", sa.Text(), primary_key=True),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("post_id", sa.Text(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=False),
        sa.Column("elapsed_seconds", sa.Double(), nullable=False),
        sa.Column("business_seconds", sa.Double()),
        sa.Column("messages", sa.Integer(), nullable=False),
        *_of_whom(),
    )
    op.create_index("exchanges_started", "exchanges", ["started_at"])
    op.create_index("exchanges_of_conversation", "exchanges", ["conversation_id"])


def _clocks() -> None:
    op.create_table(
        "clocks",
        sa.Column("item_id", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("stopped_at", UtcDateTime()),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        *_of_whom(),
    )
    op.create_index("clocks_started", "clocks", ["started_at"])


def _of_whom() -> list[sa.Column[Any]]:
    names = ("handle", "queue", "language", "intent", "urgency", "team")
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


# --- views: no text, no author; a role that may read only these needs no right on the tables

_MENTIONS = """
CREATE VIEW report_mentions AS
SELECT t.network, t.post_id, t.team, t.handle, t.queue, t.language, t.intent, t.urgency, t.sentiment, t.incident,
    t.private, t.posted_at, t.conversation_id, t.item_id,
    d.answered_at AS direct_at, d.latency_seconds AS direct_seconds,
    c.answered_at AS covered_at, c.latency_seconds AS covered_seconds,
    CASE WHEN c.latency_seconds IS NULL OR d.latency_seconds <= c.latency_seconds
        THEN d.latency_seconds ELSE c.latency_seconds END AS elapsed_seconds,
    CASE WHEN c.latency_seconds IS NULL OR d.latency_seconds <= c.latency_seconds
        THEN d.business_seconds ELSE c.business_seconds END AS business_seconds,
    m.latency_seconds AS machine_seconds,
    e.reason AS ended, e.ended_at,
    CASE
        WHEN t.outcome = 'set_aside' AND (d.post_id IS NOT NULL OR c.post_id IS NOT NULL) THEN 'set_aside_answered'
        WHEN d.post_id IS NOT NULL THEN 'direct'
        WHEN c.post_id IS NOT NULL THEN 'covered'
        WHEN t.outcome = 'set_aside' OR (t.outcome = '' AND t.item_id = '') THEN 'set_aside'
        WHEN e.reason IN ('deleted', 'spam', 'duplicate') THEN e.reason
        WHEN e.reason IN ('answered', 'answered_elsewhere', 'wrapped') OR t.outcome = 'answered' THEN 'no_figure'
        WHEN e.reason <> 'merged' THEN 'closed'
        WHEN EXISTS (SELECT 1 FROM replies r WHERE r.network = t.network AND r.in_reply_to = t.post_id
            AND r.state IN ('approval_pending', 'queued', 'sending', 'unknown')) THEN 'being_sent'
        WHEN EXISTS (SELECT 1 FROM replies r WHERE r.network = t.network AND r.in_reply_to = t.post_id
            AND r.state IN ('refused', 'manual_required', 'needs_human')) THEN 'not_sent'
        WHEN m.post_id IS NOT NULL THEN 'machine_only'
        ELSE 'waiting'
    END AS state
FROM targets t
LEFT JOIN latencies d ON d.network = t.network AND d.post_id = t.post_id AND d.how = 'direct'
LEFT JOIN latencies c ON c.network = t.network AND c.post_id = t.post_id AND c.how = 'covered'
LEFT JOIN latencies m ON m.network = t.network AND m.post_id = t.post_id AND m.how = 'machine'
LEFT JOIN item_ends e ON e.item_id = t.item_id
"""

_EXCHANGES = """
CREATE VIEW report_exchanges AS
SELECT network, own_post_id, conversation_id, kind, post_id, started_at, answered_at, elapsed_seconds,
    business_seconds, messages, handle, queue, language, intent, urgency, team
FROM exchanges
"""

_CLOCKS = """
CREATE VIEW report_clocks AS
SELECT item_id, kind, state, policy, started_at, due_at, stopped_at, conversation_id, network, handle, queue, language,
    intent, urgency, team
FROM clocks
"""

_CONVERSATIONS = """
CREATE VIEW report_conversations AS
SELECT x.conversation_id, x.network, x.team, x.handle, x.queue, x.language, x.intent, x.urgency, x.started_at,
    x.answered_at AS first_answered_at, x.elapsed_seconds AS first_seconds,
    x.business_seconds AS first_business_seconds,
    (SELECT count(*) FROM exchanges y WHERE y.conversation_id = x.conversation_id) AS exchanges,
    (SELECT sum(y.elapsed_seconds) FROM exchanges y WHERE y.conversation_id = x.conversation_id) AS elapsed_seconds,
    (SELECT CASE WHEN count(*) = count(y.business_seconds) THEN sum(y.business_seconds) END
        FROM exchanges y WHERE y.conversation_id = x.conversation_id) AS business_seconds,
    (SELECT count(*) FROM targets t WHERE t.conversation_id = x.conversation_id) AS customer_messages,
    (SELECT count(*) FROM answering_posts p WHERE p.conversation_id = x.conversation_id AND NOT p.automatic)
        AS our_messages,
    (SELECT max(t.posted_at) FROM targets t WHERE t.conversation_id = x.conversation_id) AS last_message_at,
    (SELECT max(p.answered_at) FROM answering_posts p WHERE p.conversation_id = x.conversation_id AND NOT p.automatic)
        AS last_answer_at,
    (SELECT t.intent FROM targets t WHERE t.conversation_id = x.conversation_id
        ORDER BY t.posted_at DESC, t.post_id DESC LIMIT 1) AS last_intent,
    (SELECT t.sentiment FROM targets t WHERE t.conversation_id = x.conversation_id
        ORDER BY t.posted_at DESC, t.post_id DESC LIMIT 1) AS last_sentiment,
    (SELECT count(*) FROM targets t WHERE t.conversation_id = x.conversation_id
        AND t.item_id <> '' AND t.outcome NOT IN ('set_aside', 'answered')
        AND NOT EXISTS (SELECT 1 FROM latencies l
            WHERE l.network = t.network AND l.post_id = t.post_id AND l.how IN ('direct', 'covered'))
        AND NOT EXISTS (SELECT 1 FROM item_ends e WHERE e.item_id = t.item_id AND e.reason <> 'merged')
    ) AS waiting_messages
FROM exchanges x
WHERE x.kind = 'first'
"""
