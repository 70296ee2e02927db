"""The router's tables."""

from collections.abc import Collection

import sqlalchemy as sa

from libs.common.db import Json, UtcDateTime
from libs.common.events import MACHINE

metadata = sa.MetaData()

_OPEN = sa.text("state IN ('pending', 'reserved', 'assigned', 'wrapping')")
_PENDING = sa.text("state = 'pending'")
_TIMED = sa.text("next_at IS NOT NULL")
_OPEN_AND_TIMED = sa.text("state IN ('pending', 'reserved', 'assigned', 'wrapping') AND next_at IS NOT NULL")
_WAKING = sa.text("wake_at IS NOT NULL")
_MERGED = sa.text("merged_into <> ''")

SETUP = sa.Table(
    "setup",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),  # queues, routing-policies, sla-policies, ...
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)
SETUP_VERSIONS = sa.Table(
    "setup_versions",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("body", Json),  # none: it was deleted
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)
SETUP_REVISION = sa.Table(  # one row: rises with every change of the set-up
    "setup_revision",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
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
    sa.Column("teams", Json, nullable=False),  # further ones
    sa.Column("queues", Json, nullable=False),  # only these; none: all of their teams
    sa.Column("hours", sa.Text, nullable=False),
    sa.Column("idle_since", UtcDateTime),
    sa.Column("timeouts", sa.SmallInteger, nullable=False),  # offers in a row that nobody took
    sa.Column("next_at", UtcDateTime),  # when what they hold goes back, if they stay away
    sa.Index("agents_timed", "next_at", postgresql_where=_TIMED, sqlite_where=_TIMED),
)
AGENT_CHANGES = sa.Table(
    "agent_changes",
    metadata,
    sa.Column("agent", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("presence", sa.Text, nullable=False),
    sa.Column("capacity", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
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
    sa.Column("urgency", sa.Text, nullable=False),  # of its last item
    sa.Column("replied_at", UtcDateTime),  # first human answer of this cycle
    sa.Column("agent", sa.Text, nullable=False),  # who answered last, and when
    sa.Column("agent_at", UtcDateTime),
    sa.Column("cycle", sa.Integer, nullable=False),  # rises when it is reopened
    sa.Column("wake_at", UtcDateTime),  # when a snooze ends, it goes stale, it closes
    sa.Column("reason", sa.Text, nullable=False),  # of its state
    sa.Column("merged_into", sa.Text, nullable=False),
    sa.Column("private", sa.Boolean, nullable=False),  # the customer's latest message
    sa.Column("machine", sa.Text, nullable=False),  # what a machine of ours wrote since then: survey, automatic
    sa.Index("conversations_waking", "wake_at", postgresql_where=_WAKING, sqlite_where=_WAKING),
    sa.Index("conversations_merged", "merged_into", postgresql_where=_MERGED, sqlite_where=_MERGED),
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
    sa.Column("covered_at", UtcDateTime),  # by the first reply after it that names another message
    sa.Column("covered_by", sa.Text),
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
    sa.Column("kind", sa.Text, nullable=False),  # of a reply; empty where it was seen on the network
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
    sa.Column("line", sa.Text, nullable=False),  # queue, team and what it requires now: a line of its own each
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("sort_at", UtcDateTime, nullable=False),  # its deadline; once that is past, since when it waits
    sa.Column("next_at", UtcDateTime),  # when time changes something about it
    sa.Column("weight", sa.SmallInteger, nullable=False),
    sa.Column("routing", Json, nullable=False),  # what decided, and what applies
    # at most one open item a conversation
    sa.Index("work_items_open", "conversation_id", unique=True, postgresql_where=_OPEN, sqlite_where=_OPEN),
    # the order agents take them in
    sa.Index(
        "work_items_waiting",
        "line",
        "late",
        "rank",
        "sort_at",
        "enqueued_at",
        "id",
        postgresql_where=_PENDING,
        sqlite_where=_PENDING,
    ),
    sa.Index(
        "work_items_held",
        "agent",
        postgresql_where=sa.text("state IN ('reserved', 'assigned', 'wrapping')"),
        sqlite_where=sa.text("state IN ('reserved', 'assigned', 'wrapping')"),
    ),
    sa.Index("work_items_timed", "next_at", postgresql_where=_OPEN_AND_TIMED, sqlite_where=_OPEN_AND_TIMED),
    sa.Index("work_items_changed", "updated_at", "id"),
    sa.Index("work_items_open_changed", "updated_at", "id", postgresql_where=_OPEN, sqlite_where=_OPEN),
    sa.Index("work_items_of_conversation", "conversation_id"),
)
LINES = sa.Table(  # those that ever were
    "lines",
    metadata,
    sa.Column("line", sa.Text, primary_key=True),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Index("lines_of_queue", "queue"),
)
PICKS = sa.Table(  # how many items each queue gave: every fifth of a class is its oldest late one
    "picks",
    metadata,
    sa.Column("queue", sa.Text, primary_key=True),
    sa.Column("picks", sa.BigInteger, nullable=False),
)
CLOCKS = sa.Table(
    "clocks",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),  # first, next, promise
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("policy_version", sa.Integer, nullable=False),
    sa.Column("urgency", sa.Text, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # running, met, breached, met_late, canceled
    sa.Column("stopped_at", UtcDateTime),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("changes", Json, nullable=False),  # earlier deadlines, each with its cause
    sa.Index("clocks_of_conversation", "conversation_id"),
)
RESERVATIONS = sa.Table(
    "reservations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("item_id", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("offered_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Index("reservations_of_agent", "agent", "offered_at"),
    sa.Index("reservations_of_item", "item_id"),
)
CONVERSATION_CHANGES = sa.Table(  # what people and time did to it; what messages did is seen in them
    "conversation_changes",
    metadata,
    sa.Column("conversation_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("why", Json),
    sa.Index("conversation_changes_by_time", "at"),
)
NOTES = sa.Table(  # for colleagues; customers never see them
    "notes",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("notes_of_conversation", "conversation_id", "created_at"),
)
LEASES = sa.Table(  # who is on a conversation now, and when their draft changed last
    "leases",
    metadata,
    sa.Column("conversation_id", sa.Text, primary_key=True),
    sa.Column("agent", sa.Text, primary_key=True),
    sa.Column("renewed_at", UtcDateTime, nullable=False),
    sa.Column("draft_at", UtcDateTime),
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
    sa.Column("why", Json),  # the candidates, and why each was not chosen
)


def in_states(states: Collection[str]) -> sa.ColumnElement[bool]:
    """Items in one of these states. Written out: only so is it known, when a statement's one plan is made, that the
    index of what is open has all that is asked for.
    """
    return WORK_ITEMS.c.state.in_([sa.literal_column(f"'{state}'") for state in states])


def by_people() -> sa.ColumnElement[bool]:
    """The posts of ours that no machine wrote: those that answer."""
    return OWN_POSTS.c.kind.not_in([sa.literal_column(f"'{kind}'") for kind in MACHINE])
