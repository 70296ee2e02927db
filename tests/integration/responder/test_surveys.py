"""A survey: asked once, in private, an hour after the end; and what its answers add up to."""

import asyncio
from typing import Any

import pytest

from libs.common import db
from libs.common.events import ReplyFailed, ReplyPosted, of_type
from services.responder.store import surveys as store
from tests.integration.responder.conftest import World
from tests.integration.responder.machines import (
    ASKS,
    DAY,
    DUE,
    HOUR,
    fresh,
    hear,
    process,
    rates,
    resolved,
    rule,
    scheduled,
    sent,
    survey,
    talk,
    turn,
)


def outcomes(world: World, *names: str) -> list[float]:
    return [world.registry.get_sample_value("surveys_total", {"outcome": name}) or 0.0 for name in names]


async def test_the_whole_way_of_a_survey(world: World) -> None:
    await scheduled(world)
    await turn(world, HOUR - 60)
    assert await world.rows("replies") == []

    await sent(world)

    assert await world.sandbox.messages() == [ASKS["fr"]]
    shown = await survey(world)
    [told] = of_type(ReplyPosted, await world.told())
    assert (shown["state"], shown["agent"], shown["reply_id"]) == ("sent", "ana", told.reply_id)
    assert (told.kind, told.private, told.agent) == ("survey", True, "")

    await hear(world, rates(4, DUE + 60, "très bien"), later=DUE + 60)
    shown = await survey(world)
    assert (shown["state"], shown["rating"], shown["comment"]) == ("answered", 4, "très bien")
    assert shown["answered_at"]
    assert outcomes(world, "scheduled", "sent", "answered", "expired") == [1, 1, 1, 0]


async def test_without_a_rule_nobody_is_asked_and_nothing_is_kept(world: World) -> None:
    await rule(world)
    await hear(world, fresh(), resolved())
    assert await world.rows("surveys") == []


@pytest.mark.parametrize(
    ("messages", "end", "why"),
    [
        ([{"private": False}, {"post_id": "1002", "later": 1}], {}, "not_private"),
        ([{}, {"post_id": "1002", "later": 1, "private": False}], {"private": False}, "not_private"),
        ([], {}, "not_private"),
        ([{}, {"post_id": "1002", "later": 1, "incident": "inc_1"}], {}, "incident"),
        ([{"stop": True}], {}, "stop"),
    ],
)
async def test_who_is_not_asked_stands_there_with_the_reason(
    world: World, messages: list[dict[str, Any]], end: dict[str, Any], why: str
) -> None:
    await rule(world, survey="how-was-it")
    await hear(world, *[fresh(**message) for message in messages], resolved(later=2, **end))

    shown = await survey(world)
    assert (shown["state"], shown["reason"]) == ("suppressed", why)
    await sent(world)
    assert await world.rows("replies") == []


async def test_who_wrote_again_before_is_not_asked_until_that_is_resolved_too(world: World) -> None:
    await scheduled(world)
    await hear(world, fresh("1002", later=1800), later=1800)
    await sent(world)
    shown = await survey(world)
    assert (shown["state"], shown["reason"], await world.sandbox.messages()) == ("suppressed", "wrote_again", [])

    await hear(world, resolved(later=2 * HOUR, cycle=2), later=2 * HOUR)
    await sent(world, later=3 * HOUR + 1)
    await hear(world, resolved(later=4 * HOUR, cycle=3), later=4 * HOUR)
    await sent(world, later=5 * HOUR + 1)

    assert ((await survey(world))["state"], await world.sandbox.messages()) == ("sent", [ASKS["fr"]])


async def test_who_wrote_while_it_waited_to_go_out_is_not_asked(world: World) -> None:
    await scheduled(world)
    await turn(world, DUE)
    await hear(world, fresh("1002", later=DUE + 5), later=DUE + 5)
    await world.sends(DUE + 10)
    await turn(world, DUE + 30)

    shown = await survey(world)
    assert (shown["state"], shown["reason"], await world.sandbox.messages()) == ("suppressed", "wrote_again", [])


async def test_one_person_is_asked_once_in_the_cooldown_of_a_handle(world: World) -> None:
    await scheduled(world, survey_cooldown_days=7)
    other = talk("cnv_2")
    await hear(world, fresh("1002", **other), resolved(event_id="s-2", later=1, **other))
    await sent(world)
    await sent(world, DUE + 20)
    assert [(await survey(world, each))["reason"] for each in ("cnv_1", "cnv_2")] == ["", "cooldown"]

    for n, later in ((3, 6 * DAY), (4, 8 * DAY)):
        its = talk(f"cnv_{n}")
        await hear(world, fresh(f"100{n}", later=later, **its), resolved(later=later + 1, **its), later=later)
        await sent(world, later + DUE)

    assert [(await survey(world, each))["state"] for each in ("cnv_3", "cnv_4")] == ["suppressed", "sent"]
    assert len(await world.sandbox.messages()) == 2


