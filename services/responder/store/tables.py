"""The responder's tables; the outbox, the inbox and the idempotency keys stand beside them."""

import sqlalchemy as sa

from libs.common.db import Json, UtcDateTime
from libs.common.idempotency import idempotency_table
from services.responder.domain.replies import LIVE

metadata = sa.MetaData()

_LIVE = sa.text(f"state IN ({', '.join(repr(state) for state in LIVE)})")
_QUEUED = sa.text("state = 'queued'")
_SENDING = sa.text("state = 'sending'")
_UNKNOWN = sa.text("state = 'unknown'")
_AUTOMATIC = sa.text("kind = 'automatic'")
_LATEST = sa.text("latest")
_PRIVATE = sa.text("private")
_SURVEY_RUNS = sa.text("state IN ('scheduled', 'sent')")
_SUGGESTED = sa.text("state = 'suggested'")
_ON_THE_NETWORK = sa.text("own_post_id IS NOT NULL")

TARGETS = sa.Table(
    "targets",
    metadata,
    sa.Column("network", sa.Text, primary_key=True),
    sa.Column("post_id", sa.Text, primary_key=True),
    sa.Column("handle", sa.Text, nullable=False),
    sa.Column("author_id", sa.Text, nullable=False),
    sa.Column("author_username", sa.Text, nullable=False),
    sa.Column("thread_id", sa.Text, nullable=False),
    sa.Column("private", sa.Boolean, nullable=False),
    sa.Column("posted_at", UtcDateTime, nullable=False),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("item_id", sa.Text, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("intent", sa.Text, nullable=False),
    sa.Column("urgency", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("routed_at", UtcDateTime, nullable=False),
    sa.Column("conversation_version", sa.Integer, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("incident", sa.Text, nullable=False),
    sa.Column("sentiment", sa.Text, nullable=False),
    sa.Column("summoned", sa.Text, nullable=False),
    sa.Index("targets_of_conversation", "conversation_id"),
    sa.Index("targets_posted", "posted_at"),
    sa.Index("targets_private", "network", "author_id", postgresql_where=_PRIVATE, sqlite_where=_PRIVATE),
)
ANSWERS = sa.Table(
    "answers",  # the latest of each conversation
    metadata,
    sa.Column("conversation_id", sa.Text, primary_key=True),
    sa.Column("own_post_id", sa.Text, nullable=False),
    sa.Column("reply_id", sa.Text, nullable=False),
    sa.Column("in_reply_to", sa.Text, nullable=False),
    sa.Column("answered_at", UtcDateTime, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
)
LATENCIES = sa.Table(
    "latencies",
    metadata,
    sa.Column("network", sa.Text, primary_key=True),
    sa.Column("post_id", sa.Text, primary_key=True),
    sa.Column("how", sa.Text, primary_key=True),
    sa.Column("own_post_id", sa.Text, nullable=False),
    sa.Column("reply_id", sa.Text, nullable=False),
    sa.Column("posted_at", UtcDateTime, nullable=False),
    sa.Column("answered_at", UtcDateTime, nullable=False),
    sa.Column("latency_seconds", sa.Double, nullable=False),
    sa.Column("handle", sa.Text, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("intent", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("business_seconds", sa.Double),
    sa.Index("latencies_posted", "posted_at"),
    sa.Index("latencies_of_conversation", "conversation_id"),
)
REPLIES = sa.Table(
    "replies",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("in_reply_to", sa.Text, nullable=False),
    sa.Column("handle", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("not_before", UtcDateTime, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("item_id", sa.Text, nullable=False),
    sa.Column("follow_up_of", sa.Text, nullable=False),
    sa.Column("author_id", sa.Text, nullable=False),
    sa.Column("thread_id", sa.Text, nullable=False),
    sa.Column("private", sa.Boolean, nullable=False),
    sa.Column("traceparent", sa.Text, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("reserved_at", UtcDateTime),
    sa.Column("unknown_since", UtcDateTime),
    sa.Column("missed_at", UtcDateTime),
    sa.Column("look_at", UtcDateTime),
    sa.Column("own_post_id", sa.Text),
    sa.Column("posted_at", UtcDateTime),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("promise_seconds", sa.Integer, nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("template", sa.Text, nullable=False),
    sa.Column("warnings", sa.Text, nullable=False),
    sa.Column("approved_by", sa.Text, nullable=False),
    sa.Column("by_hand", sa.Boolean, nullable=False),
    # one live reply a mention, and one live follow-up of each reply
    sa.Index(
        "replies_live",
        "network",
        "in_reply_to",
        "follow_up_of",
        unique=True,
        postgresql_where=_LIVE,
        sqlite_where=_LIVE,
    ),
    # no post is two replies' post
    sa.Index(
        "replies_own_posts",
        "network",
        "own_post_id",
        unique=True,
        postgresql_where=_ON_THE_NETWORK,
        sqlite_where=_ON_THE_NETWORK,
    ),
    # one acknowledgement a conversation, whatever became of it
    sa.Index(
        "replies_automatic",
        "conversation_id",
        unique=True,
        postgresql_where=_AUTOMATIC,
        sqlite_where=_AUTOMATIC,
    ),
    sa.Index("replies_of_mention", "network", "in_reply_to"),
    sa.Index("replies_changed", "updated_at", "id"),
    sa.Index("replies_of_conversation", "conversation_id"),
    sa.Index("replies_queued", "priority", "not_before", "id", postgresql_where=_QUEUED, sqlite_where=_QUEUED),
    sa.Index("replies_sending", "reserved_at", postgresql_where=_SENDING, sqlite_where=_SENDING),
    sa.Index("replies_unknown", "look_at", postgresql_where=_UNKNOWN, sqlite_where=_UNKNOWN),
)
TEMPLATES = sa.Table(
    "templates",  # every version; one without texts says that it was taken away
    metadata,
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("texts", Json, nullable=False),
    sa.Column("latest", sa.Boolean, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("updated_by", sa.Text, nullable=False),
    sa.Index("templates_latest", "slug", unique=True, postgresql_where=_LATEST, sqlite_where=_LATEST),
)
RULES = sa.Table(
    "reply_rules",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)
BUDGETS = sa.Table(
    "budgets",
    metadata,
    sa.Column("network", sa.Text, primary_key=True),
    sa.Column("handle", sa.Text, primary_key=True),
    sa.Column("operation", sa.Text, primary_key=True),
    sa.Column("limit", sa.Integer, nullable=False),
    sa.Column("remaining", sa.Integer, nullable=False),
    sa.Column("reset_at", UtcDateTime),
)
SURVEYS = sa.Table(
    "surveys",  # one a conversation
    metadata,
    sa.Column("conversation_id", sa.Text, primary_key=True),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("handle", sa.Text, nullable=False),
    sa.Column("author_id", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("intent", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # scheduled, sent, answered, expired, suppressed
    sa.Column("reason", sa.Text, nullable=False),  # why it was suppressed
    sa.Column("resolved_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),  # to be sent, or to expire
    sa.Column("reply_id", sa.Text, nullable=False),
    sa.Column("sent_at", UtcDateTime),
    sa.Column("rating", sa.SmallInteger),  # 1..5
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("answered_at", UtcDateTime),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Index("surveys_due", "due_at", postgresql_where=_SURVEY_RUNS, sqlite_where=_SURVEY_RUNS),
    sa.Index("surveys_of_person", "network", "author_id"),
    sa.Index("surveys_changed", "updated_at", "conversation_id"),
    sa.Index("surveys_resolved", "resolved_at"),
)
STOPS = sa.Table(
    "stops",  # persons who want no more messages that a machine writes
    metadata,
    sa.Column("network", sa.Text, primary_key=True),
    sa.Column("author_id", sa.Text, primary_key=True),
    sa.Column("handle", sa.Text, primary_key=True),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("stopped_at", UtcDateTime, nullable=False),
)
CLOSURES = sa.Table(
    "closures",  # one a conversation: the public word that it was settled in private
    metadata,
    sa.Column("conversation_id", sa.Text, primary_key=True),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("handle", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("post_id", sa.Text, nullable=False),  # with which it began in public
    sa.Column("confirmed_by", sa.Text, nullable=False),  # the customer's private message that says so
    sa.Column("confirmed_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # suggested, posted, skipped
    sa.Column("reason", sa.Text, nullable=False),  # why it was skipped
    sa.Column("reply_id", sa.Text, nullable=False),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Index("closures_changed", "updated_at", "conversation_id"),
    sa.Index("closures_suggested", "confirmed_at", postgresql_where=_SUGGESTED, sqlite_where=_SUGGESTED),
)
IDEMPOTENCY = idempotency_table(metadata)
