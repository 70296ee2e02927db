"""Posts and handles for the unit tests of ingest."""

from datetime import UTC, datetime, timedelta
from typing import Any

from libs.common.events import MentionReceived, OwnPostReceived
from services.ingest.domain import Handle, Handles, Person, Post, Refused, decide

NOON = datetime(2025, 6, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)

ACME_BRAND = Handle(slug="acme", network="x", username="Acme", external_id="1", purpose="brand")
ACME_FRANCE = Handle(slug="acme-fr", network="x", username="Acme_FR", external_id="2", purpose="country")
ACME_HELP = Handle(slug="acme-help", network="x", username="AcmeHelp", external_id="3", purpose="support")
ACME_CARES = Handle(slug="acme-cares", network="x", username="AcmeCares", purpose="support", team="cares")
ON_BLUESKY = Handle(slug="bsky", network="bluesky", username="acme.bsky.social")
OURS = Handles([ACME_BRAND, ACME_FRANCE, ACME_HELP, ACME_CARES, ON_BLUESKY])

JO = Person("c1", "jo")


def post(text: str = "hello", *, author: Person = JO, **fields: Any) -> Post:
    """A post on x by a customer."""
    return Post(**{"network": "x", "id": "p1", "text": text, "author": author, "posted_at": NOON, **fields})


def decided(
    given: Post, *, handles: Handles = OURS, teams: tuple[str, ...] = ("*",), now: datetime = NOON
) -> MentionReceived | OwnPostReceived | Refused:
    """What it is to us; its key is the person's id, to be seen."""
    return decide(
        given,
        handles,
        teams=frozenset(teams),
        source="api",
        received_at=now,
        traceparent="",
        key_of=lambda network, person: f"{network}:{person}",
    )


def mention(given: Post, **more: Any) -> MentionReceived:
    """The mention it is."""
    event = decided(given, **more)
    assert isinstance(event, MentionReceived), event
    return event


def own_post(given: Post, **more: Any) -> OwnPostReceived:
    """The post of ours it is."""
    event = decided(given, **more)
    assert isinstance(event, OwnPostReceived), event
    return event


def refused(given: Post, **more: Any) -> Refused:
    """Why it cannot be taken."""
    event = decided(given, **more)
    assert isinstance(event, Refused), event
    return event
