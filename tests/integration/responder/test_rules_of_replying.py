"""Templates, signatures, approvals, and what a network lets us post."""

import asyncio
from datetime import timedelta
from typing import Any

from sandbox.state import Limits
from services.responder.handlers.figures import Housekeeper
from tests.integration.responder.conftest import World
from tests.integration.responder.mentions import routed
from tests.integration.responder.network import sandbox

LATE = {"name": "Retard", "texts": {"fr": "Bonjour {author}, {line} a {delay} de retard.", "en": "Hi {author}."}}


def slug_of(answer: Any) -> str:
    return str(answer.json()["type"]).rpartition(":")[2]


# --- templates


async def test_a_template_is_written_rendered_and_versioned(world: World) -> None:
    first = await world.http.put("/v1/templates/late", json=LATE)
    assert (first.status_code, first.json()["version"], first.headers["ETag"]) == (200, 1, '"1"')
    again = await world.http.put("/v1/templates/late", json=LATE, headers={"If-Match": '"1"'})
    assert again.json()["version"] == 1
    second = await world.http.put("/v1/templates/late", json=LATE | {"texts": {"fr": "Bonjour {author} !"}})
    assert second.json()["version"] == 2
    assert (await world.http.put("/v1/templates/late", json=LATE, headers={"If-Match": '"1"'})).status_code == 412
    assert (await world.http.get("/v1/templates/late?version=1")).json()["texts"] == LATE["texts"]

    await world.hears(routed())
    about = {"network": "x", "post_id": "1001", "agent": "ana", "fields": {"line": "le 13"}}
    new = await world.http.post("/v1/templates/late/render", json=about)
    old = await world.http.post("/v1/templates/late/render?version=1", json=about)
    assert (new.json()["text"], new.json()["template"]) == ("Bonjour @jo !", "late@2")
    assert (old.json()["text"], old.json()["missing"]) == ("Bonjour @jo, le 13 a {delay} de retard.", ["delay"])


async def test_a_field_that_does_not_exist_is_named_with_the_nearest(world: World) -> None:
    answer = await world.http.put("/v1/templates/late", json={"texts": {"fr": "{autor} {0.__class__}"}})

    assert (answer.status_code, slug_of(answer)) == (422, "no-such-field")
    assert [(error["field"], error["nearest"]) for error in answer.json()["errors"]] == [
        ("autor", "author"),
        ("0.__class__", None),
    ]


async def test_a_template_that_was_taken_away_is_gone_and_can_come_back(world: World) -> None:
    await world.http.put("/v1/templates/late", json=LATE)
    assert [each["slug"] for each in (await world.http.get("/v1/templates")).json()["items"]] == ["late"]
    assert (await world.http.delete("/v1/templates/late")).status_code == 204
    assert (await world.http.get("/v1/templates/late")).status_code == 404
    assert (await world.http.delete("/v1/templates/late")).status_code == 404
    assert (await world.http.get("/v1/templates")).json()["items"] == []
    assert (await world.http.put("/v1/templates/late", json=LATE)).json()["version"] == 3


async def test_another_teams_template_is_not_there(world: World) -> None:
    await world.http.put("/v1/templates/late", json=LATE)
    strangers = world.other_team
    assert (await strangers.get("/v1/templates/late")).status_code == 404
    assert (await strangers.get("/v1/templates")).json()["items"] == []
    assert (await strangers.delete("/v1/templates/late")).status_code == 404
    assert (await strangers.put("/v1/templates/late", json=LATE)).status_code == 403
    assert (await strangers.put("/v1/templates/late", json=LATE | {"team": "nord"})).status_code == 409
    assert (await world.http.get("/v1/templates/late")).json()["version"] == 1


async def test_a_template_sent_as_it_is_warns(world: World) -> None:
    await world.http.put("/v1/templates/late", json=LATE)
    await world.hears(routed("1001"), routed("1002"))
    same = (await world.ask("1001", text="Bonjour @jo, le 13 a 5 min de retard.", template="late")).json()
    other = (await world.ask("1002", text="Désolé, le 13 a 5 min de retard.", template="late@1")).json()

    assert (same["warnings"], same["template"], same["state"]) == (["unadapted"], "late@1", "queued")
    assert other["warnings"] == []
    assert slug_of(await world.ask("1001", template="lat")) == "no-such-template"


# --- signatures and approvals


