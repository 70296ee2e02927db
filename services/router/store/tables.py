"""The router's tables."""

import sqlalchemy as sa

from libs.common.db import Json, UtcDateTime

metadata = sa.MetaData()

QUEUES = sa.Table(
    "queues",
    metadata,
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("languages", Json, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)
AGENTS = sa.Table(
    "agents",
    metadata,
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("skills", Json, nullable=False),
    sa.Column("capacity", sa.Integer, nullable=False),
    sa.Column("used", sa.Integer, nullable=False),
    sa.Column("presence", sa.Text, nullable=False),
    sa.Column("presence_at", UtcDateTime, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)
CONVERSATIONS = sa.Table(
    "conversations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("author_id", sa.Text, nullable=False),
    sa.Column("author_username", sa.Text, nullable=False),
    sa.Column("handle", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("thread_id", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("last_message_at", UtcDateTime, nullable=False),
    sa.Column("last_customer_at", UtcDateTime, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Index("conversations_of_author", "network", "author_id", "handle", "last_message_at"),
    sa.Index("conversations_changed", "updated_at", "id"),
)
MENTIONS = sa.Table(
    "mentions",
    metadata,
    sa.Column("network", sa.Text, primary_key=True),
    sa.Column("post_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("handle", sa.Text, nullable=False),
    sa.Column("also_named", Json, nullable=False),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("item_id", sa.Text, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),  # opened, joined, set_aside, answered, deleted
    sa.Column("author_id", sa.Text, nullable=False),
    sa.Column("author_username", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("thread_id", sa.Text, nullable=False),
    sa.Column("in_reply_to", sa.Text, nullable=False),
    sa.Column("private", sa.Boolean, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("reach", Json, nullable=False),
    sa.Column("labels", Json, nullable=False),
    sa.Column("correction", sa.Integer),  # the version of it that the labels are from; none: they are the model's
    sa.Column("posted_at", UtcDateTime, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("answered_at", UtcDateTime),
    sa.Column("answered_by", sa.Text),
    sa.Column("traceparent", sa.Text, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Index("mentions_of_conversation", "conversation_id", "posted_at"),
    sa.Index("mentions_changed", "updated_at", "post_id"),
)
CORRECTIONS = sa.Table(
    "corrections",
    metadata,
    sa.Column("network", sa.Text, primary_key=True),
    sa.Column("post_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("mention_version", sa.Integer, nullable=False),
    sa.Column("said", Json, nullable=False),  # by the model
    sa.Column("labels", Json, nullable=False),  # all, after it
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("corrected_at", UtcDateTime, nullable=False),
    sa.Index("corrections_changed", "corrected_at", "id"),
)
OWN_POSTS = sa.Table(
    "own_posts",
    metadata,
    sa.Column("network", sa.Text, primary_key=True),
    sa.Column("post_id", sa.Text, primary_key=True),
    sa.Column("handle", sa.Text, nullable=False),
    sa.Column("conversation_id", sa.Text),  # none yet where the mention has not come
    sa.Column("answered_person", sa.Text, nullable=False),
    sa.Column("in_reply_to", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("posted_at", UtcDateTime, nullable=False),
    sa.Column("reply_id", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Index("own_posts_answering", "network", "in_reply_to"),
    sa.Index("own_posts_of_conversation", "conversation_id", "posted_at"),
)
WORK_ITEMS = sa.Table(
    "work_items",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("urgency", sa.Text, nullable=False),
    sa.Column("rank", sa.SmallInteger, nullable=False),  # 0 is the most urgent
    sa.Column("enqueued_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("assigned_at", UtcDateTime),
    sa.Column("opened_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    # at most one open item a conversation
    sa.Index(
        "work_items_open",
        "conversation_id",
        unique=True,
        postgresql_where=sa.text("state IN ('pending', 'reserved', 'assigned', 'wrapping')"),
        sqlite_where=sa.text("state IN ('pending', 'reserved', 'assigned', 'wrapping')"),
    ),
    # the order agents take them in
    sa.Index(
        "work_items_waiting",
        "queue",
        "rank",
        "enqueued_at",
        "id",
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    ),
    sa.Index(
        "work_items_held",
        "agent",
        postgresql_where=sa.text("state IN ('reserved', 'assigned', 'wrapping')"),
        sqlite_where=sa.text("state IN ('reserved', 'assigned', 'wrapping')"),
    ),
    sa.Index("work_items_changed", "updated_at", "id"),
)
ITEM_CHANGES = sa.Table(
    "work_item_changes",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)
