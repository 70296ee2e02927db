"""An automatic acknowledgement: once a conversation, where it is allowed, and in nobody's way."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from libs.common import faults
from libs.common.errors import Raced
from libs.common.events import ReplyFailed, ReplyPosted, StoppedClock, of_type
from services.responder.handlers.restore import finish
from tests.integration.responder.conftest import PACE, World
from tests.integration.responder.machines import fresh, hear, process, rule
from tests.integration.responder.mentions import MINUTE, answered
from tests.integration.responder.test_sending import LOOK, LOOK_AGAIN, Killed, kill


async def written(world: World) -> list[dict[str, Any]]:
    """What a machine wrote, as it is kept."""
    return [row for row in await world.rows("replies") if row["kind"] == "automatic"]


def outcome(world: World, name: str) -> float:
    return world.registry.get_sample_value("automatic_messages_total", {"outcome": name}) or 0.0


async def test_a_private_message_is_acknowledged_in_its_language_and_told_as_a_machines(world: World) -> None:
    await rule(world, acknowledgement="received")
    await hear(world, fresh(language="fr-CH"))
    await world.sends()

    [reply] = await written(world)
    assert (reply["state"], reply["text"]) == ("posted", "Bonjour @jo, bien reçu par @acme.")
    assert (reply["agent"], reply["created_by"], reply["template"]) == ("", "guichet", "received@1")
    [told] = of_type(ReplyPosted, await world.told())
    assert (told.kind, told.private, told.in_reply_to, told.key) == ("automatic", True, "1001", "key-jo")
    assert await world.sandbox.messages() == ["Bonjour @jo, bien reçu par @acme."]
    assert outcome(world, "queued") == 1


async def test_without_a_rule_no_machine_writes(world: World) -> None:
    await rule(world)
    await hear(world, fresh())
    assert await world.rows("replies") == []


async def test_once_a_conversation_though_it_is_told_twice_and_goes_on(world: World) -> None:
    await rule(world, acknowledgement="received")
    first = fresh()
    await hear(world, first, first)
    await hear(world, first)
    await world.sends()
    await hear(world, fresh("1002"), fresh("1003", conversation_id="cnv_2"))

    assert sorted(row["conversation_id"] for row in await written(world)) == ["cnv_1", "cnv_2"]


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_two_processes_that_hear_of_one_conversation_at_once_write_once(world: World) -> None:
    """Neither sees what the other has not committed; SQLite lets one write at a time."""
    await rule(world, acknowledgement="received")
    async with process(world) as (database, mentions), database.begin() as session:
        await mentions.on_work_items([fresh("1001")], session)
        with pytest.raises(Raced):
            await hear(world, fresh("1002"))
    await hear(world, fresh("1002"))

    assert len(await written(world)) == 1


@pytest.mark.parametrize("first", ["machine", "agent"])
async def test_an_agents_reply_and_the_acknowledgement_are_not_in_each_others_way(world: World, first: str) -> None:
    await rule(world, acknowledgement="received")
    await hear(world, fresh())
    if first == "machine":
        await world.sends()
    answer = await world.ask(text="On regarde ^Ana", based_on_version=0)
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    await world.sends()

    states = {row["kind"]: (row["state"], row["reason"]) for row in await world.rows("replies")}
    assert states["reply"] == ("posted", "")
    assert states["automatic"] == (("posted", "") if first == "machine" else ("canceled", "answered"))
    assert (await world.ask(text="Et encore")).json()["reply_id"] == answer.json()["id"]


@pytest.mark.parametrize(
    ("message", "more", "why"),
    [
        ({"incident": "inc_1"}, {}, "incident"),
        ({"later": -1000}, {}, "too_old"),
        ({"network": "crm"}, {}, "no_way"),
        ({"private": False, "summoned": "named"}, {}, "not_labelled"),
        ({"private": False, "summoned": "implied"}, {"automated": True}, "not_called"),
        ({"private": False}, {"automated": True}, "not_called"),
        ({"author_username": ""}, {}, "no_text"),
    ],
)
async def test_where_none_is_allowed_there_is_none(
    world: World, message: dict[str, Any], more: dict[str, Any], why: str
) -> None:
    await rule(world, acknowledgement="received", **more)
    body = {"acknowledgement": "received"}
    assert (await world.http.put("/v1/reply-rules/handles/crm/acme", json=body)).status_code == 200

    await hear(world, fresh(**message))

    assert (await written(world), outcome(world, why)) == ([], 1)


@pytest.mark.parametrize("outcome_of_it", ["set_aside", "joined", "answered"])
async def test_only_what_opens_a_work_item_is_acknowledged(world: World, outcome_of_it: str) -> None:
    await rule(world, acknowledgement="received")
    await hear(world, fresh(outcome=outcome_of_it))
    assert await written(world) == []


@pytest.mark.parametrize("summoned", ["named", "quoted"])
async def test_in_public_a_labelled_account_answers_who_called_it(world: World, summoned: str) -> None:
    await rule(world, acknowledgement="received", automated=True)
    await world.sandbox.seed({"id": "1001", "text": "@acme help", "username": "jo"})
    await hear(world, fresh(private=False, summoned=summoned))
    await world.sends()

    [reply] = await written(world)
    assert reply["state"] == "posted"
    assert await world.sandbox.per_mention() == {"1001": 1}


async def test_who_said_stop_is_not_written_to_by_this_handle(world: World) -> None:
    await rule(world, acknowledgement="received")
    await hear(world, fresh("1000", stop=True, outcome="set_aside"), fresh("1001", conversation_id="cnv_2"))
    await hear(world, fresh("1002", conversation_id="cnv_3", author_id="333"))

    assert [row["conversation_id"] for row in await written(world)] == ["cnv_3"]
    assert outcome(world, "stop") == 1


@pytest.mark.parametrize("together", [True, False])
async def test_what_its_author_took_away_is_not_acknowledged(world: World, together: bool) -> None:
    await rule(world, acknowledgement="received")
    message, gone = fresh(), fresh(outcome="deleted", later=1, author_id="", author_username="")
    for batch in [[message, gone]] if together else [[gone], [message]]:
        await hear(world, *batch)
    assert await written(world) == []


async def test_stop_holds_back_what_was_queued(world: World) -> None:
    await rule(world, acknowledgement="received")
    await hear(world, fresh())
    assert (await world.http.put("/v1/stops/x/222", params={"handle": "acme"})).status_code == 204
    await world.sends()

    [reply] = await written(world)
    assert (reply["state"], reply["reason"], await world.sandbox.messages()) == ("canceled", "stop", [])


async def test_a_conversation_that_a_person_answered_is_not_acknowledged(world: World) -> None:
    await rule(world, acknowledgement="received")
    event = fresh()
    await hear(world, answered(at=event.posted_at, after=timedelta(seconds=1)), event)
    assert (await written(world), outcome(world, "answered")) == ([], 1)


async def test_one_that_had_to_wait_too_long_is_not_sent(world: World) -> None:
    await rule(world, acknowledgement="received")
    await hear(world, fresh())
    await world.sends(later=1000)
    [reply] = await written(world)
    assert (reply["state"], reply["reason"]) == ("canceled", "too_old")


@pytest.mark.parametrize("fault", [{"kind": "error", "status": 403}, {"kind": "error", "status": 503}])
async def test_what_does_not_go_out_is_no_persons_work(world: World, fault: dict[str, Any]) -> None:
    """Refused, or nobody knows: no person is told, and nothing waits for one."""
    await rule(world, acknowledgement="received")
    await hear(world, fresh())
    await world.sandbox.next(fault | {"on": "message"}, {"kind": "error", "on": "read", "count": 100})
    for later in (0, LOOK, 1801):
        await world.sends(later)

    [reply] = await written(world)
    assert reply["state"] == ("refused" if fault["status"] == 403 else "canceled")
    assert of_type(ReplyFailed, await world.told()) == []
    assert (await world.ask()).json()["state"] == "queued"


@pytest.mark.parametrize("point", ["after_reserve_before_post", "after_post_before_confirm"])
async def test_a_process_killed_on_the_way_leaves_one_message(world: World, point: str) -> None:
    await rule(world, acknowledgement="received")
    await hear(world, fresh())
    faults.plant(point, kill)
    with pytest.raises(Killed):
        await world.sends()
    assert faults.hits[point] == 1
    faults.clear()
    for later in (LOOK, LOOK_AGAIN, LOOK_AGAIN + 1):
        await world.sends(later)

    [reply] = await written(world)
    assert (reply["state"], len(await world.sandbox.messages())) == ("posted", 1)


async def test_a_lost_reply_is_not_taken_for_the_acknowledgement_beside_it(world: World) -> None:
    """Both answer the same post; the machine's is on our timeline, the agent's never went out."""
    await rule(world, acknowledgement="received", automated=True)
    await world.sandbox.seed({"id": "1001", "text": "@acme help", "username": "jo"})
    await hear(world, fresh(private=False, summoned="named"))
    await world.sandbox.next({"kind": "error_after_posting"})
    await world.sends()
    reply = (await world.ask(text="On regarde ^Ana")).json()["id"]
    await world.sandbox.next({"kind": "error"})
    await world.sends(later=1)
    await world.sandbox.next({"kind": "error", "on": "read"})  # so the agent's is looked for before the machine's
    for later in (180.5, LOOK + 1, LOOK_AGAIN + 2, LOOK_AGAIN + 3):
        await world.sends(later)

    texts = sorted(post["text"].removeprefix("@jo ") for post in await world.sandbox.received())
    assert texts == ["Bonjour @jo, bien reçu par @acme.", "On regarde ^Ana"]
    assert (await world.reply(reply))["state"] == "posted"


async def test_a_machines_post_on_its_way_is_no_news_to_who_writes_an_answer(world: World) -> None:
    await rule(world, acknowledgement="received")
    message = fresh(conversation_version=1)
    await hear(world, message)
    await world.sends()
    machine = answered(at=message.posted_at, by="o-1", automatic=True, conversation_version=2)
    await hear(world, machine)

    assert (await world.ask(based_on_version=1)).status_code == 202


async def test_the_report_knows_that_only_a_machine_answered(world: World) -> None:
    await rule(world, acknowledgement="received")
    message = fresh()
    await hear(world, message)
    [group] = (await world.http.get("/v1/stats/coverage")).json()["groups"]
    assert (group["not_answered"]["being_sent"], group["not_answered"]["waiting"]) == (0, 1)
    await world.sends()
    await hear(world, answered(at=message.posted_at, automatic=True))

    [group] = (await world.http.get("/v1/stats/coverage")).json()["groups"]
    assert (group["not_answered"]["machine_only"], group["answered"]) == (1, {"direct": 0, "covered": 0})


# --- a post of ours that turns out to be a machine's


@pytest.mark.parametrize("kinds", [("automatic", "reply", "survey"), ("reply", "survey", "automatic")])
async def test_what_both_wrote_since_a_backup_is_known_after_the_restore(world: World, kinds: tuple[Any, ...]) -> None:
    """The machine's message is not in the way of the person's, nor the other way round."""
    message = fresh()
    await hear(world, message)
    told = [
        ReplyPosted(
            event_id=f"p-{kind}", occurred_at=message.posted_at, key="key-jo", reply_id=f"rep_{kind}", network="x",
            post_id=f"o-{kind}", in_reply_to="1001", handle="acme", author_id="222", agent="", text=kind,
            posted_at=message.posted_at, private=True, kind=kind,
        )
        for kind in kinds
    ]  # fmt: skip

    finished = await finish(world.database, [*told, *told], PACE)

    assert finished.posted == 3
    slots = {row["kind"]: (row["state"], row["follow_up_of"]) for row in await world.rows("replies")}
    machine = {kind: ("posted", kind) for kind in ("automatic", "survey")}
    assert slots == {"reply": ("posted", "")} | machine


@pytest.mark.parametrize("order", [("seen", "told"), ("seen told",), ("seen", "told", "seen", "told")])
async def test_what_a_machine_seemed_to_answer_waits_again(world: World, order: tuple[str, ...]) -> None:
    message = fresh(conversation_version=1)
    at = message.posted_at
    events = {
        "seen": [
            answered(by="o-1", at=at, after=MINUTE, conversation_version=2),
            answered("1000", by="o-1", at=at - MINUTE, after=2 * MINUTE, how="covered", conversation_version=2),
        ],
        "told": [
            answered(by="o-1", at=at, after=MINUTE, automatic=True, conversation_version=3),
            answered("1000", by="o-1", at=at - MINUTE, after=2 * MINUTE, automatic=True, conversation_version=3),
        ],
    }
    await hear(world, message)
    for batch in order:
        await hear(world, *[event for which in batch.split() for event in events[which]])
        if batch == "seen":
            assert "direct" in {row["how"] for row in await world.rows("latencies")}

    assert [row["how"] for row in await world.rows("latencies")] == ["machine", "machine"]
    assert (await world.rows("exchanges"), await world.rows("answers")) == ([], [])
    [post] = await world.rows("answering_posts")
    assert bool(post["automatic"])
    await hear(world, answered(by="o-2", at=at, after=9 * MINUTE, conversation_version=4))
    [exchange] = await world.rows("exchanges")
    assert (exchange["own_post_id"], exchange["kind"], exchange["elapsed_seconds"]) == ("o-2", "first", 540)


async def test_a_clock_that_a_machine_seemed_to_stop_runs_again(world: World) -> None:
    message = fresh()
    at = message.posted_at
    clock = StoppedClock(
        item_id="itm_1", kind="first", urgency="high", started_at=at, due_at=at + 60 * MINUTE, met=True
    )
    await hear(world, message, answered(by="o-1", at=at, after=MINUTE, clock=clock))
    assert [row["state"] for row in await world.rows("clocks")] == ["met"]

    await hear(world, answered(by="o-1", at=at, after=MINUTE, automatic=True))
    assert await world.rows("clocks") == []

    late = answered(by="o-2", at=at, after=90 * MINUTE, clock=replace(clock, met=False))
    await hear(world, late)
    [row] = await world.rows("clocks")
    assert (row["state"], row["stopped_at"] is None) == ("breached", False)
    await hear(world, answered(by="o-2", at=at, after=90 * MINUTE, automatic=True))
    [row] = await world.rows("clocks")
    assert (row["state"], row["stopped_at"]) == ("breached", None)
