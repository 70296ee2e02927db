"""One thing of the set-up over REST: what is kept, what is refused and why, on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.integration.router.office import HOURS, Office, office_of


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with office_of(database_url, tmp_path) as made:
        yield made


# --- one thing


async def test_a_queue_is_made_shown_and_changed(office: Office) -> None:
    made = await office.put("/v1/queues/support-fr", {"languages": ["fr"]}, 201)
    changed = await office.put("/v1/queues/support-fr", {"languages": ["fr"], "wrap_up_seconds": 60})

    assert (made["version"], made["change"], made["dispatch"]) == (1, "created", "pull")
    assert (changed["version"], changed["change"]) == (2, "changed")
    assert changed["changes"] == [{"path": "$.wrap_up_seconds", "before": 0, "after": 60}]
    shown = await office.get("/v1/queues/support-fr")
    assert (shown["slug"], shown["version"], shown["wrap_up_seconds"]) == ("support-fr", 2, 60)
    assert office.forgotten == 2


async def test_the_same_again_makes_no_new_version(office: Office) -> None:
    await office.put("/v1/business-hours/office", HOURS, 201)
    before = await office.get("/v1/setup")

    again = await office.put("/v1/business-hours/office", HOURS)
    sent_back = await office.put("/v1/business-hours/office", await office.get("/v1/business-hours/office"))

    assert (again["change"], again["version"], again["changes"]) == ("same", 1, [])
    assert sent_back["change"] == "same"
    assert await office.get("/v1/setup") == before
    assert office.forgotten == 1


async def test_every_version_is_kept_and_a_name_goes_on_where_it_ended(office: Office) -> None:
    await office.put("/v1/skills/lang:fr", {"name": "French"}, 201)
    await office.put("/v1/skills/lang:fr", {"name": "Français"})
    await office.call("DELETE", "/v1/skills/lang:fr", status=204)
    await office.get("/v1/skills/lang:fr", 404)
    made = await office.put("/v1/skills/lang:fr", {}, 201)

    versions = (await office.get("/v1/skills/lang:fr/versions"))["items"]

    assert made["version"] == 4
    assert [(each["version"], each["deleted"]) for each in versions] == [(1, False), (2, False), (3, True), (4, False)]
    assert versions[1]["body"] == {"name": "Français"}
    assert all(each["actor"] for each in versions)


async def test_a_change_made_on_an_old_state_is_refused(office: Office) -> None:
    await office.put("/v1/queues/a", {}, 201)
    await office.put("/v1/queues/a", {"name": "A"}, if_match='"1"')

    await office.put("/v1/queues/a", {"name": "B"}, 412, if_match='"1"')
    await office.call("DELETE", "/v1/queues/a", status=412, if_match='"1"')
    await office.put("/v1/queues/b", {}, 412, if_match='"1"')

    answer = await office.callers["admin"].get("/v1/queues/a")
    assert answer.headers["ETag"] == '"2"'


async def test_a_dry_run_says_what_would_change_and_changes_nothing(office: Office) -> None:
    would = await office.put("/v1/queues/a?dry_run=true", {"languages": ["fr"]})

    assert (would["change"], would["version"]) == ("created", 1)
    assert would["changes"][0]["path"] == "$.name"
    await office.get("/v1/queues/a", 404)
    await office.get("/v1/queues/a/versions", 404)
    assert office.forgotten == 0


@pytest.mark.parametrize(
    ("path", "body", "where", "fix"),
    [
        ("queues/a", {"langauges": ["fr"]}, "$.langauges", 'did you mean "languages"?'),
        ("queues/a", {"reservation_seconds": -1}, "$.reservation_seconds", "at least 5"),
        ("queues/a", {"dispatch": "pul"}, "$.dispatch", 'did you mean "pull"?'),
        ("queues/a", {"hours": "ofice"}, "$.hours", 'did you mean "office"?'),
        ("queues/a", {"sla": "gold"}, "$.sla", "set it up too"),
        ("queues/a", {"overflow": "a"}, "$.overflow", "leave `overflow` out"),
        ("queues/a", {"slug": "b"}, "$.slug", "leave it out"),
        ("queues/default", {"languages": ["nl"]}, "$.languages", "leave `languages` empty"),
        ("business-hours/b", {"zone": "Europe/Pari", "week": HOURS["week"]}, "$.zone", 'did you mean "Europe/Paris"?'),
        ("business-hours/b", {"week": {"mon": ["09:00-12:00", "11:00-14:00"]}}, "$.week.mon[1]", "where the other"),
        ("business-hours/b", {"week": {"mon": "09:00-12:00"}}, "$.week.mon", 'write ["09:00-12:00"]'),
        ("business-hours/b", {}, "$.week", "mon-fri"),
        ("sla-policies/s", {"high_seconds": 0}, "$.high_seconds", "at least a minute"),
        ("sla-policies/s", {"warn_at": [0.5, "1"]}, "$.warn_at[1]", "write a number"),
        ("routing-policies/p", {"rules": [{"name": "r"}]}, "$.rules[0].queue", "write it"),
        ("routing-policies/p", {"rules": [{"name": "r", "queue": "x"}]}, "$.rules[0].queue", "set it up too"),
        ("skills/lang:fr", {"team": "nrd"}, "$.team", 'did you mean "nord"?'),
    ],
)
async def test_what_is_wrong_is_refused_with_its_place_and_what_to_do(
    office: Office, path: str, body: dict[str, Any], where: str, fix: str
) -> None:
    await office.put("/v1/business-hours/office", HOURS, 201)
    await office.put("/v1/teams/nord", {}, 201)

    problem = await office.put(f"/v1/{path}", body, 422)

    [mistake] = problem["errors"]
    assert mistake["path"] == where
    assert fix in mistake["fix"]


async def test_all_mistakes_are_said_at_once(office: Office) -> None:
    problem = await office.put("/v1/queues/a", {"nam": "A", "dispatch": "x", "hours": 3}, 422)

    assert [each["path"] for each in problem["errors"]] == ["$.nam", "$.dispatch", "$.hours"]
    assert "And 2 more" in problem["detail"]


async def test_a_circle_is_told_from_the_queue_that_closed_it(office: Office) -> None:
    for slug, overflow in (("c", None), ("b", "c"), ("a", "b")):
        await office.put(f"/v1/queues/{slug}", {"overflow": overflow}, 201)

    problem = await office.put("/v1/queues/c", {"overflow": "a"}, 422)

    assert problem["type"] == "urn:guichet:problem:loop"
    assert "c -> a -> b -> c" in problem["errors"][0]["detail"]


async def test_a_strange_set_up_is_kept_with_warnings(office: Office) -> None:
    await office.agent("ana", skills={"lang:fr": 2})
    await office.put("/v1/business-hours/office", HOURS, 201)
    rule = {"name": "r", "queue": "fr", "steps": [{"requires": [{"skill": "lang:{language}", "level": 3}]}]}

    queue = await office.put("/v1/queues/fr", {"languages": ["fr"], "hours": "office"})
    policy = await office.put("/v1/routing-policies/p", {"rules": [rule]}, 201)
    skill = await office.put("/v1/skills/refunds", {}, 201)

    [impossible] = queue["warnings"]
    assert impossible["code"] == "impossible-target"
    assert "Europe/Paris" in impossible["detail"]
    assert "nobody who serves fr has lang:fr at level 3 or above (the best has 2)" in policy["warnings"][0]["detail"]
    assert [each["code"] for each in skill["warnings"]] == ["nobody-has-it"]


async def test_hours_warn_about_the_queues_that_they_make_late(office: Office) -> None:
    await office.agent("ana")
    await office.put("/v1/business-hours/office", {"week": {"daily": ["00:00-24:00"]}}, 201)
    await office.put("/v1/queues/fr", {"languages": ["fr"], "hours": "office"})

    changed = await office.put("/v1/business-hours/office", HOURS)

    assert [(each["kind"], each["slug"], each["code"]) for each in changed["warnings"]] == [
        ("queues", "fr", "impossible-target")
    ]


# --- taking out


async def test_what_something_names_cannot_be_taken_out(office: Office) -> None:
    await office.put("/v1/business-hours/office", HOURS, 201)
    await office.put("/v1/queues/a", {"hours": "office"}, 201)
    await office.put("/v1/queues/b", {"overflow": "a"}, 201)
    await office.agent("ana", queues=["b"], skills={"refunds": 3}, team="nord")
    await office.put("/v1/skills/refunds", {}, 201)
    await office.put("/v1/teams/nord", {}, 201)

    for path, by in (
        ("business-hours/office", {"kind": "queues", "slug": "a", "path": "$.hours"}),
        ("queues/a", {"kind": "queues", "slug": "b", "path": "$.overflow"}),
        ("queues/b", {"kind": "agents", "slug": "ana", "path": "$.queues"}),
        ("skills/refunds", {"kind": "agents", "slug": "ana", "path": "$.skills"}),
        ("teams/nord", {"kind": "agents", "slug": "ana", "path": "$.team"}),
    ):
        problem = await office.call("DELETE", f"/v1/{path}", status=409)
        assert problem["named_by"] == [by], path
        assert by["slug"] in problem["detail"]


async def test_a_queue_that_holds_items_says_how_many(office: Office) -> None:
    await office.put("/v1/queues/a", {}, 201)
    await office.item("a")
    await office.item("a", "assigned", 2)
    await office.item("a", "completed", 3)

    problem = await office.call("DELETE", "/v1/queues/a", status=409)

    assert (problem["type"], problem["items"]) == ("urn:guichet:problem:holds-items", 2)


async def test_the_default_queue_stays(office: Office) -> None:
    problem = await office.call("DELETE", "/v1/queues/default", status=409)

    assert problem["type"] == "urn:guichet:problem:default-queue"


# --- whom it is for


async def test_a_stranger_sees_and_changes_nothing_of_another_team(office: Office) -> None:
    await office.put("/v1/teams/nord", {}, 201)
    await office.put("/v1/sla-policies/fast", {}, 201)
    await office.put("/v1/sla-policies/north", {"team": "nord"}, 201, by="nord")

    assert [each["slug"] for each in (await office.get("/v1/sla-policies", by="nord"))["items"]] == ["north"]
    assert set((await office.get("/v1/setup", by="nord"))["sla-policies"]) == {"north"}
    await office.get("/v1/sla-policies/fast", 404, by="nord")
    await office.get("/v1/sla-policies/fast/versions", 404, by="nord")
    await office.put("/v1/sla-policies/fast", {"team": "nord"}, 409, by="nord")
    await office.put("/v1/sla-policies/mine", {}, 404, by="nord")  # of main
    await office.call("DELETE", "/v1/sla-policies/fast", status=404, by="nord")
    await office.call("PATCH", "/v1/setup", {"sla-policies": {"fast": None}}, 404, by="nord")


async def test_scopes_are_those_of_each_kind(office: Office) -> None:
    await office.put("/v1/queues/a", {}, 403, by="agent")
    await office.put("/v1/teams/a", {}, 403, by="queues")
    problem = await office.call("PATCH", "/v1/setup", {"queues": {}, "procedures": {"x": {}}}, 403, by="queues")

    assert problem["missing_scope"] == "templates:write"


async def test_a_key_learns_who_it_is_and_who_else_there_is(office: Office) -> None:
    me = await office.get("/v1/me", by="queues")
    users = (await office.get("/v1/users", by="nord"))["items"]

    assert (me["role"], me["scopes"], me["teams"]) == ("service", ["queues:write"], ["*"])
    assert {user["name"] for user in users} == {"everybody", "up north", "a tool"}
    async with httpx2.AsyncClient(transport=office.callers["admin"]._transport, base_url="http://router") as nobody:
        assert (await nobody.get("/v1/me")).status_code == 401
