"""Public closures: suggested when a customer confirms in private, posted or skipped by a person."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from libs.common.events import MentionRouted, ReplyPosted, of_type
from services.responder.handlers.figures import Housekeeper
from services.responder.store.tables import CLOSURES
from tests.integration.responder.conftest import World
from tests.integration.responder.mentions import MINUTE, routed
from tests.integration.responder.test_deletions import sends_while
from tests.integration.responder.test_replying_well import slug_of

_BEGAN = 2 * 60  # minutes ago


def ago(minutes: float) -> datetime:
    return datetime.now(UTC) - minutes * MINUTE


def wrote(post_id: str, minutes: float, **more: Any) -> MentionRouted:
    """The customer, so many minutes ago."""
    return routed(post_id, at=ago(minutes), conversation_version=int(post_id) - 1000, **more)


def thanks(post_id: str = "1003", minutes: float = 30, **more: Any) -> MentionRouted:
    fields: dict[str, Any] = {"private": True, "intent": "praise_thanks", "sentiment": "positive"}
    return wrote(post_id, minutes, **fields | more)


async def settled(world: World, *, kind: str = "reply", began: dict[str, Any] | None = None) -> None:
    """It began in public, went on in private, and a person of ours answered there; the sandbox posts at once."""
    await world.hears(wrote("1001", _BEGAN, **{"summoned": "named", **(began or {})}))
    await world.hears(wrote("1002", 60, private=True))
    answer = await world.ask("1002", text="C'est fait", kind=kind, agent="ana")
    assert answer.status_code == 202, answer.text
    await world.sends()


async def suggested(world: World) -> dict[str, Any]:
    await settled(world)
    await world.hears(thanks(minutes=-0.1))  # after our answer, which is of now
    return await closure(world)


async def closure(world: World, id_: str = "cnv_1") -> dict[str, Any]:
    answer = await world.http.get(f"/v1/closures/{id_}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def close(
    world: World, id_: str = "cnv_1", *, key: str = "close-1", etag: str = "", **words: str
) -> httpx2.Response:
    headers = {"Idempotency-Key": key} | ({"If-Match": etag} if etag else {})
    body = words or {"text": "Réglé en privé, merci à vous ^Ana"}
    return await world.http.post(f"/v1/closures/{id_}/post", json=body, headers=headers)


# --- suggested


async def test_what_was_settled_in_private_is_suggested_for_the_public_post(world: World) -> None:
    found = await suggested(world)

    assert (found["state"], found["post_id"], found["confirmed_by"]) == ("suggested", "1001", "1003")
    assert (found["network"], found["handle"], found["team"], found["reply_id"]) == ("x", "acme", "main", "")
    lasts = datetime.fromisoformat(found["expires_at"]) - datetime.fromisoformat(found["confirmed_at"])
    assert lasts == timedelta(hours=48)
    options = (await world.http.get("/v1/reply-options?network=x&post_id=1003")).json()
    assert options["closure"] == found
    assert await world.sandbox.per_mention() == {}  # nothing is posted by itself


async def test_without_our_answer_in_private_or_with_a_promise_alone_nothing_is_suggested(world: World) -> None:
    await world.hears(wrote("1001", _BEGAN, summoned="named"), wrote("1002", 60, private=True), thanks())
    await settled(world, kind="holding")
    await world.hears(thanks("1004", -0.1))

    assert await world.rows("closures") == []
    none = await world.http.get("/v1/closures/cnv_1")
    assert (none.status_code, slug_of(none)) == (404, "no-such-closure")


@pytest.mark.parametrize(
    ("began", "last"),
    [
        ({"private": True}, {}),
        ({"summoned": "not"}, {}),
        ({}, {"private": False}),
        ({}, {"sentiment": "negative"}),
        ({}, {"intent": "chatter"}),
    ],
)
async def test_a_missing_condition_suggests_nothing(world: World, began: dict[str, Any], last: dict[str, Any]) -> None:
    await settled(world, began=began)
    await world.hears(thanks(minutes=-0.1, **last))
    assert await world.rows("closures") == []


async def test_thanks_from_before_our_answer_confirm_nothing(world: World) -> None:
    await settled(world)
    await world.hears(thanks(minutes=30))
    assert await world.rows("closures") == []


async def test_the_same_confirmation_twice_is_one_suggestion(world: World) -> None:
    before = await suggested(world)
    await world.hears(thanks(minutes=-0.1), thanks(minutes=-0.1))
    assert await closure(world) == before


@pytest.mark.parametrize(
    ("post_id", "fields", "reason"),
    [
        ("1004", {"private": True, "intent": "complaint"}, "wrote_again"),
        ("1004", {}, "wrote_again"),
        ("1001", {"outcome": "deleted"}, "deleted"),
        ("1003", {"outcome": "deleted"}, "deleted"),
    ],
)
async def test_a_further_message_or_a_deletion_takes_it_back(
    world: World, post_id: str, fields: dict[str, Any], reason: str
) -> None:
    await suggested(world)
    await world.hears(wrote(post_id, -1, **fields))

    fallen = await closure(world)
    assert (fallen["state"], fallen["reason"]) == ("skipped", reason)
    refused = await close(world)
    assert (refused.status_code, slug_of(refused)) == (409, "closure-not-now")
    assert refused.json()["condition"] == ("deleted" if post_id == "1001" else "skipped")
    assert (await world.http.get("/v1/closures?state=suggested")).json()["items"] == []


async def test_a_second_confirmation_suggests_it_again(world: World) -> None:
    first = await suggested(world)
    await world.hears(wrote("1004", -1, private=True, intent="complaint"))
    await world.hears(thanks("1005", -2))

    again = await closure(world)
    assert (again["state"], again["reason"], again["confirmed_by"]) == ("suggested", "", "1005")
    assert again["version"] == first["version"] + 2


# --- posted


async def test_it_is_posted_once_as_an_answer_to_the_public_post(world: World) -> None:
    found = await suggested(world)
    answer = await close(world, etag=f'"{found["version"]}"', text="Réglé en privé ^Ana", agent="ana")

    reply = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/v1/replies/{reply['id']}")
    assert (reply["kind"], reply["in_reply_to"], reply["state"], reply["warnings"]) == ("closure", "1001", "queued", [])
    on_its_way = await closure(world)
    assert (on_its_way["state"], on_its_way["reply_id"], on_its_way["decided_by"]) == ("suggested", reply["id"], "ana")
    second = await close(world, key="close-2")
    assert (second.status_code, second.json()["condition"]) == (409, "being_posted")

    await world.sends()
    posted = await closure(world)
    assert (posted["state"], posted["version"]) == ("posted", on_its_way["version"] + 1)
    assert await world.sandbox.per_mention() == {"1001": 1}
    told = of_type(ReplyPosted, await world.told())[-1]
    assert (told.kind, told.in_reply_to, told.private) == ("closure", "1001", False)
    third = await close(world, key="close-3")
    assert (third.status_code, third.json()["condition"], third.json()["reply_id"]) == (409, "posted", reply["id"])
    again = await close(world, etag=f'"{found["version"]}"', text="Réglé en privé ^Ana", agent="ana")
    assert (again.status_code, again.json()) == (202, reply)


async def test_after_an_answer_in_public_it_is_a_follow_up_of_that(world: World) -> None:
    await world.hears(wrote("1001", _BEGAN, summoned="named"))
    first = (await world.ask("1001", text="Écrivez-nous en privé")).json()["id"]
    await world.sends()
    await suggested(world)
    reply = (await close(world)).json()

    assert (reply["follow_up_of"], reply["state"]) == (first, "queued")
    await world.sends()
    assert await world.sandbox.per_mention() == {"1001": 2}


async def test_of_four_who_close_at_once_one_does(world: World) -> None:
    await suggested(world)
    answers = await asyncio.gather(*[close(world, key=f"close-{n}", text=f"Réglé {n}") for n in range(4)])

    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    await world.sends()
    assert await world.sandbox.per_mention() == {"1001": 1}


async def test_what_the_network_refused_may_be_tried_again(world: World) -> None:
    await suggested(world)
    await close(world)
    await world.sandbox.next({"kind": "error", "status": 400})
    await world.sends()
    assert (await closure(world))["state"] == "suggested"

    assert (await close(world, key="close-2", text="Autrement dit, réglé")).status_code == 202
    await world.sends()
    assert (await closure(world))["state"] == "posted"


async def test_a_customer_who_writes_again_stops_a_closure_that_waits(world: World) -> None:
    await suggested(world)
    reply = (await close(world)).json()
    await world.hears(wrote("1004", -1, private=True, intent="complaint"))
    await world.sends()

    assert (await world.reply(reply["id"]))["state"] == "canceled"
    assert ((await closure(world))["reason"], await world.sandbox.per_mention()) == ("wrote_again", {})


async def test_one_that_is_on_its_way_is_not_taken_back_and_counts_as_posted(world: World) -> None:
    await suggested(world)
    await close(world)
    skipped = []

    async def meanwhile() -> None:
        await world.hears(wrote("1004", -1, private=True, intent="complaint"))
        skipped.append(await world.http.post("/v1/closures/cnv_1/skip"))

    await sends_while(world, meanwhile)
    assert [(each.status_code, each.json()["condition"]) for each in skipped] == [(409, "being_posted")]
    assert (await closure(world))["state"] == "posted"


async def test_it_may_be_written_from_a_template_that_needs_nothing(world: World) -> None:
    await suggested(world)
    texts = {"regle": {"fr": "{author} réglé en privé"}, "nom": {"fr": "Réglé, ref {reference}"}}
    for slug, languages in texts.items():
        await world.http.put(f"/v1/templates/{slug}", json={"texts": languages})
    unfilled = await close(world, template="nom")
    assert (unfilled.status_code, unfilled.json()["missing"]) == (422, ["reference"])
    unknown = await close(world, template="rien")
    assert (unknown.status_code, slug_of(unknown)) == (422, "no-such-template")
    assert (await close(world, template="regle", agent="ana")).json()["text"] == "@jo réglé en privé"


async def test_what_may_have_been_private_is_warned_of_and_not_refused(world: World) -> None:
    await suggested(world)
    reply = await close(world, text="Réglé, écrit à jo.martin@example.com")
    assert (reply.status_code, reply.json()["warnings"]) == (202, ["personal_data"])


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ({"text": " "}, 422), ({"text": "a\0"}, 422), ({"text": "a", "kind": "reply"}, 422)],
)
async def test_words_that_cannot_be_posted_are_refused(world: World, body: dict[str, str], status: int) -> None:
    await suggested(world)
    answer = await world.http.post("/v1/closures/cnv_1/post", json=body, headers={"Idempotency-Key": "k"})
    assert answer.status_code == status
    assert (await closure(world))["reply_id"] == ""


async def test_who_saw_an_older_version_or_sends_no_key_closes_nothing(world: World) -> None:
    await suggested(world)
    assert (await close(world, etag='"7"')).status_code == 412
    assert (await world.http.post("/v1/closures/cnv_1/post", json={"text": "a"})).status_code == 400
    assert (await world.http.post("/v1/closures/cnv_1/skip", headers={"If-Match": '"7"'})).status_code == 412


# --- skipped


async def test_a_person_may_leave_it_and_it_does_not_come_back(world: World) -> None:
    await suggested(world)
    left = [await world.http.post("/v1/closures/cnv_1/skip", json={"reason": "trop intime"}) for _ in range(2)]

    assert [(each.status_code, each.json()["state"], each.json()["version"]) for each in left] == [
        (200, "skipped", 2)
    ] * 2
    await world.hears(thanks("1005", -2))
    kept = await closure(world)
    assert (kept["state"], kept["reason"]) == ("skipped", "trop intime")
    refused = await close(world)
    assert (refused.json()["condition"], "trop intime" in refused.json()["detail"]) == ("skipped", True)


async def test_after_two_days_it_is_shown_no_more_and_the_housekeeper_writes_that_down(world: World) -> None:
    await suggested(world)
    async with world.database.begin() as session:
        await session.execute(sa.update(CLOSURES).values(confirmed_at=ago(2.1 * 24 * 60)))
    before = await closure(world)
    assert (before["state"], before["reason"], before["version"]) == ("skipped", "too_late", 1)
    assert (await world.http.get("/v1/closures?state=suggested")).json()["items"] == []
    assert (await close(world)).json()["condition"] == "too_late"

    for _ in range(2):
        await Housekeeper(world.database, world.figures).forget()
    after = await closure(world)
    assert (after["state"], after["reason"], after["version"]) == ("skipped", "too_late", 2)
    assert [each["conversation_id"] for each in (await world.http.get("/v1/closures?state=skipped")).json()["items"]]


# --- listed


async def test_a_list_has_each_once_keeps_in_step_and_is_the_team_s(world: World) -> None:
    first = await suggested(world)
    async with world.database.begin() as session:
        kept = (await session.execute(sa.select(CLOSURES))).one()._mapping
        for n in range(2, 6):
            other = {"conversation_id": f"cnv_{n}", "handle": "other" if n == 5 else "acme"}
            await session.execute(sa.insert(CLOSURES).values({**kept, **other}))
    page = (await world.http.get("/v1/closures?limit=2&handle=acme")).json()
    seen = [each["conversation_id"] for each in page["items"]]
    while page["next_cursor"]:
        params = {"limit": 2, "handle": "acme", "cursor": page["next_cursor"]}
        page = (await world.http.get("/v1/closures", params=params)).json()
        seen += [each["conversation_id"] for each in page["items"]]
    assert seen == ["cnv_1", "cnv_2", "cnv_3", "cnv_4"]

    await world.http.post("/v1/closures/cnv_3/skip")
    params = {"updated_after": first["updated_at"]}
    changed = (await world.http.get("/v1/closures", params=params)).json()["items"]
    assert [(each["conversation_id"], each["reason"]) for each in changed] == [("cnv_3", "not needed")]

    assert (await world.other_team.get("/v1/closures")).json()["items"] == []
    for method, path in (("GET", ""), ("POST", "/skip"), ("POST", "/post")):
        body = {"text": "a"} if path == "/post" else None
        answer = await world.other_team.request(
            method, f"/v1/closures/cnv_1{path}", json=body, headers={"Idempotency-Key": "k"}
        )
        assert (answer.status_code, slug_of(answer)) == (404, "no-such-closure")
