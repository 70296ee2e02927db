"""Incidents: proposed by a spike, opened by a person, their items grouped, taken and closed together."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from libs.common.events import (
    IncidentClosed,
    IncidentOpened,
    IncidentProposed,
    MentionClassified,
    MentionRouted,
    of_type,
)
from services.router.handlers.incidents import SETTLES
from services.router.handlers.watching import IncidentWatch
from services.router.store.setup import Setups
from tests.integration.router.conftest import World
from tests.integration.router.messages import MINUTE, NOON, mention, reply

HOUR = timedelta(hours=1)
OUTAGE: dict[str, Any] = {
    "incident": "line-13", "name": "Line 13", "matcher": {"topics": ["outage"]}, "since": (NOON - HOUR).isoformat(),
    "holding": {"fr": "Bonjour {author}, nous le savons."}, "banner": {"fr": "Ligne 13 arrêtée"}, "open": True,
}  # fmt: skip


def about(post_id: str, *topics: str, author: str | None = None, **more: Any) -> MentionClassified:
    """Of a person of its own, with these topics."""
    made = mention(post_id, author=author or f"p-{post_id}", **more)
    return replace(made, labels=replace(made.labels, topics=topics))


async def watch(world: World, now: datetime, watcher: IncidentWatch | None = None) -> int:
    """One look, as the timers' sweep has it."""
    watcher = watcher or IncidentWatch(CollectorRegistry(), every=timedelta(0))
    async with world.database.begin() as session:
        return await watcher.watch(session, await Setups().current(session), now)


async def state_of(world: World, post_id: str) -> tuple[str, str | None]:
    item = (await world.get(f"/v1/mentions/x/{post_id}"))["item"]["id"]
    found = await world.get(f"/v1/work-items/{item}")
    return found["state"], found["incident"]


# --- open, and what belongs


async def test_who_says_only_later_what_it_is_about_belongs_to_it_too(world: World) -> None:
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    await world.hears(about("1", author="jo"), about("2", author="al"))

    await world.hears(about("3", "outage", author="jo", at=NOON + MINUTE))
    await world.hears(about("4", author="li"), about("5", "outage", author="li", at=NOON + MINUTE))  # in one batch

    assert await state_of(world, "1") == ("pending", "line-13")
    assert await state_of(world, "2") == ("pending", None)
    assert await state_of(world, "4") == ("pending", "line-13")
    assert len((await world.get("/v1/incidents/line-13/items"))["items"]) == 2
    item = (await world.get("/v1/mentions/x/1"))["item"]["id"]
    history = (await world.get(f"/v1/work-items/{item}/explain"))["history"]
    assert [step["reason"] for step in history] == ["joined_incident"]


async def test_a_mention_that_matches_an_open_incident_belongs_to_it_and_others_do_not(world: World) -> None:
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)

    await world.hears(about("1", "outage"), about("2", "billing"))

    assert await state_of(world, "1") == ("pending", "line-13")
    assert await state_of(world, "2") == ("pending", None)
    items = (await world.get("/v1/incidents/line-13/items"))["items"]
    assert [(each["post_id"], each["holding"]) for each in items] == [("1", "Bonjour p-1, nous le savons.")]
    told = {event.post_id: event.incident for event in of_type(MentionRouted, await world.told())}
    assert told == {"1": "line-13", "2": ""}


async def test_what_waits_already_is_grouped_when_it_opens(world: World) -> None:
    await world.hears(
        about("old", "outage", at=NOON - 2 * HOUR), about("1", "outage"), about("2", "billing"), about("3", "outage")
    )
    await world.call("POST", "/v1/incidents", OUTAGE | {"open": False}, status=201)
    assert await state_of(world, "1") == ("pending", None)

    opened = await world.call("POST", "/v1/incidents/line-13/open", {})

    assert (opened["state"], opened["items"]) == ("open", {"pending": 2})
    assert [await state_of(world, post_id) for post_id in ("old", "1", "2")] == [
        ("pending", None), ("pending", "line-13"), ("pending", None),
    ]  # fmt: skip
    item = (await world.get("/v1/mentions/x/1"))["item"]["id"]
    [change] = (await world.get(f"/v1/work-items/{item}"))["history"]
    assert (change["reason"], change["why"]) == ("joined_incident", {"incident": "line-13"})


async def test_what_was_being_routed_while_it_opened_is_found_a_little_later(world: World) -> None:
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    await world.hears(about("1", "outage"))
    async with world.database.begin() as session:  # as one whose transaction had begun before
        await session.execute(sa.text("UPDATE work_items SET routing = '{}'"))
        await session.execute(sa.text("DELETE FROM incident_items"))
    opened_at = datetime.fromisoformat((await world.get("/v1/incidents/line-13"))["opened_at"])

    await watch(world, opened_at + SETTLES - timedelta(seconds=1))
    assert (await world.get("/v1/incidents/line-13"))["items"] == {}
    await world.call("PUT", "/v1/incidents/line-13", _body() | {"matcher": {"handles": ["acme"]}})

    assert (await world.get("/v1/incidents/line-13"))["items"] == {"pending": 1}


