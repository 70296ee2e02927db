"""Exchanges, conversations, business time, machines and hours, as the report counts them."""

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from libs.common.events import Event, MentionAnswered, MentionRouted, ResponseBreached, StoppedClock
from tests.integration.responder.conftest import World
from tests.integration.responder.mentions import MINUTE, NOON, answered, routed

MARCH = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
KEPT = ("targets", "latencies", "exchanges", "clocks", "item_ends", "answering_posts")


async def stats(world: World, what: str, **query: str) -> Any:
    answer = await world.http.get(f"/v1/stats/{what}", params=MARCH | query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def asks(post_id: str, minutes: float, **more: Any) -> MentionRouted:
    return routed(post_id, at=at(minutes), **more)


def answers(post_id: str, minutes: float, by: str, until: float, **more: Any) -> MentionAnswered:
    return answered(post_id, by=by, at=at(minutes), after=(until - minutes) * MINUTE, **more)


TALK: list[Event] = [
    asks("1", 0),
    asks("2", 4, outcome="joined"),
    answers("2", 4, "o-1", 10),
    answers("1", 0, "o-1", 10, how="covered"),
    asks("3", 20, intent="information_request"),
    answers("3", 20, "o-2", 25),
]


async def test_a_conversation_has_its_first_its_next_and_all_its_waits(world: World) -> None:
    await world.hears(*TALK)

    found = {}
    for kind in ("first", "next", "resolution"):
        report = await stats(world, "response-latency", kind=kind)
        [group] = report["groups"]
        found[kind] = (report["kind"], group["answered"], group["p50"])
        assert report["definition"]

    assert found == {"first": ("first", 1, 600), "next": ("next", 1, 300), "resolution": ("resolution", 1, 900)}
    mentions = await stats(world, "response-latency")
    assert [(group["answered"], group["p50"]) for group in mentions["groups"]] == [(2, 300)]


async def test_what_the_report_keeps_is_the_same_in_whatever_batches_it_comes_and_told_twice(world: World) -> None:
    await world.hears(*TALK)
    expected = [sorted(await world.rows(table), key=str) for table in KEPT]

    await world.hears(*TALK)
    for event in TALK:
        await world.hears(event)

    assert [sorted(await world.rows(table), key=str) for table in KEPT] == expected
    assert [len(rows) for rows in expected] == [3, 3, 2, 0, 0, 2]


async def test_an_earlier_answer_that_comes_late_changes_the_exchanges(world: World) -> None:
    await world.hears(*TALK)
    await world.hears(answers("1", 0, "o-0", 2))  # the first message was answered before the second came

    exchanges = sorted(await world.rows("exchanges"), key=lambda row: str(row["own_post_id"]))
    assert [(row["own_post_id"], row["kind"], row["elapsed_seconds"], row["messages"]) for row in exchanges] == [
        ("o-0", "first", 120, 1),
        ("o-1", "next", 360, 1),
        ("o-2", "next", 300, 1),
    ]
    await world.hears(answers("2", 4, "o-0", 5), answers("3", 20, "o-1", 21))
    left = {row["own_post_id"] for row in await world.rows("exchanges")}
    assert left == {"o-0", "o-1"}


async def test_the_next_response_is_observed_once_and_apart_from_the_first(world: World) -> None:
    await world.hears(*TALK)
    await world.hears(*TALK)

    counted = {
        kind: world.registry.get_sample_value("response_latency_seconds_sum", {"kind": kind, "queue": "fr"})
        for kind in ("first", "next")
    }
    assert counted == {"first": 360 + 300, "next": 300}


async def test_who_waits_or_wrote_within_three_days_is_not_at_the_end(world: World) -> None:
    now = datetime.now(NOON.tzinfo)
    await world.hears(*TALK, asks("4", 60))
    recent = {"conversation_id": "cnv_2", "item_id": "itm_2"}
    await world.hears(routed("5", at=now - 60 * MINUTE, **recent))
    await world.hears(answered("5", by="o-5", at=now - 60 * MINUTE, after=MINUTE, conversation_id="cnv_2"))

    ever = {"from": "2026-03-01T00:00:00Z", "to": (now + MINUTE).isoformat().replace("+00:00", "Z")}
    assert (await stats(world, "response-latency", kind="resolution", **ever))["groups"] == []
    [first] = (await stats(world, "response-latency", kind="first", **ever))["groups"]
    assert first["answered"] == 2


async def test_business_time_is_the_routers_and_what_has_none_is_left_out_and_counted(world: World) -> None:
    await world.hears(
        answered("1", by="o-1", after=60 * MINUTE, business_seconds=120.0),
        answered("2", by="o-2", after=60 * MINUTE, conversation_id="cnv_2"),
    )

    for query in ({"kind": "mention"}, {"kind": "mention", "how": "any"}, {"kind": "first"}):
        report = await stats(world, "response-latency", basis="business", **query)
        [group] = report["groups"]
        assert (report["basis"], group["answered"], group["p50"], report["left_out"]) == ("business", 1, 120, 1), query
        assert "opening time" in report["definition"]
    assert (await stats(world, "response-latency"))["left_out"] == 0


async def test_a_machines_answer_stands_apart_and_answers_nobody(world: World) -> None:
    await world.hears(asks("1", 0), answers("1", 0, "o-1", 1, automatic=True))

    for query in ({}, {"how": "covered"}, {"how": "any"}, {"kind": "first"}, {"kind": "resolution"}):
        assert (await stats(world, "response-latency", **query))["groups"] == [], query
    [machine] = (await stats(world, "response-latency", how="machine"))["groups"]
    assert (machine["answered"], machine["p50"]) == (1, 60)
    [coverage] = (await stats(world, "coverage"))["groups"]
    assert (coverage["share"], coverage["not_answered"]["machine_only"]) == (0, 1)

    await world.hears(answers("1", 0, "o-2", 30))
    [person] = (await stats(world, "response-latency", how="any"))["groups"]
    assert (person["answered"], person["p50"]) == (1, 1800)


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("UTC", ["00", "12", "23"]), ("Europe/Paris", ["01", "13"]), ("Asia/Kolkata", ["04", "05", "17"])],
)
async def test_hours_are_those_of_the_zone_on_both_sides_of_its_change(
    world: World, zone: str, hours: list[str]
) -> None:
    noon, night, summer = NOON, NOON - timedelta(hours=12), datetime(2026, 3, 29, 23, tzinfo=NOON.tzinfo)
    for n, moment in enumerate((noon, night, summer)):
        more = {"conversation_id": f"cnv_{n}", "item_id": f"itm_{n}"}
        await world.hears(routed(str(n), at=moment, **more))
        await world.hears(answered(str(n), by=f"o-{n}", at=moment, conversation_id=f"cnv_{n}"))

    for what, query in (("response-latency", {}), ("response-latency", {"kind": "first"}), ("coverage", {})):
        groups = (await stats(world, what, group_by="hour", zone=zone, **query))["groups"]
        assert [group["key"] for group in groups] == hours, what


