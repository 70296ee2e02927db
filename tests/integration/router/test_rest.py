"""What the router shows over REST, to whom, and in what pages."""

import pytest

from tests.integration.router.conftest import World
from tests.integration.router.messages import MINUTE, NOON, mention, own_post


async def test_every_queue_is_listed_with_zeros_where_nothing_waits(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("1", urgency="high"), mention("2", author="lu", urgency="critical"))
    await world.take("ana")

    listed = {queue["queue"]: queue for queue in (await world.get("/v1/queues"))["items"]}

    assert set(listed) == {"default", "fr", "en"}
    assert listed["en"]["depth"] == {"total": 0, "critical": 0, "high": 0, "normal": 0, "low": 0, "none": 0}
    french = listed["fr"]
    assert (french["depth"]["critical"], french["depth"]["high"], french["depth"]["total"]) == (1, 1, 2)
    assert french["states"] == {"pending": 1, "reserved": 0, "assigned": 1}
    assert french["oldest_age_seconds"] > 0
    assert french["overdue"] == 1
    assert {name: n for name, n in french["agents"].items() if n} == {"available": 1}
    assert french["expected_wait"] == {"p50_seconds": None, "p80_seconds": None, "state": "unknown"}


async def test_a_new_queue_takes_its_language_at_once(world: World) -> None:
    await world.call("PUT", "/v1/queues/deutsch", {"languages": ["de"]}, 201)
    await world.hears(mention("1", language="de-AT"))

    assert (await world.get("/v1/mentions/x/1"))["queue"] == "deutsch"


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_pages_hold_every_mention_once(world: World, limit: int) -> None:
    for n in range(5):
        await world.hears(mention(str(n), author=f"p{n}"))

    seen, path = [], f"/v1/mentions?limit={limit}"
    page = await world.get(path)
    seen += page["items"]
    while page["next_cursor"]:
        page = await world.get(f"{path}&cursor={page['next_cursor']}")
        seen += page["items"]

    assert [row["post_id"] for row in seen] == ["0", "1", "2", "3", "4"]


async def test_the_newest_mentions_come_first_when_asked(world: World) -> None:
    for n in range(3):
        await world.hears(mention(str(n), author=f"p{n}"))

    page = await world.get("/v1/mentions?order=newest&limit=2")

    assert [row["post_id"] for row in page["items"]] == ["2", "1"]


async def test_a_tool_keeps_in_step_with_updated_after(world: World) -> None:
    await world.hears(mention("1", author="a"))
    [first] = (await world.get("/v1/mentions"))["items"]
    await world.hears(mention("2", author="b"))

    page = await world.get(f"/v1/mentions?updated_after={first['updated_at'].replace('+', '%2B')}")

    assert [row["post_id"] for row in page["items"]] == ["2"]


async def test_a_timeline_has_both_sides_in_order(world: World) -> None:
    await world.hears(mention("1"), own_post("o1", to="1", at=NOON + MINUTE), mention("2", at=NOON + 2 * MINUTE))
    [talk] = (await world.get("/v1/conversations?author=x:jo"))["items"]

    said = (await world.get(f"/v1/conversations/{talk['id']}/timeline"))["items"]

    assert [(line["side"], line["post_id"]) for line in said if line["kind"] == "message"] == [
        ("customer", "1"),
        ("brand", "o1"),
        ("customer", "2"),
    ]


async def test_a_mention_nobody_knows_may_only_be_not_routed_yet(world: World) -> None:
    problem = await world.get("/v1/mentions/x/404", status=404)

    assert "not be routed yet" in problem["fix"]


async def test_a_stranger_sees_nothing_of_another_team(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("1"))
    taken = await world.take("ana")
    item, talk = taken["item"]["id"], taken["conversation"]["id"]

    for path in (
        "/v1/mentions/x/1", f"/v1/work-items/{item}", f"/v1/conversations/{talk}",
        f"/v1/conversations/{talk}/timeline", "/v1/agents/ana", "/v1/queues/fr/stats",
    ):  # fmt: skip
        assert (await world.other_team.get(path)).status_code == 404, path
    for path in ("/v1/mentions", "/v1/work-items", "/v1/conversations", "/v1/agents", "/v1/queues"):
        assert (await world.other_team.get(path)).json()["items"] == [], path
    for action in ("release", "complete"):
        assert (await world.other_team.post(f"/v1/work-items/{item}/{action}", json={})).status_code == 404
    take = await world.other_team.post("/v1/work-items/take-next", json={"agent": "ana"})
    assert take.status_code == 404


async def test_a_change_made_on_an_old_state_is_refused(world: World) -> None:
    await world.agent("ana")

    answer = await world.http.put("/v1/agents/ana", json={"name": "Ana", "capacity": 5}, headers={"If-Match": '"1"'})

    assert answer.status_code == 412
    assert answer.headers["ETag"] == '"2"'


@pytest.mark.parametrize(
    ("body", "path"),
    [({"name": "Ana", "capacity": 0}, "$.capacity"), ({"name": ""}, "$.name"), ({"name": "A", "x": 1}, "$.x")],
)
async def test_a_wrong_agent_is_refused_by_the_field(world: World, body: dict[str, object], path: str) -> None:
    problem = await world.call("PUT", "/v1/agents/ana", body, status=422)

    assert problem["errors"][0]["path"] == path
    assert problem["fix"]


async def test_an_agent_who_holds_something_cannot_be_taken_out(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("1"))
    await world.take("ana")

    problem = await world.call("DELETE", "/v1/agents/ana", {}, status=409)

    assert problem["items"] == 1


async def test_an_unknown_parameter_names_the_nearest(world: World) -> None:
    problem = await world.get("/v1/mentions?limti=3", status=400)

    assert "limit" in problem["detail"] + problem["fix"]


async def test_nobody_takes_another_teams_queue(world: World) -> None:
    answer = await world.other_team.put("/v1/queues/en", json={"languages": ["en"], "team": "nord"})

    assert answer.status_code == 409
    assert (await world.get("/v1/queues/en/stats"))["team"] == "main"


async def test_the_default_queue_always_takes_all_languages(world: World) -> None:
    problem = await world.call("PUT", "/v1/queues/default", {"languages": ["nl"]}, status=422)

    assert problem["type"] == "urn:guichet:problem:default-queue"
    await world.hears(mention("1", language="ru"))
    assert (await world.get("/v1/mentions/x/1"))["queue"] == "default"