async def test_a_narrower_matcher_lets_go_of_what_belongs_no_more(world: World) -> None:
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    await world.hears(about("1", "outage", text="La ligne 13 !"), about("2", "outage", text="La ligne 4 !"))

    changed = await world.call(
        "PUT", "/v1/incidents/line-13", _body() | {"matcher": {"topics": ["outage"], "keywords": {"fr": ["LIGNE 13"]}}}
    )

    assert changed["items"] == {"pending": 1}
    assert [await state_of(world, post_id) for post_id in ("1", "2")] == [("pending", "line-13"), ("pending", None)]


async def test_a_returning_customer_of_an_incident_waits_with_the_others(world: World) -> None:
    await world.agent("ana")
    await world.hears(about("1", "billing", author="jo"))
    await world.take("ana")
    await world.hears(reply("r1", to="1", at=NOON + MINUTE))
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)

    await world.hears(about("2", "outage", author="jo", at=NOON + 2 * MINUTE))

    assert await state_of(world, "2") == ("pending", "line-13")


async def test_after_it_is_closed_nothing_joins_and_what_joined_stays(world: World) -> None:
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    await world.hears(about("1", "outage"))

    closed = await world.call("POST", "/v1/incidents/line-13/close", {})
    await world.hears(about("2", "outage"))

    assert (closed["state"], closed["reason"]) == ("closed", "closed")
    assert [await state_of(world, post_id) for post_id in ("1", "2")] == [("pending", "line-13"), ("pending", None)]
    [event] = of_type(IncidentClosed, await world.told())
    assert (event.incident, event.reason) == ("line-13", "closed")


async def test_the_public_page_has_the_banner_while_it_is_open(world: World) -> None:
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)

    await world.call("PUT", "/v1/public/acme", {"queue": "fr", "published": "on"})

    shown = await world.get("/v1/public/acme/status")
    await world.call("POST", "/v1/incidents/line-13/close", {})
    after = await world.get("/v1/public/acme/status")

    assert (shown["incident"], after["incident"]) == ("Ligne 13 arrêtée", None)


# --- spikes


async def spike(world: World, count: int = 30) -> None:
    """Three quiet hours, then this."""
    before = [
        about(f"{n}-{m}", "outage", at=NOON - n * 10 * MINUTE + m * MINUTE) for n in range(1, 19) for m in range(2)
    ]
    await world.hears(*before, *[about(f"now-{n}", "outage", at=NOON + n * timedelta(seconds=9)) for n in range(count)])


async def test_a_spike_proposes_an_incident_once(world: World) -> None:
    await spike(world)

    assert [await watch(world, NOON + 6 * MINUTE) > 0, await watch(world, NOON + 7 * MINUTE) > 0] == [True, False]

    [made] = (await world.get("/v1/incidents?state=proposed"))["items"]
    assert (made["incident"], made["matcher"]["topics"]) == ("outage-main-20260302-1200", ["outage"])
    assert (made["spike"]["count"], made["spike"]["expected"]) == (30, 2.0)
    [event] = of_type(IncidentProposed, await world.told())
    assert (event.incident, event.topic, event.count) == (made["incident"], "outage", 30)


async def test_a_proposal_changes_nothing_until_a_person_opens_it(world: World) -> None:
    await spike(world)
    await watch(world, NOON + 6 * MINUTE)
    await world.hears(about("later", "outage", at=NOON + 7 * MINUTE))
    assert await state_of(world, "later") == ("pending", None)
    name = "/v1/incidents/outage-main-20260302-1200"
    end = (datetime.now(NOON.tzinfo) + HOUR).isoformat()
    proposed = await world.get(name)
    body = {"name": "Outage", "matcher": proposed["matcher"], "since": proposed["since"], "until": end}
    await world.call("PUT", name, body)

    opened = await world.call("POST", f"{name}/open", {})

    assert (opened["state"], opened["items"]) == ("open", {"pending": 31})
    assert len(of_type(IncidentOpened, await world.told())) == 1


async def test_what_is_usual_proposes_nothing(world: World) -> None:
    await spike(world, count=4)

    await watch(world, NOON + 6 * MINUTE)

    assert (await world.get("/v1/incidents"))["items"] == []


async def test_counts_of_many_batches_are_summed_up(world: World) -> None:
    for n in range(3):
        await world.hears(about(f"a{n}", "outage", "billing"), about(f"b{n}", "outage", urgency="critical"))
        await watch(world, NOON + MINUTE)

    counted = {row["topic"]: row["n"] for row in await world.rows("topic_counts")}

    assert counted == {"*": 6, "*critical": 3, "outage": 6, "billing": 3}
    assert await world.rows("topic_arrivals") == []


async def test_a_repeated_or_set_aside_mention_is_not_counted(world: World) -> None:
    await world.hears(about("1", "outage"))
    await world.hears(about("1", "outage"))
    await world.hears(mention("2", decision="set_aside", author="b"))
    await watch(world, NOON + MINUTE)

    assert {row["topic"]: row["n"] for row in await world.rows("topic_counts")} == {"*": 1, "outage": 1}


