"""Handles over REST: created and replaced by slug, one holder an account, seen by their teams; on both databases."""

from typing import Any

import pytest

from libs.common.db import connect
from libs.common.errors import Unavailable
from services.ingest.handlers import Directory
from tests.integration.ingest.world import World

ACME = {"network": "x", "username": "@Acme", "external_id": "111", "languages": ["fr", "en"], "other_ways": ["0800"]}


async def put(world: World, slug: str, body: dict[str, Any], key: str | None = None, **headers: str) -> Any:
    return await world.call("PUT", f"/v1/handles/{slug}", json=body, key=key, headers=headers)


async def test_a_handle_is_created_read_replaced_and_deleted(world_on_both: World) -> None:
    world = world_on_both
    created = await put(world, "acme-fr", ACME)
    assert (created.status_code, created.headers["etag"]) == (201, '"1"')
    assert created.json() == {
        "slug": "acme-fr",
        "network": "x",
        "username": "Acme",
        "external_id": "111",
        "name": "",
        "purpose": "support",
        "languages": ["fr", "en"],
        "team": "main",
        "other_ways": ["0800"],
        "version": 1,
        "updated_at": created.json()["updated_at"],
    }
    assert (await world.call("GET", "/v1/handles/acme-fr")).json() == created.json()

    replaced = await put(world, "acme-fr", {**ACME, "purpose": "brand"})
    assert (replaced.status_code, replaced.json()["version"], replaced.json()["purpose"]) == (200, 2, "brand")

    assert (await world.call("DELETE", "/v1/handles/acme-fr")).status_code == 204
    assert (await world.call("GET", "/v1/handles/acme-fr")).status_code == 404
    assert (await world.call("DELETE", "/v1/handles/acme-fr")).status_code == 404


async def test_putting_the_same_again_changes_nothing(world_on_both: World) -> None:
    first = await put(world_on_both, "acme", ACME)
    again = await put(world_on_both, "acme", ACME)
    assert (again.status_code, again.json()) == (200, first.json())


async def test_an_edit_of_what_has_changed_since_is_refused(world_on_both: World) -> None:
    await put(world_on_both, "acme", ACME)
    await put(world_on_both, "acme", {**ACME, "name": "one"})

    stale = await put(world_on_both, "acme", {**ACME, "name": "two"}, **{"If-Match": '"1"'})
    assert (stale.status_code, stale.headers["etag"]) == (412, '"2"')
    fresh = await put(world_on_both, "acme", {**ACME, "name": "two"}, **{"If-Match": '"2"'})
    assert fresh.json()["version"] == 3


@pytest.mark.parametrize("same", [{"username": "ACME", "external_id": ""}, {"username": "other", "external_id": "111"}])
async def test_an_account_has_one_handle_and_the_refusal_names_it(world_on_both: World, same: dict[str, str]) -> None:
    await put(world_on_both, "acme", ACME)

    second = await put(world_on_both, "other", {"network": "x", **same})
    assert second.status_code == 409
    assert "acme" in second.json()["detail"]
    assert (await put(world_on_both, "elsewhere", {**ACME, "network": "mastodon"})).status_code == 201


async def test_handles_without_an_external_id_do_not_collide(world_on_both: World) -> None:
    assert (await put(world_on_both, "one", {"network": "x", "username": "one"})).status_code == 201
    assert (await put(world_on_both, "two", {"network": "x", "username": "two"})).status_code == 201


async def test_the_list_is_paged_in_the_order_of_change(world_on_both: World) -> None:
    for slug in ("c", "a", "b"):
        await put(world_on_both, slug, {"network": "x", "username": slug})
    await put(world_on_both, "c", {"network": "x", "username": "c", "name": "changed"})

    first = (await world_on_both.call("GET", "/v1/handles?limit=2")).json()
    second = (await world_on_both.call("GET", f"/v1/handles?limit=2&cursor={first['next_cursor']}")).json()
    assert [handle["slug"] for handle in first["items"] + second["items"]] == ["a", "b", "c"]
    assert second["next_cursor"] is None
    later = await world_on_both.call("GET", "/v1/handles", params={"updated_after": first["items"][-1]["updated_at"]})
    assert [handle["slug"] for handle in later.json()["items"]] == ["c"]


async def test_callers_see_and_change_their_own_teams_handles_only(world_on_both: World) -> None:
    world = world_on_both
    await put(world, "ours", {"network": "x", "username": "ours"})
    await put(world, "theirs", {"network": "x", "username": "theirs", "team": "others"})

    seen = (await world.call("GET", "/v1/handles", key=world.of_main)).json()["items"]
    assert [handle["slug"] for handle in seen] == ["ours"]
    assert (await world.call("GET", "/v1/handles/theirs", key=world.of_main)).status_code == 404
    assert (await world.call("DELETE", "/v1/handles/theirs", key=world.of_main)).status_code == 404
    taken = await put(world, "theirs", {"network": "x", "username": "mine"}, world.of_main)
    assert (taken.status_code, taken.json()["type"]) == (409, "urn:guichet:problem:name-taken")
    foreign = await put(world, "mine", {"network": "x", "username": "mine", "team": "others"}, world.of_main)
    assert (foreign.status_code, foreign.json()["type"]) == (404, "urn:guichet:problem:no-such-team")
    account = await put(world, "mine", {"network": "x", "username": "theirs"}, world.of_main)
    assert account.status_code == 409
    assert "another team" in account.json()["detail"]


async def test_a_reader_may_not_write(world: World) -> None:
    assert (await world.call("GET", "/v1/handles", key=world.reader)).status_code == 200
    assert (await put(world, "acme", ACME, world.reader)).status_code == 403
    assert (await world.call("DELETE", "/v1/handles/acme", key=world.reader)).status_code == 403


@pytest.mark.parametrize(
    ("slug", "body"),
    [
        ("Acme!", ACME),
        ("acme", {"network": "x"}),
        ("acme", {"network": "x", "username": "@"}),
        ("acme", {"network": "X y", "username": "acme"}),
        ("acme", {**ACME, "purpose": "sales"}),
        ("acme", {**ACME, "name": "a\x00b"}),
        ("acme", {**ACME, "languages": ["french!"]}),
        ("acme", {**ACME, "colour": "red"}),
        ("acme", {**ACME, "username": "u" * 201}),
    ],
)
async def test_a_handle_that_makes_no_sense_is_refused_with_a_fix(
    world: World, slug: str, body: dict[str, Any]
) -> None:
    answer = await put(world, slug, body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["fix"]


async def test_half_a_surrogate_pair_in_a_name_is_refused(world: World) -> None:
    body = rb'{"network": "x", "username": "acme", "name": "\ud800"}'
    answer = await world.call("PUT", "/v1/handles/acme", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


async def test_a_replica_reads_what_another_one_changed(world_on_both: World) -> None:
    database = connect(world_on_both.settings.database, "ingest")
    directory = Directory(database)
    with pytest.raises(Unavailable):
        _ = directory.handles

    await world_on_both.has_handle("acme")
    await directory.refresh()

    assert "acme" in directory.handles.by_slug
    await database.close()
