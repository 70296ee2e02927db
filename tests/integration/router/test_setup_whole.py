"""The whole set-up over REST: lists, questions, and many things at once, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.router.office import HOURS, Office, office_of


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with office_of(database_url, tmp_path) as made:
        yield made


# --- lists and questions


async def test_lists_come_in_pages_and_by_what_changed(office: Office) -> None:
    for slug in ("a", "b", "c"):
        await office.put(f"/v1/procedures/{slug}", {"topics": ["billing"] if slug != "b" else ["outage"]}, 201)
    await office.put("/v1/procedures/a", {"topics": ["billing"], "name": "A"})

    first = await office.get("/v1/procedures?limit=2")
    rest = await office.get(f"/v1/procedures?limit=2&cursor={first['next_cursor']}")
    mark = rest["items"][0]["updated_at"]

    assert [each["slug"] for each in first["items"] + rest["items"]] == ["b", "c", "a"]
    assert rest["next_cursor"] is None
    assert [each["slug"] for each in (await office.get("/v1/procedures?topic=billing"))["items"]] == ["c", "a"]
    assert (await office.get(f"/v1/procedures?updated_after={mark}"))["items"] == []
    await office.get("/v1/procedures?limit=9999", 422)
    assert "topic" in (await office.get("/v1/procedures?topik=x", 400))["fix"]


async def test_hours_answer_questions(office: Office) -> None:
    await office.put("/v1/business-hours/office", HOURS, 201)
    path = "/v1/business-hours/office"

    sunday = await office.get(f"{path}/is-open?at=2026-03-01T12:00:00Z")
    monday = await office.get(f"{path}/is-open?at=2026-03-02T09:00:00%2B01:00")
    opens = await office.get(f"{path}/next-open?at=2026-03-01T12:00:00Z")
    french = await office.get(f"{path}/text?language=fr")

    assert (sunday["open"], monday["open"], monday["next_change_at"]) == (False, True, "2026-03-02T17:00:00Z")
    assert opens["next_open_at"] == "2026-03-02T08:00:00Z"
    assert french["text"] == "lundi-vendredi 9 h-18 h (Europe/Paris)"
    assert (await office.get(f"{path}/is-open"))["zone"] == "Europe/Paris"
    await office.get("/v1/business-hours/nobody/is-open", 404)
    await office.get(f"{path}/is-open?at=9999-12-31T23:00:00Z", 422)
    await office.get(f"{path}/is-open?at=2026-03-01T12:00:00", 422)


# --- all at once


async def test_many_things_that_name_each_other_come_at_once(office: Office) -> None:
    whole = {
        "queues": {"day": {"hours": "office", "overflow": "night", "sla": "fast"}, "night": {}},
        "business-hours": {"office": HOURS},
        "sla-policies": {"fast": {"high_seconds": 600}},
        "routing-policies": {"p": {"rules": [{"name": "all", "queue": "day"}]}},
    }

    first = await office.call("PATCH", "/v1/setup", whole)
    again = await office.call("PATCH", "/v1/setup", whole)
    sent_back = await office.call("PATCH", "/v1/setup", await office.get("/v1/setup"))

    assert {each["change"] for each in first["changes"]} == {"created"}
    assert {each["change"] for each in again["changes"]} == {"same"}
    assert {each["change"] for each in sent_back["changes"]} == {"same"}
    assert first["revision"] == again["revision"] == (await office.get("/v1/setup"))["revision"]
    assert office.forgotten == 1


async def test_all_or_nothing(office: Office) -> None:
    problem = await office.call(
        "PATCH", "/v1/setup", {"queues": {"a": {}, "b": {"hours": "none"}}, "skils": {}, "teams": []}, 422
    )
    judged = await office.call("PATCH", "/v1/setup", {"queues": {"a": {}, "b": {"hours": "none"}}}, 422)

    assert [each["path"] for each in problem["errors"]] == ["$.skils", "$.teams"]
    assert 'did you mean "skills"?' in problem["errors"][0]["fix"]
    assert judged["errors"][0]["path"] == "$.queues.b.hours"
    await office.get("/v1/queues/a", 404)


async def test_null_takes_out_and_only_at_the_revision_that_was_seen(office: Office) -> None:
    await office.put("/v1/queues/a", {"overflow": "default"}, 201)
    seen = f'"{(await office.get("/v1/setup"))["revision"]}"'
    await office.put("/v1/queues/b", {}, 201)

    await office.call("PATCH", "/v1/setup", {"queues": {"a": None}}, 412, if_match=seen)
    seen = f'"{(await office.get("/v1/setup"))["revision"]}"'
    would = await office.call("PATCH", "/v1/setup?dry_run=true", {"queues": {"a": None}}, if_match=seen)
    done = await office.call("PATCH", "/v1/setup", {"queues": {"a": None, "never": None}}, if_match=seen)

    assert would["changes"] == done["changes"]
    assert [(each["slug"], each["change"]) for each in done["changes"]] == [("a", "removed")]
    await office.get("/v1/queues/a", 404)


async def test_clocks_are_recomputed_where_deadlines_may_move(office: Office) -> None:
    await office.put("/v1/business-hours/office", HOURS, 201)
    await office.put("/v1/sla-policies/fast", {}, 201)
    await office.put("/v1/queues/a", {}, 201)
    office.recomputed.clear()

    await office.put("/v1/queues/a", {"name": "A"})
    await office.put("/v1/sla-policies/fast?dry_run=true", {"high_seconds": 60})
    assert office.recomputed == []
    await office.put("/v1/queues/a", {"name": "A", "hours": "office"})
    await office.put("/v1/sla-policies/fast", {"high_seconds": 60})

    revision = (await office.get("/v1/setup"))["revision"]
    assert office.recomputed == [("queues", "a", revision - 1), ("sla-policies", "fast", revision)]


@pytest.mark.parametrize("body", ["[]", "3", '"x"'])
async def test_a_body_that_is_no_table_is_refused(office: Office, body: str) -> None:
    for method, path in (("PUT", "/v1/queues/a"), ("PATCH", "/v1/setup")):
        answer = await office.callers["admin"].request(
            method, path, content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422, answer.text


async def test_two_who_close_a_circle_at_the_same_moment_are_not_both_kept(office: Office) -> None:
    await office.put("/v1/queues/a", {}, 201)
    await office.put("/v1/queues/b", {}, 201)

    answers = await asyncio.gather(
        office.callers["admin"].put("/v1/queues/a", json={"overflow": "b"}),
        office.callers["admin"].put("/v1/queues/b", json={"overflow": "a"}),
    )

    assert sorted(answer.status_code for answer in answers) == [200, 422]