async def test_several_processes_at_the_same_moment_ask_each_once(world: World) -> None:
    await rule(world, survey="how-was-it")
    for n in range(6):
        its = talk(f"cnv_{n}", author_id=str(300 + n // 2))  # two conversations a person
        await hear(world, fresh(f"100{n}", **its), resolved(event_id=f"s-{n}", later=n, **its))

    async def turns() -> None:
        async with process(world, DUE + 10) as (_, mentions):
            assert mentions.surveys is not None
            for _ in range(3):
                await mentions.surveys.turn()

    await asyncio.gather(*(turns() for _ in range(3)))
    await sent(world, DUE + 10)

    assert len(await world.sandbox.messages()) == 3
    states = [(row["state"], row["reason"]) for row in await world.rows("surveys")]
    assert sorted(states) == [("sent", "")] * 3 + [("suppressed", "cooldown")] * 3


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_what_one_process_has_in_hand_no_other_takes_nor_the_next_to_the_same_person(world: World) -> None:
    await rule(world, survey="how-was-it")
    for n, person in enumerate(("300", "300", "301")):
        its = talk(f"cnv_{n}", author_id=person)
        await hear(world, fresh(f"100{n}", **its), resolved(event_id=f"s-{n}", later=n, **its))

    async with process(world, DUE + 10) as (one, _), process(world, DUE + 10) as (other, _), one.begin() as first:
        now = await db.now(first)
        in_hand = await store.take_due(first, now, 1)
        async with other.begin() as second:
            left = await store.take_due(second, now, 10)

    assert [[each.conversation_id for each in taken] for taken in (in_hand, left)] == [["cnv_0"], ["cnv_2"]]


async def test_a_survey_that_was_held_up_for_a_day_is_not_sent(world: World) -> None:
    await scheduled(world)
    await sent(world, DUE + DAY)
    assert ((await survey(world))["reason"], await world.sandbox.messages()) == ("too_late", [])


async def test_what_is_not_answered_in_a_week_expires_and_an_answer_after_that_does_not_count(world: World) -> None:
    await scheduled(world)
    await sent(world)
    await turn(world, DUE + 7 * DAY - 60)
    assert (await survey(world))["state"] == "sent"
    late = DUE + 7 * DAY + 60
    await turn(world, late)
    await hear(world, rates(1, late), later=late)

    shown = await survey(world)
    assert (shown["state"], shown["rating"]) == ("expired", None)


async def test_the_first_rating_counts_however_often_it_is_told(world: World) -> None:
    await scheduled(world)
    await turn(world, DUE)
    await world.sends(DUE)
    first = rates(5, DUE + 2)  # before anybody looked what became of the message
    await hear(world, first, first, later=DUE + 3)
    await hear(world, rates(1, DUE + 60, post_id="2002"), later=DUE + 60)
    await hear(world, first, later=DUE + 61)

    shown = await survey(world)
    assert (shown["state"], shown["rating"]) == ("answered", 5)
    assert outcomes(world, "answered") == [1]


@pytest.mark.parametrize("when", ["never", "before"])
async def test_a_rating_that_nobody_asked_for_is_none(world: World, when: str) -> None:
    if when == "before":
        await scheduled(world)
    await hear(world, rates(3, 10), later=10)
    assert all(row["rating"] is None for row in await world.rows("surveys"))


async def test_stop_takes_back_what_is_scheduled_and_holds_back_what_is_queued(world: World) -> None:
    await scheduled(world)
    other = talk("cnv_2", author_id="333")
    await hear(world, fresh("1002", **other), resolved(event_id="s-2", **other))
    await hear(world, fresh("1003", stop=True, outcome="set_aside", conversation_id="cnv_9"))
    assert ((await survey(world))["state"], (await survey(world))["reason"]) == ("suppressed", "stop")

    await turn(world, DUE)
    assert (await world.http.put("/v1/stops/x/333", params={"handle": "acme"})).status_code == 204
    await world.sends(DUE)
    await turn(world, DUE + 11)

    assert (await survey(world, "cnv_2"))["reason"] == "stop"
    assert await world.sandbox.messages() == []


async def test_what_the_network_refuses_is_no_persons_work(world: World) -> None:
    await scheduled(world)
    await world.sandbox.next({"kind": "error", "status": 403, "on": "message"})
    await sent(world)

    shown = await survey(world)
    assert (shown["state"], shown["reason"]) == ("suppressed", "refused")
    assert of_type(ReplyFailed, await world.told()) == []


@pytest.mark.parametrize("change", ["off", "template"])
async def test_a_rule_that_changes_before_it_is_due_is_heeded(world: World, change: str) -> None:
    await scheduled(world)
    if change == "off":
        await rule(world)
    else:
        await world.http.put("/v1/templates/how-was-it", json={"texts": {"fr": "Votre dossier {reference} : 1 à 5 ?"}})
    await sent(world)

    expected = "off" if change == "off" else "no_text"
    assert ((await survey(world))["reason"], await world.sandbox.messages()) == (expected, [])


# --- over REST


async def test_a_scheduled_survey_can_be_taken_back_and_a_sent_one_cannot(world: World) -> None:
    await scheduled(world)
    for _ in range(2):
        answer = await world.http.post("/v1/surveys/cnv_1/cancel")
        assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (200, "suppressed", "canceled")
    await sent(world)
    assert await world.sandbox.messages() == []

    its = talk("cnv_2")
    await hear(world, fresh("1002", **its), resolved(event_id="s-2", **its))
    await turn(world, DUE)
    assert (await world.http.post("/v1/surveys/cnv_2/cancel")).json()["reason"] == "canceled"  # its message is queued
    its = talk("cnv_3")
    await hear(world, fresh("1003", **its), resolved(event_id="s-3", **its))
    await sent(world)
    late = await world.http.post("/v1/surveys/cnv_3/cancel")
    assert (late.status_code, late.json()["survey_state"], late.json()["type"][-8:]) == (409, "sent", "too-late")
    assert (await world.http.post("/v1/surveys/cnv_0/cancel")).status_code == 404
    assert await world.sandbox.messages() == [ASKS["fr"]]


async def test_surveys_are_listed_in_pages_by_state_and_handle(world: World) -> None:
    await rule(world, survey="how-was-it")
    for n in range(3):
        its = talk(f"cnv_{n}", author_id=str(300 + n))
        await hear(world, fresh(f"100{n}", **its), resolved(event_id=f"s-{n}", **its))
    await world.http.post("/v1/surveys/cnv_1/cancel")

    found, cursor = [], ""
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await world.http.get("/v1/surveys", params=query)).json()
        found += [each["conversation_id"] for each in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert found == ["cnv_0", "cnv_2", "cnv_1"]
    for query, expected in (
        ({"state": "suppressed"}, ["cnv_1"]),
        ({"handle": "other"}, []),
        ({"updated_after": "2100-01-01T00:00:00Z"}, []),
    ):
        page = (await world.http.get("/v1/surveys", params=query)).json()
        assert [each["conversation_id"] for each in page["items"]] == expected
    assert (await world.other_team.get("/v1/surveys")).json()["items"] == []
    assert (await world.other_team.get("/v1/surveys/cnv_0")).status_code == 404
    assert (await world.other_team.post("/v1/surveys/cnv_0/cancel")).status_code == 404


async def test_who_said_stop_is_listed_and_can_take_it_back(world: World) -> None:
    for person in ("222", "333", "222"):
        assert (await world.http.put(f"/v1/stops/x/{person}", params={"handle": "acme"})).status_code == 204
    first = (await world.http.get("/v1/stops", params={"limit": "1"})).json()
    rest = (await world.http.get("/v1/stops", params={"limit": "1", "cursor": first["next_cursor"]})).json()
    assert [page["items"][0]["author_id"] for page in (first, rest)] == ["222", "333"]
    assert rest["next_cursor"] is None
    assert (await world.other_team.get("/v1/stops")).json()["items"] == []
    assert (await world.other_team.put("/v1/stops/x/222", params={"handle": "acme"})).status_code == 403

    path, query = "/v1/stops/x/222", {"handle": "acme"}
    assert (await world.other_team.delete(path, params=query)).status_code == 404
    assert [(await world.http.delete(path, params=query)).status_code for _ in range(2)] == [204, 404]
    assert (await world.http.put(path)).status_code == 422


@pytest.mark.parametrize(
    ("texts", "body", "says"),
    [
        (None, {"survey": "nothing"}, "nothing"),
        ({"fr": "Bonjour {author}, {agent} arrive {delay}"}, {"acknowledgement": "t"}, "{agent}, {delay}"),
        ({"fr": "Bonjour", "en": "{initials}"}, {"survey": "t"}, "en: {initials}"),
    ],
)
async def test_a_rule_with_a_template_that_no_machine_can_fill_is_refused_and_named(
    world: World, texts: dict[str, str] | None, body: dict[str, str], says: str
) -> None:
    if texts:
        await world.http.put("/v1/templates/t", json={"texts": texts})
    answer = await world.http.put("/v1/reply-rules/handles/x/acme", json=body)

    assert (answer.status_code, says in answer.json()["detail"]) == (422, True)
    assert answer.json()["errors"][0]["path"] == f"$.{next(iter(body))}"
    assert (await world.http.get("/v1/reply-rules/handles/x/acme")).headers["ETag"] == '"0"'