async def test_a_handle_that_signs_has_the_initials_once(world: World) -> None:
    await world.http.put("/v1/reply-rules/handles/x/acme", json={"sign": True})
    await world.http.put("/v1/reply-rules/agents/ana", json={"initials": "AN"})
    await world.hears(routed("1001"), routed("1002"), routed("1003"))

    texts = [
        (await world.ask("1001", text="Bonjour", agent="ana")).json()["text"],
        (await world.ask("1002", text="Bonsoir ^AN", agent="ana")).json()["text"],
        (await world.ask("1003", text="Salut", agent="bo")).json()["text"],
    ]

    assert texts == ["Bonjour ^AN", "Bonsoir ^AN", "Salut"]
    rule = await world.http.get("/v1/reply-rules/handles/x/acme")
    assert (rule.json()["sign"], rule.headers["ETag"]) == (True, '"1"')
    late = await world.http.put("/v1/reply-rules/handles/x/acme", json={}, headers={"If-Match": '"0"'})
    assert late.status_code == 412


async def test_a_text_too_long_for_its_network_is_refused_with_by_how_much_and_its_signature_counts(
    world: World,
) -> None:
    await world.http.put("/v1/reply-rules/handles/x/acme", json={"sign": True})
    await world.http.put("/v1/reply-rules/agents/ana", json={"initials": "AN"})
    await world.hears(routed("1001"), routed("1002", network="crm"))
    just, over = "é" * 276, "é" * 277 + "\n"

    refused = await world.ask(text=over, agent="ana")
    draft = await world.ask(text=over, agent="ana", state="draft")
    unsent = await world.http.post(f"/v1/replies/{draft.json()['id']}/send")

    for answer in (refused, unsent):
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:guichet:problem:text-too-long")
        assert (answer.json()["length"], answer.json()["limit"], answer.json()["over"]) == (281, 280, 1)
    assert (await world.reply(draft.json()["id"]))["state"] == "draft"
    assert (await world.ask(text=just, agent="ana")).status_code == 202
    assert (await world.ask("1002", network="crm", text="é" * 3000)).status_code == 202, "nobody here knows its rule"


async def test_a_reply_that_needs_approval_waits_for_a_supervisor_who_did_not_write_it(world: World) -> None:
    await world.http.put("/v1/reply-rules/agents/new", json={"approval": True})
    await world.hears(routed())
    reply = (await world.ask(agent="new")).json()
    assert reply["state"] == "approval_pending"
    await world.sends()
    assert await world.sandbox.attempts() == 0

    path = f"/v1/replies/{reply['id']}/approve"
    own = await world.http.post(path)
    assert (own.status_code, slug_of(own)) == (403, "not-yours-to-approve")
    assert (await world.supervisor.post(path, headers={"If-Match": '"9"'})).status_code == 412
    approved = await world.supervisor.post(path, headers={"If-Match": '"1"'})
    assert (approved.status_code, approved.json()["state"]) == (200, "queued")
    assert approved.json()["approved_by"]
    assert slug_of(await world.supervisor.post(path)) == "not-waiting"
    await world.sends()
    assert (await world.reply(reply["id"]))["state"] == "posted"


async def test_what_waits_for_approval_can_be_taken_back(world: World) -> None:
    await world.http.put("/v1/reply-rules/handles/x/acme", json={"approval": True})
    await world.hears(routed())
    reply = (await world.ask()).json()
    assert (await world.http.post(f"/v1/replies/{reply['id']}/cancel")).json()["state"] == "canceled"
    assert (await world.ask(text="Mieux")).json()["state"] == "approval_pending"


# --- what the network lets us post


async def test_the_networks_limit_is_never_passed_and_the_urgent_go_first(world: World) -> None:
    async with sandbox(Limits(posts=5, window=timedelta(minutes=15))) as narrow:
        world.sandbox = narrow
        await world.queued("4000", text="Premier")
        await world.sends()
        for n in range(1, 9):
            urgency = "critical" if n >= 6 else "normal"
            await world.hears(routed(str(4000 + n), urgency=urgency, conversation_id=f"c{n}"))
            assert (await world.ask(str(4000 + n), text=f"Bonjour {n}")).status_code == 202
        async with world.sender(url=narrow.url) as one, world.sender(url=narrow.url) as other:
            for _ in range(4):
                await asyncio.gather(one.turn(), other.turn())
                await asyncio.gather(one.finish(), other.finish())

        assert await narrow.attempts() == 5  # nobody was told "too many"
        assert {"4006", "4007", "4008"} <= (await narrow.per_mention()).keys()
        await Housekeeper(world.database, world.figures).refresh()
        labels = {"network": "x", "handle": "acme", "operation": "post"}
        assert world.registry.get_sample_value("network_quota_remaining_ratio", labels) == 0

        for later in (920, 925):
            await world.sends(later=later)
        assert set((await narrow.per_mention()).values()) == {1}
        assert len(await narrow.per_mention()) == 9
