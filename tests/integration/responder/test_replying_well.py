"""Drafts that survive, conversations that go on, replies by hand, holding replies."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from libs.common.events import ReplyPosted, of_type
from tests.integration.responder.conftest import World
from tests.integration.responder.mentions import MINUTE, answered, routed

LOOK = 181


def slug_of(answer: Any) -> str:
    return str(answer.json()["type"]).rpartition(":")[2]


async def drafted(world: World, **more: Any) -> Any:
    answer = await world.ask(state="draft", **more)
    assert answer.status_code == 202, answer.text
    return answer.json()


# --- the conversation went on


async def test_a_customer_who_wrote_again_is_read_first_and_the_text_survives(world: World) -> None:
    await world.hears(routed("1001", conversation_version=1), routed("1002", conversation_version=2))
    refused = await world.ask(text="Réponse", agent="ana", based_on_version=1)

    assert (refused.status_code, slug_of(refused)) == (409, "conversation-went-on")
    assert [message["post_id"] for message in refused.json()["new_messages"]] == ["1002"]
    draft = refused.json()["draft_id"]
    assert ((await world.reply(draft))["state"], (await world.reply(draft))["text"]) == ("draft", "Réponse")
    again = await world.ask(text="Réponse", agent="ana", based_on_version=1)
    assert again.json()["draft_id"] == draft

    sent = await world.http.post(f"/v1/replies/{draft}/send", json={"based_on_version": 2})
    assert (sent.status_code, sent.json()["state"]) == (202, "queued")
    await world.sends()
    assert await world.sandbox.per_mention() == {"1001": 1}


async def test_a_colleague_who_answered_is_seen_first(world: World) -> None:
    await world.hears(
        routed("1001", conversation_version=1),
        routed("1002", conversation_version=2),
        answered("1002", by="o-9", conversation_version=3),
    )
    draft = await drafted(world)
    refused = await world.http.post(f"/v1/replies/{draft['id']}/send", json={"based_on_version": 2})

    assert (refused.status_code, refused.json()["new_answer"]["own_post_id"]) == (409, "o-9")
    assert (await world.reply(draft["id"]))["state"] == "draft"
    assert (await world.ask(based_on_version=3)).status_code == 202


async def test_a_colleagues_reply_on_its_way_is_seen_first(world: World) -> None:
    await world.hears(routed("1001", conversation_version=1), routed("1002", conversation_version=2))
    first = await world.ask("1002", agent="ana", based_on_version=2)
    refused = await world.ask("1001", agent="bo", based_on_version=2)

    assert refused.status_code == 409
    assert [reply["id"] for reply in refused.json()["replies"]] == [first.json()["id"]]
    assert (await world.ask("1001", agent="ana", based_on_version=2)).status_code == 202


async def test_what_a_reply_follows_is_no_news(world: World) -> None:
    await world.hears(routed("1001", conversation_version=1))
    first = (await world.ask(based_on_version=1)).json()["id"]
    await world.sends()
    post = (await world.reply(first))["own_post_id"]
    await world.hears(answered("1001", by=post, reply_id=first, conversation_version=2))

    assert (await world.ask(text="Et", follow_up_of=first, based_on_version=1)).status_code == 202


@pytest.mark.slow
async def test_of_eight_agents_each_with_300_mentions_one_answers_each(world: World) -> None:
    ids = [str(5000 + n) for n in range(300)]
    await world.hears(*[routed(id_, conversation_id=f"cnv_{id_}") for id_ in ids])

    async def agent(name: str) -> list[int]:
        return [(await world.ask(id_, text=f"Bonjour {id_} ^{name}", agent=name)).status_code for id_ in ids]

    answers = await asyncio.gather(*[agent(f"agent-{n}") for n in range(8)])

    assert [sorted(each) for each in zip(*answers, strict=True)] == [[202] + [409] * 7] * 300
    live = [row for row in await world.rows("replies") if row["state"] == "queued"]
    assert sorted(row["in_reply_to"] for row in live) == ids


# --- drafts


async def test_a_draft_is_rewritten_listed_and_sent(world: World) -> None:
    await world.hears(routed())
    draft = await drafted(world, text="", agent="ana")
    tag = f'"{draft["version"]}"'
    first = await world.http.put(f"/v1/replies/{draft['id']}", json={"text": "Bonj"}, headers={"If-Match": tag})
    late = await world.http.put(f"/v1/replies/{draft['id']}", json={"text": "x"}, headers={"If-Match": tag})
    assert (first.status_code, late.status_code) == (200, 412)

    listed = (await world.http.get("/v1/replies?state=draft&agent=ana&conversation_id=cnv_1")).json()["items"]
    assert [(each["id"], each["text"]) for each in listed] == [(draft["id"], "Bonj")]
    await world.sends()
    assert await world.sandbox.attempts() == 0

    sent = await world.http.post(f"/v1/replies/{draft['id']}/send", headers={"If-Match": first.headers["ETag"]})
    assert sent.json()["state"] == "queued"
    twice = await world.http.post(f"/v1/replies/{draft['id']}/send")
    assert (twice.status_code, slug_of(twice)) == (409, "not-a-draft")
    assert (await world.http.put(f"/v1/replies/{draft['id']}", json={"text": "x"})).status_code == 409


async def test_an_empty_draft_is_not_sent_and_a_mention_with_a_reply_gets_no_second(world: World) -> None:
    await world.hears(routed())
    empty = await drafted(world, text="")
    assert (await world.http.post(f"/v1/replies/{empty['id']}/send")).status_code == 422
    other = await drafted(world, text="Bonjour")
    await world.ask(text="Déjà")
    taken = await world.http.post(f"/v1/replies/{other['id']}/send")

    assert (taken.status_code, slug_of(taken)) == (409, "already-answered")
    assert (await world.reply(other["id"]))["state"] == "draft"


async def test_strangers_touch_no_draft(world: World) -> None:
    await world.hears(routed())
    draft = await drafted(world)
    path = f"/v1/replies/{draft['id']}"
    assert (await world.other_team.put(path, json={"text": "x"})).status_code == 404
    for action, body in (("send", {}), ("approve", {}), ("reconcile", {}), ("mark-posted", {"post_id": "1"})):
        assert (await world.other_team.post(f"{path}/{action}", json=body)).status_code == 404
    assert (await world.reply(draft["id"]))["version"] == 1


# --- by hand


_CLOSED = httpx2.MockTransport(
    lambda _request: httpx2.Response(403, json={"detail": "You do not have permission to DM one or more participants."})
)


async def manual(world: World, post_id: str = "1001") -> Any:
    """A private reply to somebody who takes no messages."""
    await world.hears(routed(post_id, private=True))
    id_ = (await world.ask(post_id)).json()["id"]
    async with world.sender(transport=_CLOSED) as sender:
        await sender.turn()
        await sender.finish()
    reply = await world.reply(id_)
    assert reply["state"] == "manual_required"
    return reply


async def test_a_person_posts_it_and_says_so(world: World) -> None:
    reply = await manual(world)
    assert reply["answer_url"].startswith("https://x.com/messages/compose?recipient_id=222&text=On%20regarde")
    at = datetime(2026, 3, 2, 12, 7, tzinfo=UTC)
    for _ in range(2):
        done = await world.http.post(
            f"/v1/replies/{reply['id']}/mark-posted", json={"post_id": "h-1", "posted_at": at.isoformat()}
        )
        assert (done.status_code, done.json()["state"], done.json()["own_post_id"]) == (200, "posted", "h-1")

    assert (done.json()["by_hand"], datetime.fromisoformat(done.json()["posted_at"])) == (True, at)
    [told] = of_type(ReplyPosted, await world.told())
    assert (told.post_id, told.in_reply_to, told.posted_at) == ("h-1", "1001", at)
    other = await world.http.post(f"/v1/replies/{reply['id']}/mark-posted", json={"post_id": "h-2"})
    assert (other.status_code, slug_of(other)) == (409, "not-by-hand")


async def test_a_post_is_only_one_reply(world: World) -> None:
    first = await manual(world)
    second = await manual(world, "1002")
    await world.http.post(f"/v1/replies/{first['id']}/mark-posted", json={"post_id": "h-1"})
    taken = await world.http.post(f"/v1/replies/{second['id']}/mark-posted", json={"post_id": "h-1"})

    assert taken.status_code == 409
    assert (await world.reply(second["id"]))["state"] == "manual_required"


async def test_a_post_by_hand_is_matched_back_from_the_stream(world: World) -> None:
    reply = await manual(world)
    await world.hears(answered("1002", by="o-1"), answered("1001", by="o-2", how="covered"))
    assert (await world.reply(reply["id"]))["state"] == "manual_required"
    await world.hears(answered("1001", by="o-3", after=7 * MINUTE))
    await world.hears(answered("1001", by="o-3", after=7 * MINUTE))

    settled = await world.reply(reply["id"])
    assert (settled["state"], settled["own_post_id"], settled["by_hand"]) == ("posted", "o-3", True)
    assert len(of_type(ReplyPosted, await world.told())) == 1


async def test_what_waits_for_a_person_can_be_given_up(world: World) -> None:
    reply = await manual(world)
    assert (await world.http.post(f"/v1/replies/{reply['id']}/cancel")).json()["state"] == "canceled"
    assert (await world.ask(text="Autrement")).status_code == 202


async def test_a_reply_that_was_given_up_is_looked_for_once_more(world: World) -> None:
    id_ = await world.queued()
    await world.sandbox.next({"kind": "error_after_posting"}, {"kind": "error", "on": "read", "count": 2})
    await world.sends()
    await world.sends(later=LOOK)
    await world.sends(later=1801)
    assert (await world.reply(id_))["state"] == "needs_human"

    asked = await world.http.post(f"/v1/replies/{id_}/reconcile")
    assert (asked.status_code, asked.json()["state"]) == (202, "unknown")
    await world.sends(later=1802)

    assert (await world.reply(id_))["state"] == "posted"
    assert await world.sandbox.attempts() == 1
    over = await world.http.post(f"/v1/replies/{id_}/reconcile")
    assert (over.status_code, slug_of(over)) == (409, "not-in-doubt")


async def test_looking_too_early_is_put_off(world: World) -> None:
    id_ = await world.queued()
    await world.sandbox.next({"kind": "late_timeline", "seconds": 100}, {"kind": "error_after_posting"})
    await world.sends()
    await world.http.post(f"/v1/replies/{id_}/reconcile")
    await world.sends(later=5)
    assert (await world.reply(id_))["state"] == "unknown"
    await world.sends(later=LOOK)
    assert (await world.reply(id_))["state"] == "posted"


# --- holding replies


async def test_a_holding_reply_tells_when_we_come_back(world: World) -> None:
    id_ = await world.queued(text="Je m'en occupe", kind="holding", promise_seconds=3600)
    await world.sends()

    reply = await world.reply(id_)
    [told] = of_type(ReplyPosted, await world.told())
    assert told.kind == "holding"
    assert told.promised_at == told.posted_at + timedelta(hours=1)
    assert (reply["kind"], reply["promise_seconds"]) == ("holding", 3600)
    assert (await world.ask(text="Voilà", follow_up_of=id_)).json()["kind"] == "reply"


async def test_a_promise_is_two_hours_unless_it_says_otherwise(world: World) -> None:
    await world.hears(routed())
    assert (await world.ask(kind="holding")).json()["promise_seconds"] == 7200
