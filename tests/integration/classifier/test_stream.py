"""What the classifier tells of what it hears."""

from libs.common.events import RAW, MentionClassified, MentionDeleted, OwnPostReceived
from tests.builders import NOON, published, received, unreadable
from tests.integration.classifier.world import World

OWN = OwnPostReceived(
    event_id="own-1",
    occurred_at=NOON,
    key="someone",
    network="x",
    post_id="9",
    handle="acme",
    text="hi",
    posted_at=NOON,
)
DELETED = MentionDeleted(event_id="gone-1", occurred_at=NOON, key="someone", network="x", post_id="8")


async def test_a_mention_is_told_with_its_labels_and_all_that_was_known_of_it(world: World) -> None:
    heard = received("e-1", text="@acme my train is two hours late, unacceptable")
    await world.hears(heard)

    [mention] = await world.told(1)
    assert isinstance(mention, MentionClassified)
    assert (mention.labels.intent, mention.labels.urgency, mention.labels.language) == ("complaint", "high", "en")
    for field in ("network", "post_id", "handle", "author_id", "text", "posted_at", "received_at", "key", "source"):
        assert getattr(mention, field) == getattr(heard, field)
    assert mention.event_id != heard.event_id


async def test_a_mention_heard_twice_is_told_under_the_same_id(world: World) -> None:
    await world.hears(received("e-1"), received("e-1"))
    first, again = await world.told(2)
    assert first == again


async def test_our_own_posts_and_deletions_go_on_as_they_are_and_in_order(world: World) -> None:
    await world.hears(OWN, received("e-1"), DELETED)

    own, mention, deleted = await world.told(3)
    assert (own, deleted) == (OWN, DELETED)
    assert isinstance(mention, MentionClassified)


async def test_a_record_keeps_its_partition_its_key_and_its_trace(world: World) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    heard = OwnPostReceived(
        event_id="own-2",
        occurred_at=NOON,
        key="someone",
        traceparent=trace,
        network="x",
        post_id="9",
        handle="acme",
        text="hi",
        posted_at=NOON,
    )
    await world.bus.publish([published(heard, topic=RAW, partition=3)])

    [record] = await world.tells(1)
    assert (record.partition, record.key, record.header("traceparent")) == (3, b"someone", trace)


async def test_what_it_classifies_is_counted(world: World) -> None:
    await world.hears(received("e-1", text="@acme thanks a lot, you were great"), OWN)
    await world.tells(2)

    figures = (await world.call("GET", "/metrics")).text
    assert 'mentions_classified_total{intent="praise_thanks",language="en",urgency="none"} 1.0' in figures
    assert "classify_seconds_count 1.0" in figures


async def test_a_record_nobody_can_read_becomes_a_dead_letter_and_the_next_one_is_told(world: World) -> None:
    await world.bus.publish([unreadable(RAW)])
    await world.hears(received("e-1"))

    await world.tells(1)
    listed = await world.answers("/v1/classifier/dead-letters", "mention.received.v1")
    assert listed.json()["items"][0]["topic"] == RAW


async def test_it_is_ready_once_it_has_joined(world: World) -> None:
    await world.answers("/readyz", '"ok"')
    assert (await world.call("GET", "/livez")).status_code == 200