async def test_too_much_that_is_critical_is_an_alarm(world: World) -> None:
    await world.hears(*[about(f"c{n}", urgency="critical") for n in range(6)], *[about(f"n{n}") for n in range(94)])
    registry = CollectorRegistry()

    await watch(world, NOON + MINUTE, IncidentWatch(registry))

    assert registry.get_sample_value("critical_inflow_ratio", {"team": "main"}) == 0.06
    assert registry.get_sample_value("critical_inflow_alarm", {"team": "main"}) == 1


async def test_an_incident_ends_by_itself_and_a_proposal_expires(world: World) -> None:
    until = datetime.now(NOON.tzinfo) + HOUR
    await world.call("POST", "/v1/incidents", OUTAGE | {"until": until.isoformat()}, status=201)
    await world.call(
        "POST", "/v1/incidents", OUTAGE | {"incident": "idea", "open": False, "until": until.isoformat()}, status=201
    )
    await watch(world, until - MINUTE)
    assert {each["state"] for each in (await world.get("/v1/incidents"))["items"]} == {"open", "proposed"}

    await watch(world, until)
    await world.hears(about("1", "outage"))

    reasons = {each["incident"]: each["reason"] for each in (await world.get("/v1/incidents?state=closed"))["items"]}
    assert reasons == {"line-13": "ended", "idea": "expired"}
    assert await state_of(world, "1") == ("pending", None)


# --- the door


async def test_a_change_made_on_an_old_state_is_refused(world: World) -> None:
    made = await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    assert made["version"] == 1
    changed = await world.http.put("/v1/incidents/line-13", json=_body() | {"name": "13"}, headers={"If-Match": '"1"'})
    again = await world.http.put("/v1/incidents/line-13", json=_body(), headers={"If-Match": '"1"'})

    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert (again.status_code, again.headers["ETag"]) == (412, '"2"')


async def test_what_takes_everything_or_is_taken_already_is_refused(world: World) -> None:
    problem = await world.call("POST", "/v1/incidents", OUTAGE | {"matcher": {}}, status=422)
    assert problem["errors"][0]["path"] == "$.matcher"
    await world.call("POST", "/v1/incidents", OUTAGE | {"matcher": {"keywords": {"fr": ["!?"]}}}, status=422)
    await world.call("POST", "/v1/incidents", OUTAGE | {"until": (NOON - 2 * HOUR).isoformat()}, status=422)
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)
    assert (await world.call("POST", "/v1/incidents", OUTAGE, status=409))["type"].endswith("name-taken")
    await world.call("POST", "/v1/incidents/line-13/close", {})
    await world.call("PUT", "/v1/incidents/line-13", _body() | {"name": "13"}, status=409)
    await world.call("POST", "/v1/incidents/line-13/open", {}, status=409)


async def test_opening_and_closing_twice_is_doing_it_once(world: World) -> None:
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)

    assert (await world.call("POST", "/v1/incidents/line-13/open", {}))["version"] == 1
    versions = [(await world.call("POST", "/v1/incidents/line-13/close", {}))["version"] for _ in range(2)]

    assert versions == [2, 2]


async def test_a_stranger_sees_and_changes_nothing_of_another_team(world: World) -> None:
    await world.call("POST", "/v1/incidents", OUTAGE, status=201)

    assert (await world.other_team.get("/v1/incidents")).json()["items"] == []
    for path in ("", "/items"):
        assert (await world.other_team.get(f"/v1/incidents/line-13{path}")).status_code == 404
    for action in ("open", "close", "resolve"):
        assert (await world.other_team.post(f"/v1/incidents/line-13/{action}", json={})).status_code == 404
    assert (await world.other_team.put("/v1/incidents/line-13", json=_body() | {"team": "nord"})).status_code == 404
    assert (await world.other_team.post("/v1/incidents", json=OUTAGE)).status_code == 404


async def test_a_procedure_comes_with_the_item(world: World) -> None:
    await world.agent("ana")
    body = {
        "topics": ["outage"], "steps": {"fr": ["Vérifier la ligne"], "en": ["Check the line"]}, "ask": ["control-room"],
        "links": {"CRM": "https://crm.test/c/{author_id}?post={post_id}"},
    }  # fmt: skip
    await world.call("PUT", "/v1/procedures/outage", body, status=201)
    await world.hears(about("1", "outage", author="jo/é"), about("2", "billing", at=NOON + MINUTE))

    taken = await world.take("ana")

    wanted = {
        "procedure": "outage", "name": "outage", "steps": ["Vérifier la ligne"], "template": None,
        "ask": ["control-room"], "links": {"CRM": "https://crm.test/c/jo%2F%C3%A9?post=1"},
    }  # fmt: skip
    assert taken["procedures"] == [wanted]
    assert (await world.get(f"/v1/work-items/{taken['item']['id']}"))["procedures"] == [wanted]
    other = (await world.get("/v1/mentions/x/2"))["item"]["id"]
    assert (await world.get(f"/v1/work-items/{other}"))["procedures"] == []


def _body() -> dict[str, Any]:
    return {name: value for name, value in OUTAGE.items() if name not in ("incident", "open")}
