"""Handing in mentions: what is taken, what it becomes, and what the log holds before the answer."""

import json
from datetime import UTC, datetime

import msgspec

from libs.common.bus import partition_of
from libs.common.events import MentionDeleted, MentionReceived
from tests.integration.ingest.world import NDJSON, World, item, x_post

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_one_mention_is_in_the_log_when_the_caller_hears_of_it(world: World) -> None:
    answer = await world.post(item("A-17", posted_at="2025-06-02T14:00:00+02:00", author={"id": "c9", "name": "Jo"}))

    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    [mention] = await world.mentions()
    assert (mention.network, mention.post_id, mention.author_id) == ("crm", "A-17", "c9")
    assert mention.posted_at == datetime(2025, 6, 2, 12, tzinfo=UTC)
    assert mention.handle == "default"


async def test_a_record_carries_the_person_s_key_its_partition_and_the_callers_trace(world: World) -> None:
    await world.post(item(), headers={"traceparent": TRACE})

    [record] = await world.records()
    [mention] = await world.mentions()
    assert record.key.decode() == mention.key
    assert record.partition == partition_of(record.key, world.bus.partitions)
    assert record.header("traceparent") == mention.traceparent == TRACE
    assert record.header("ce_type") == MentionReceived.type
    assert record.header("ce_id") == mention.event_id
    assert "c9" not in mention.key


async def test_a_batch_and_ndjson_are_taken_in_order(world: World) -> None:
    await world.post([item(n) for n in range(3)])
    lines = "\n".join(json.dumps(item(n)) for n in range(3, 6)) + "\n\n"
    answer = await world.call("POST", "/v1/mentions", content=lines, headers=NDJSON)

    assert answer.json()["accepted"] == 3
    assert [mention.post_id for mention in await world.mentions()] == ["0", "1", "2", "3", "4", "5"]


async def test_the_same_mention_sent_again_is_the_same_event(world: World) -> None:
    await world.post(item())
    await world.post([item(), item(version=2)])

    first, again, edited = [mention.event_id for mention in await world.mentions()]
    assert first == again != edited


async def test_repeats_within_a_request_count_as_duplicates_and_other_versions_do_not(world: World) -> None:
    answer = await world.post([item("1"), item(1), item("1", version=2), item("2", edit_of="1", version=3)])

    assert answer.json() == {"accepted": 3, "duplicates": 1, "rejected": []}
    assert [(mention.post_id, mention.version) for mention in await world.mentions()] == [("1", 1), ("1", 2), ("1", 3)]


async def test_the_raw_payload_travels_and_is_dropped_where_it_is_too_large(world: World) -> None:
    await world.post([item("1", custom={"points": 3}), item("2", custom="x" * 70_000)])

    small, large = await world.mentions()
    assert msgspec.json.decode(small.raw)["custom"] == {"points": 3}
    assert bytes(large.raw) == b"null"


async def test_a_handle_named_by_slug_wins_and_the_others_are_remembered(world: World) -> None:
    await world.has_handle("acme-fr", username="AcmeFr", languages=["fr"])
    await world.has_handle("acme", username="acme", purpose="brand")
    await world.has_handle("support-crm", network="crm", username="desk")

    await world.post(
        [
            item("1", handle="support-crm"),
            item("2", network="x", text="@Acme @acmefr bonjour"),
            item("3", network="x", text="@acmefr bonjour", handle="acme"),
            item("4", network="mastodon", text="@acme bonjour"),
        ]
    )

    assert [(mention.handle, mention.also_named) for mention in await world.mentions()] == [
        ("support-crm", ()),
        ("acme-fr", ("acme",)),
        ("acme", ("acme-fr",)),
        ("default", ()),
    ]


async def test_a_handle_may_be_named_as_soon_as_it_was_created_and_no_longer_once_it_is_gone(world: World) -> None:
    assert (await world.post(item(handle="new"))).status_code == 422
    await world.has_handle("new")
    assert (await world.post(item(handle="new"))).status_code == 202
    await world.call("DELETE", "/v1/handles/new")
    assert (await world.post(item(handle="new"))).status_code == 422


