"""Surveys, who wants none, public closures, and how a mention calls us."""

import sqlalchemy as sa
from alembic import op

from libs.common.db import UtcDateTime

revision = "0005"
down_revision = "0004"

_RUNS = sa.text("state IN ('scheduled', 'sent')")
_SUGGESTED = sa.text("state = 'suggested'")
_AUTOMATIC = sa.text("kind = 'automatic'")


def upgrade() -> None:
    """A column with a default, and tables that are new and empty."""
    op.add_column("targets", sa.Column("summoned", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "surveys",
        sa.Column("conversation_id", sa.Text(), primary_key=True),
        *[sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS_OF_A_SURVEY],
        sa.Column("resolved_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("reply_id", sa.Text(), nullable=False),
        sa.Column("sent_at", UtcDateTime()),
        sa.Column("rating", sa.SmallInteger()),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("answered_at", UtcDateTime()),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
    )
    op.create_index("surveys_due", "surveys", ["due_at"], postgresql_where=_RUNS, sqlite_where=_RUNS)
    op.create_index("surveys_of_person", "surveys", ["network", "author_id"])
    op.create_index("surveys_changed", "surveys", ["updated_at", "conversation_id"])
    op.create_index("surveys_resolved", "surveys", ["resolved_at"])
    op.create_table(
        "stops",
        sa.Column("network", sa.Text(), primary_key=True),
        sa.Column("author_id", sa.Text(), primary_key=True),
        sa.Column("handle", sa.Text(), primary_key=True),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("stopped_at", UtcDateTime(), nullable=False),
    )
    op.create_index(
        "replies_automatic",
        "replies",
        ["conversation_id"],
        unique=True,
        postgresql_where=_AUTOMATIC,
        sqlite_where=_AUTOMATIC,
    )
    op.execute(_SATISFACTION)
    if op.get_bind().dialect.name == "postgresql":  # who may read it may do so still
        op.execute(_MENTIONS.replace("CREATE VIEW", "CREATE OR REPLACE VIEW"))
    else:
        op.execute("DROP VIEW report_mentions")
        op.execute(_MENTIONS)
    op.create_table(
        "closures",
        sa.Column("conversation_id", sa.Text(), primary_key=True),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("post_id", sa.Text(), nullable=False),
        sa.Column("confirmed_by", sa.Text(), nullable=False),
        sa.Column("confirmed_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reply_id", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
    )
    op.create_index("closures_changed", "closures", ["updated_at", "conversation_id"])
    op.create_index(
        "closures_suggested", "closures", ["confirmed_at"], postgresql_where=_SUGGESTED, sqlite_where=_SUGGESTED
    )


_TEXTS_OF_A_SURVEY = (
    "network", "handle", "author_id", "team", "queue", "language", "intent", "agent", "key", "state", "reason",
)  # fmt: skip

_SATISFACTION = """
CREATE VIEW report_satisfaction AS
SELECT s.conversation_id, s.network, s.team, s.handle, s.queue, s.language, s.intent, s.state, s.reason, s.resolved_at,
    s.sent_at, s.answered_at, s.rating, x.elapsed_seconds AS first_seconds,
    CASE
        WHEN x.elapsed_seconds IS NULL THEN 'not_answered'
        WHEN x.elapsed_seconds <= 900 THEN '900'
        WHEN x.elapsed_seconds <= 3600 THEN '3600'
        WHEN x.elapsed_seconds <= 5400 THEN '5400'
        WHEN x.elapsed_seconds <= 86400 THEN '86400'
        ELSE 'more'
    END AS band
FROM surveys s
LEFT JOIN exchanges x ON x.conversation_id = s.conversation_id AND x.kind = 'first'
"""

# a machine's message on its way is no answer on its way; what was deleted unanswered waits for nobody
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
    e.reason AS ended, CASE WHEN t.outcome = 'deleted' THEN coalesce(e.ended_at, t.routed_at) ELSE e.ended_at END
        AS ended_at,
    CASE
        WHEN t.outcome = 'set_aside' AND (d.post_id IS NOT NULL OR c.post_id IS NOT NULL) THEN 'set_aside_answered'
        WHEN d.post_id IS NOT NULL THEN 'direct'
        WHEN c.post_id IS NOT NULL THEN 'covered'
        WHEN t.outcome = 'deleted' THEN 'deleted'
        WHEN t.outcome = 'set_aside' OR (t.outcome = '' AND t.item_id = '') THEN 'set_aside'
        WHEN e.reason IN ('deleted', 'spam', 'duplicate') THEN e.reason
        WHEN e.reason IN ('answered', 'answered_elsewhere', 'wrapped') OR t.outcome = 'answered' THEN 'no_figure'
        WHEN e.reason <> 'merged' THEN 'closed'
        WHEN EXISTS (SELECT 1 FROM replies r WHERE r.network = t.network AND r.in_reply_to = t.post_id
            AND r.kind NOT IN ('survey', 'automatic')
            AND r.state IN ('approval_pending', 'queued', 'sending', 'unknown')) THEN 'being_sent'
        WHEN EXISTS (SELECT 1 FROM replies r WHERE r.network = t.network AND r.in_reply_to = t.post_id
            AND r.kind NOT IN ('survey', 'automatic')
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