async def test_how_many_interactions_a_conversation_took_and_how_complaints_ended(world: World) -> None:
    await world.hears(*TALK)
    await world.hears(asks("4", 30, intent="praise_thanks", outcome="set_aside", item_id="", queue=""))
    await world.hears(
        asks("7", 0, conversation_id="cnv_2"),
        answers("7", 0, "o-7", 9, conversation_id="cnv_2"),
        asks("8", 0, conversation_id="cnv_3", intent="information_request"),
        answers("8", 0, "o-8", 9, conversation_id="cnv_3", intent="information_request"),
    )

    report = await stats(world, "conversations")

    [group] = report["groups"]
    assert group["complaints"] == {"answered": 2, "wrote_again": 1, "ended_well": 1, "share": 0.5}
    interactions = group["interactions"]
    assert (interactions["n"], interactions["min"], interactions["p50"], interactions["max"]) == (3, 2, 2, 6)
    assert (group["messages_per_answer"]["n"], group["messages_per_answer"]["max"]) == (4, 2)
    assert (report["satisfaction"]["ratings"], "No ratings" in report["satisfaction"]["note"]) == (0, True)


async def test_a_complaint_that_ends_kindly_meant_ended_well(world: World) -> None:
    await world.hears(*TALK)
    for number, sentiment in enumerate(("negative", "positive"), 1):
        more: dict[str, Any] = {"sentiment": sentiment, "intent": "feedback"}
        await world.hears(asks(f"9{number}", 30 + number, **more))
        [group] = (await stats(world, "conversations"))["groups"]
        assert group["complaints"]["ended_well"] == (sentiment == "positive")


async def test_a_missed_deadline_counts_where_its_message_stands_though_its_item_was_reopened(world: World) -> None:
    missed = ResponseBreached(
        event_id="b", occurred_at=at(61), key="key-jo", item_id="itm_again", conversation_id="cnv_1", queue="fr",
        urgency="high", due_at=at(60), kind="next", started_at=at(5),
    )  # fmt: skip
    await world.hears(asks("1", 0, handle="acme_fr"), asks("2", 3, outcome="joined", handle="acme"), missed)

    for group_by, key in (("handle", "acme_fr"), ("urgency", "high"), ("language", "fr")):
        groups = {group["key"]: group["clocks"] for group in (await stats(world, "sla", group_by=group_by))["groups"]}
        assert groups[key] == {"next": {"met": 0, "breached": 1, "share": 0}}


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_clock_is_counted_once_and_the_earliest_answer_decides(world: World, order: tuple[int, ...]) -> None:
    def clock(met: bool) -> StoppedClock:
        return StoppedClock("itm_1", "first", "high", NOON, at(60), met, "gold")

    told: list[Event] = [
        ResponseBreached(
            event_id="b", occurred_at=at(61), key="key-jo", item_id="itm_1", conversation_id="cnv_1", queue="fr",
            urgency="high", due_at=at(60),
        ),
        answers("1", 0, "o-2", 90, clock=clock(False)),
        answers("1", 0, "o-1", 50, clock=clock(True)),
    ]  # fmt: skip
    await world.hears(asks("1", 0))
    seen = []
    for place in order:
        await world.hears(told[place])
        [group] = (await stats(world, "sla"))["groups"]
        first = group["clocks"]["first"]
        assert first["met"] + first["breached"] == 1
        seen.append(first["met"])

    assert seen[-1] == 1  # one answer was in time
    assert (1 not in seen) == (2 not in order)
    assert seen == sorted(seen)