async def test_a_caller_cannot_name_a_handle_of_another_team(world: World) -> None:
    await world.has_handle("theirs", team="others")

    answer = await world.post(item(handle="theirs"), key=world.of_main)

    assert answer.status_code == 422
    assert answer.json()["rejected"][0]["type"] == "urn:guichet:problem:unknown-handle"


async def test_x_posts_are_taken_bare_or_with_what_they_include(world: World) -> None:
    await world.has_handle("acme", external_id="111")
    delivery = {
        "data": x_post("20", "so late &amp; slow", in_reply_to_user_id="111"),
        "includes": {"users": [{"id": "222", "username": "jo", "public_metrics": {"followers_count": 7}}]},
    }

    answer = await world.post([x_post(), delivery], "/v1/mentions?shape=x")

    assert answer.json()["accepted"] == 2
    bare, full = await world.mentions()
    assert (bare.handle, full.handle) == ("acme", "acme")
    assert (full.text, full.author_username, full.reach.followers) == ("so late & slow", "jo", 7)
    assert full.network == "x"


async def test_x_shaped_posts_may_come_from_another_network(world: World) -> None:
    await world.post(x_post(), "/v1/mentions?shape=x&network=sandbox")
    assert [mention.network for mention in await world.mentions()] == ["sandbox"]


async def test_a_post_of_our_own_is_told_as_one_and_keyed_by_whom_it_answers(world: World) -> None:
    await world.has_handle("acme", external_id="111")

    await world.post(x_post("19", author_id="222"), "/v1/mentions?shape=x")
    answer = x_post(
        "20",
        "@jo on its way",
        author_id="111",
        in_reply_to_user_id="222",
        referenced_tweets=[{"type": "replied_to", "id": "19"}],
    )
    await world.post(answer, "/v1/mentions?shape=x")

    [mention], [own] = await world.mentions(), await world.own_posts()
    assert (own.handle, own.answered_person, own.in_reply_to) == ("acme", "222", "19")
    assert own.key == mention.key


async def test_what_is_taken_is_counted_by_source_and_outcome(world: World) -> None:
    await world.post([item("1"), item("1"), item("2", text="")])

    figures = (await world.call("GET", "/metrics")).text
    assert 'mentions_ingested_total{outcome="accepted",source="api"} 1.0' in figures
    assert 'mentions_ingested_total{outcome="duplicate",source="api"} 1.0' in figures
    assert 'mentions_ingested_total{outcome="rejected",source="api"} 1.0' in figures
    assert 'events_published_total{type="mention.received.v1"} 1.0' in figures
    assert 'source_last_event_timestamp_seconds{source="api"}' in figures


async def test_that_a_post_is_gone_is_told_in_the_order_of_its_author(world: World) -> None:
    await world.post({"network": "crm", "id": "A/17", "text": "Where is it?", "author": {"id": "c9"}})
    answer = await world.call("DELETE", "/v1/mentions/crm/A%2F17?author=c9")

    assert answer.status_code == 202, answer.text
    mention, gone = await world.told()
    assert isinstance(gone, MentionDeleted)
    assert (gone.network, gone.post_id, gone.key) == ("crm", "A/17", mention.key)


async def test_only_who_acts_for_every_team_may_say_that_a_post_is_gone(world: World) -> None:
    answer = await world.call("DELETE", "/v1/mentions/x/1", key=world.of_others)

    assert (answer.status_code, answer.json()["type"]) == (403, "urn:guichet:problem:not-your-team")
    assert await world.told() == []
    assert (await world.call("DELETE", "/v1/mentions/x/1", key=world.of_main)).status_code == 202
    await world.has_handle("north", team="north")
    assert (await world.call("DELETE", "/v1/mentions/x/1", key=world.of_main)).status_code == 403


async def test_a_deletion_that_the_log_does_not_hold_is_not_accepted(world: World) -> None:
    world.bus.away = True

    assert (await world.call("DELETE", "/v1/mentions/x/1")).status_code == 503
