"""The tables of incidents, of what belongs to them, of counts of topics, and of consultations."""

import sqlalchemy as sa

from libs.common.db import Json, UtcDateTime
from services.router.store.tables import metadata

_LASTING = sa.text("state IN ('proposed', 'open')")
_ASKED = sa.text("state = 'open'")

INCIDENTS = sa.Table(
    "incidents",
    metadata,
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # proposed, open, closed
    sa.Column("matcher", Json, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime),
    sa.Column("holding", Json, nullable=False),  # by language
    sa.Column("banner", Json, nullable=False),
    sa.Column("spike", Json),  # what proposed it; none: a person
    sa.Column("opened_at", UtcDateTime),
    sa.Column("closed_at", UtcDateTime),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("scan_at", UtcDateTime),  # when waiting items are looked through for those that belong; none: done
    sa.Column("scan_from", sa.Text, nullable=False),  # the item after which that goes on
    sa.Index("incidents_changed", "updated_at", "slug"),
    sa.Index("incidents_lasting", "state", postgresql_where=_LASTING, sqlite_where=_LASTING),
)
INCIDENT_CHANGES = sa.Table(
    "incident_changes",
    metadata,
    sa.Column("incident", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)
INCIDENT_ITEMS = sa.Table(
    "incident_items",
    metadata,
    sa.Column("incident", sa.Text, primary_key=True),
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("joined_at", UtcDateTime, nullable=False),
)
TOPIC_ARRIVALS = sa.Table(  # what batches counted, until it is summed up in topic_counts
    "topic_arrivals",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("bucket", UtcDateTime, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
)
TOPIC_COUNTS = sa.Table(  # mentions that need somebody, by ten minutes
    "topic_counts",
    metadata,
    sa.Column("bucket", UtcDateTime, primary_key=True),
    sa.Column("team", sa.Text, primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),  # "*" is all of them, "*critical" those that are critical
    sa.Column("n", sa.Integer, nullable=False),
)
CONSULTATIONS = sa.Table(
    "consultations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("asked", sa.Text, nullable=False),  # who should answer
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # open, answered, canceled
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("answered_by", sa.Text, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Index("consultations_of_conversation", "conversation_id"),
    sa.Index("consultations_open", "asked", postgresql_where=_ASKED, sqlite_where=_ASKED),
    sa.Index("consultations_changed", "updated_at", "id"),
)
