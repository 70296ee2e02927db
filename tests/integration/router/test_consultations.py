"""Consultations: asked, answered over REST, and what that does to the conversation."""

from typing import Any

from libs.common.events import ConsultationAnswered, ConsultationAsked, of_type
from tests.integration.router.conftest import World
from tests.integration.router.messages import MINUTE, NOON, mention


async def talk_of(world: World, author: str = "jo") -> dict[str, Any]:
    [talk] = (await world.get(f"/v1/conversations?author=x:{author}"))["items"]
    return dict(talk)


async def ask(world: World, to: str = "billing", status: int = 201) -> Any:
    talk = await talk_of(world)
    body = {"conversation_id": talk["id"], "to": to, "question": "Remboursé ?", "by": "ana"}
    return await world.call("POST", "/v1/consultations", body, status)


async def test_a_question_holds_the_conversation_and_the_answer_opens_it_again(world: World) -> None:
    await world.hears(mention("1"))
    due_at = (await world.get("/v1/mentions/x/1"))["item"]["due_at"]

    asked = await ask(world)
    assert (await talk_of(world))["state"] == "on_hold"
    answered = await world.call("POST", f"/v1/consultations/{asked['id']}/answer", {"text": "Oui, le 3.", "by": "lea"})

    assert (answered["state"], answered["answer"], answered["answered_by"]) == ("answered", "Oui, le 3.", "lea")
    assert (await talk_of(world))["state"] == "open"
    item = (await world.get("/v1/mentions/x/1"))["item"]
    assert (item["state"], item["due_at"]) == ("pending", due_at), "the time to the first response goes on"


async def test_it_goes_on_only_with_the_last_answer(world: World) -> None:
    await world.hears(mention("1"))
    first, second = await ask(world), await ask(world, to="depot")

    await world.call("POST", f"/v1/consultations/{first['id']}/answer", {"text": "Oui", "by": "lea"})
    assert (await talk_of(world))["state"] == "on_hold"
    await world.call("POST", f"/v1/consultations/{second['id']}/cancel", {"by": "ana"})

    assert (await talk_of(world))["state"] == "open"


async def test_whose_item_it_is_keeps_it_without_using_capacity_and_goes_on_with_it(world: World) -> None:
    await world.agent("ana", capacity=1)
    await world.hears(mention("1"), mention("2", author="b", at=NOON + MINUTE))
    taken = await world.take("ana")

    asked = await ask(world)
    assert (await world.get("/v1/agents/ana"))["used"] == 0
    assert (await world.get("/v1/mentions/x/1"))["item"]["agent"] == "ana"
    await world.call("POST", f"/v1/consultations/{asked['id']}/answer", {"text": "Oui", "by": "lea"})

    assert (await world.get("/v1/agents/ana"))["used"] == 1
    item = await world.get(f"/v1/work-items/{taken['item']['id']}")
    assert (item["state"], item["agent"], item["weight"]) == ("assigned", "ana", 1)


async def test_what_was_put_on_hold_for_something_else_stays_so(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("1"))
    await world.take("ana")
    talk = (await talk_of(world))["id"]
    await world.call("POST", f"/v1/conversations/{talk}/hold", {"reason": "the_police"})

    asked = await ask(world)
    await world.call("POST", f"/v1/consultations/{asked['id']}/answer", {"text": "Oui", "by": "lea"})

    assert (await talk_of(world))["state"] == "on_hold"


async def test_nothing_is_asked_about_a_conversation_that_is_over(world: World) -> None:
    await world.hears(mention("1"))
    await world.call("POST", f"/v1/conversations/{(await talk_of(world))['id']}/resolve", {})

    assert (await ask(world, status=409))["state"] == "resolved"


async def test_who_helps_finds_what_they_have_to_answer(world: World) -> None:
    await world.hears(mention("1"))
    first, second = await ask(world), await ask(world, to="depot")
    await world.call("POST", f"/v1/consultations/{first['id']}/answer", {"text": "Oui", "by": "lea"})

    async def ids(query: str) -> list[str]:
        return [each["id"] for each in (await world.get(f"/v1/consultations?{query}"))["items"]]

    assert await ids("state=open&to=depot") == [second["id"]]
    assert await ids("state=open&to=billing") == []
    assert await ids(f"conversation_id={first['conversation_id']}&limit=200") == [second["id"], first["id"]]
    assert await world.get(f"/v1/consultations/{second['id']}") == second


async def test_both_are_told_without_what_was_said(world: World) -> None:
    await world.hears(mention("1"))
    asked = await ask(world)
    await world.call("POST", f"/v1/consultations/{asked['id']}/answer", {"text": "Oui", "by": "lea"})

    events = await world.told()

    [question], [answer] = of_type(ConsultationAsked, events), of_type(ConsultationAnswered, events)
    assert (question.to, question.by, question.key) == ("billing", "ana", "key-jo")
    assert (answer.to, answer.by, answer.consultation_id) == ("billing", "lea", asked["id"])


async def test_a_customer_who_writes_meanwhile_opens_it_and_the_answer_changes_nothing_more(world: World) -> None:
    await world.hears(mention("1"))
    asked = await ask(world)

    await world.hears(mention("2", at=NOON + MINUTE))
    assert (await talk_of(world))["state"] == "open"
    version = (await talk_of(world))["version"]
    await world.call("POST", f"/v1/consultations/{asked['id']}/answer", {"text": "Oui", "by": "lea"})

    assert (await talk_of(world))["version"] == version


async def test_what_is_answered_cannot_be_answered_again(world: World) -> None:
    await world.hears(mention("1"))
    asked = await ask(world)
    await world.call("POST", f"/v1/consultations/{asked['id']}/cancel", {"by": "ana"})

    for action, body in (("answer", {"text": "Oui", "by": "lea"}), ("cancel", {"by": "ana"})):
        problem = await world.call("POST", f"/v1/consultations/{asked['id']}/{action}", body, status=409)
        assert problem["state"] == "canceled"


async def test_nothing_is_asked_about_what_is_not_there(world: World) -> None:
    body = {"conversation_id": "cnv_no", "to": "billing", "question": "?", "by": "ana"}

    assert (await world.call("POST", "/v1/consultations", body, status=404))["fix"].startswith("GET /v1/conversations")
    assert (await world.get("/v1/consultations/con_no", status=404))["fix"].startswith("GET /v1/consultations")


async def test_a_stranger_sees_and_answers_no_question_of_another_team(world: World) -> None:
    await world.hears(mention("1"))
    asked = await ask(world)

    assert (await world.other_team.get("/v1/consultations")).json()["items"] == []
    assert (await world.other_team.get(f"/v1/consultations/{asked['id']}")).status_code == 404
    answer = await world.other_team.post(
        f"/v1/consultations/{asked['id']}/answer", json={"text": "Oui", "by": "mallory"}
    )
    assert answer.status_code == 404


async def test_a_question_repeated_with_its_key_is_asked_once(world: World) -> None:
    await world.hears(mention("1"))
    body = {"conversation_id": (await talk_of(world))["id"], "to": "billing", "question": "Remboursé ?", "by": "ana"}

    first, again = [
        await world.http.post("/v1/consultations", json=body, headers={"Idempotency-Key": "k1"}) for _ in range(2)
    ]
    other = await world.http.post("/v1/consultations", json=body | {"to": "network"}, headers={"Idempotency-Key": "k1"})

    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == again.json()
    assert again.headers["Location"] == f"/v1/consultations/{first.json()['id']}"
    assert [row["id"] for row in (await world.get("/v1/consultations"))["items"]] == [first.json()["id"]]
