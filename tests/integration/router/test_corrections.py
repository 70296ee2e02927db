"""What a person says a mention is: a new version each time, shown at once, told, and exported to learn from."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from libs.common.auth import Keyring
from libs.common.events import ClassificationCorrected, Labels, of_type
from libs.common.keys import create_key
from libs.common.metrics import Metrics
from libs.common.web import web_app
from services.classifier.domain import heads
from services.classifier.training.corrections import read_corrections
from services.router.api import corrections as api
from services.router.domain.labels import ANY_OF
from tests.integration.router.conftest import World
from tests.integration.router.messages import MINUTE, NOON, deleted, mention

SAID = Labels(
    language="fr",
    intent="assistance_request",
    secondary_intent="complaint",
    needs_response=True,
    urgency="normal",
    topics=("billing",),
    contact_channel="phone",
    confidence={"intent": 0.41, "topics": 0.9},
    decision="to_confirm",
    model="2026-03-01",
)
EXPORTED = [
    "id", "network", "post_id", "handle", "team", "text", "posted_at", "language", "model", "said", "labels",
    "version", "corrected_at", "actor", "note",
]  # fmt: skip


async def correct(world: World, post_id: str, status: int = 201, note: str = "", **labels: Any) -> Any:
    """What REST answers to a correction."""
    body = {"network": "x", "post_id": post_id, "labels": labels, "note": note}
    return await world.call("POST", "/v1/corrections", body, status)


async def lines(http: httpx2.AsyncClient, path: str = "/v1/corrections") -> list[dict[str, Any]]:
    """The export."""
    answer = await http.get(path, headers={"Accept": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.content.splitlines()]


@asynccontextmanager
async def door(
    world: World, tmp_path: Path, scopes: list[str], at_once: int = api.AT_ONCE
) -> AsyncIterator[httpx2.AsyncClient]:
    """Another door to the same corrections, for a key with these scopes."""
    keys = tmp_path / "other-keys.toml"
    key = create_key(keys, name="other", role="service", scopes=scopes, teams=["*"])
    routes = api.routes(world.database, at_once)
    app = web_app("router", [routes], metrics=Metrics(CollectorRegistry(), "router"), keyring=Keyring(keys))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://router", headers={"Authorization": f"Bearer {key}"}
    ) as http:
        yield http


async def test_a_correction_says_what_is_right_and_what_the_model_had_said(world: World) -> None:
    await world.hears(mention("1", labels=SAID))

    kept = await correct(world, "1", intent="feedback", note="no question in it")

    assert kept["id"].startswith("cor_")
    assert (kept["version"], kept["model"], kept["note"]) == (1, "2026-03-01", "no question in it")
    assert (kept["labels"]["intent"], kept["said"]["intent"]) == ("feedback", "assistance_request")
    assert kept["said"]["confidence"]["intent"] == 0.41
    assert kept["labels"]["topics"] == ["billing"]
    assert kept["actor"]
    assert list(kept) == EXPORTED


async def test_the_mention_shows_the_corrected_labels_and_by_whom(world: World) -> None:
    await world.hears(mention("1", labels=SAID))
    before = await world.get("/v1/mentions/x/1")
    assert before["corrected"] is None

    kept = await correct(world, "1", intent="feedback", topics=["billing", "fast"])

    shown = await world.get("/v1/mentions/x/1")
    assert (shown["labels"]["intent"], shown["labels"]["topics"]) == ("feedback", ["fast", "billing"])
    assert "confidence" not in shown["labels"]  # nobody is .41 sure of what the person said
    assert shown["corrected"] == {name: kept[name] for name in ("version", "actor", "corrected_at")}
    assert shown["updated_at"] > before["updated_at"]


async def test_each_correction_is_a_new_version_beside_what_the_model_said(world: World) -> None:
    await world.hears(mention("1", labels=SAID))

    await correct(world, "1", intent="feedback")
    await correct(world, "1", sentiment="positive")

    first, second = (await world.get("/v1/corrections"))["items"]
    assert (first["version"], first["labels"]["sentiment"]) == (1, "neutral")
    assert (second["version"], second["labels"]["sentiment"], second["labels"]["intent"]) == (2, "positive", "feedback")
    assert second["said"] == first["said"]


async def test_people_who_correct_at_once_are_all_kept(world: World) -> None:
    await world.hears(mention("1", labels=SAID))
    topics = ("outage", "loyalty", "privacy_data", "fast")

    await asyncio.gather(*[correct(world, "1", topics=["billing", topic]) for topic in topics])

    kept = (await world.get("/v1/corrections"))["items"]
    assert [each["version"] for each in kept] == [1, 2, 3, 4]


async def test_a_correction_is_told_once_and_names_what_changed(world: World) -> None:
    await world.hears(mention("1", labels=SAID))

    kept = await correct(world, "1", urgency="high", intent="assistance_request")
    await correct(world, "1", urgency="high", status=422)

    [event] = of_type(ClassificationCorrected, await world.told())
    assert (event.correction_id, event.version, event.key) == (kept["id"], 1, "key-jo")
    assert event.changed == ("urgency", "reasons")
    assert event.said == SAID
    assert (event.labels.urgency, event.labels.reasons) == ("high", ("manual",))
    assert event.actor == kept["actor"]


async def test_the_item_keeps_its_place_its_urgency_and_its_deadline(world: World) -> None:
    await world.hears(mention("1", labels=SAID))
    before = await world.rows("work_items")

    await correct(world, "1", urgency="critical", reasons=["safety"])

    assert await world.rows("work_items") == before


async def test_what_follows_from_a_corrected_label_follows(world: World) -> None:
    await world.hears(mention("1", labels=SAID))

    await correct(world, "1", intent="complaint", channel_sentiment="negative")

    labels = (await world.get("/v1/mentions/x/1"))["labels"]
    assert (labels["intent"], labels.get("secondary_intent"), labels["blamed_channel"]) == ("complaint", None, "phone")


@pytest.mark.parametrize(
    ("labels", "path", "nearest"),
    [
        ({"intnet": "complaint"}, "$.labels.intnet", "intent"),
        ({"intent": "complain"}, "$.labels.intent", "complaint"),
        ({"intent": None}, "$.labels.intent", None),
        ({"urgency": 3}, "$.labels.urgency", None),
        ({"topics": ["fast", "biling"]}, "$.labels.topics[1]", "billing"),
        ({"topics": "billing"}, "$.labels.topics", None),
        ({"reasons": [["safety"]]}, "$.labels.reasons[0]", None),
        ({"flags": ["question"]}, "$.labels.flags[0]", "is_question"),
        ({"needs_response": "yes"}, "$.labels.needs_response", None),
        ({"language": "français"}, "$.labels.language", None),
        ({"model": "mine"}, "$.labels.model", None),
    ],
)
async def test_a_label_that_does_not_exist_is_named_with_the_nearest(
    world: World, labels: dict[str, Any], path: str, nearest: str | None
) -> None:
    await world.hears(mention("1", labels=SAID))

    problem = await correct(world, "1", 422, **labels)

    assert problem["type"] == "urn:guichet:problem:unknown-label"
    assert problem["errors"][0]["path"] == path
    assert problem.get("nearest") == nearest
    assert (nearest or "It takes") in problem["fix"]
    assert await world.rows("corrections") == []


async def test_a_label_the_model_itself_told_can_be_sent_back(world: World) -> None:
    await world.hears(mention("1", labels=msgspec.structs.replace(SAID, topics=("baggage",))))

    kept = await correct(world, "1", topics=["baggage", "billing"])

    assert kept["labels"]["topics"] == ["billing", "baggage"]


@pytest.mark.parametrize(
    "labels", [{"topics": ["billing", "billing"]}, {"intent": "assistance_request", "needs_response": True}]
)
async def test_what_changes_nothing_is_no_correction(world: World, labels: dict[str, Any]) -> None:
    await world.hears(mention("1", labels=SAID))

    problem = await correct(world, "1", 422, **labels)

    assert problem["type"] == "urn:guichet:problem:nothing-changed"
    assert await world.rows("corrections") == []


async def test_a_body_without_labels_is_refused(world: World) -> None:
    assert (await correct(world, "1", 422))["errors"][0]["path"] == "$.labels"


async def test_a_mention_nobody_knows_cannot_be_corrected_yet(world: World) -> None:
    problem = await correct(world, "404", 404, intent="complaint")

    assert "not be routed yet" in problem["fix"]


async def test_a_stranger_corrects_and_reads_nothing_of_another_team(world: World) -> None:
    await world.hears(mention("1", labels=SAID))
    body = {"network": "x", "post_id": "1", "labels": {"intent": "feedback"}}

    assert (await world.other_team.post("/v1/corrections", json=body)).status_code == 404

    await world.call("POST", "/v1/corrections", body, 201)
    assert (await world.other_team.get("/v1/corrections")).json()["items"] == []
    assert await lines(world.other_team) == []


@pytest.mark.parametrize(
    ("scopes", "asked", "missing"),
    [
        (["mentions:read"], ("POST", {}), "conversations:write"),
        (["conversations:write"], ("GET", {}), "mentions:read"),
        (["mentions:read"], ("GET", {"Accept": "application/x-ndjson;q=1"}), "exports:read"),
    ],
)
async def test_who_corrects_who_reads_and_who_takes_all_away_are_three_scopes(
    world: World, tmp_path: Path, scopes: list[str], asked: tuple[str, dict[str, str]], missing: str
) -> None:
    method, headers = asked
    async with door(world, tmp_path, scopes) as http:
        answer = await http.request(method, "/v1/corrections", headers=headers, json={})

    assert (answer.status_code, answer.json()["missing_scope"]) == (403, missing)


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_pages_hold_every_correction_once_oldest_first(world: World, limit: int) -> None:
    for n in range(5):
        await world.hears(mention(str(n), author=f"p{n}", labels=SAID))
        await correct(world, str(n), intent="feedback")

    path = f"/v1/corrections?limit={limit}"
    page = await world.get(path)
    seen = page["items"]
    while page["next_cursor"]:
        page = await world.get(f"{path}&cursor={page['next_cursor']}")
        seen += page["items"]

    assert [each["post_id"] for each in seen] == ["0", "1", "2", "3", "4"]


async def test_a_tool_keeps_in_step_with_updated_after(world: World) -> None:
    await world.hears(mention("1", labels=SAID))
    first = await correct(world, "1", intent="feedback")
    second = await correct(world, "1", sentiment="negative")

    path = f"/v1/corrections?updated_after={first['corrected_at']}"

    assert [each["id"] for each in (await world.get(path))["items"]] == [second["id"]]
    assert [each["id"] for each in await lines(world.http, path)] == [second["id"]]


async def test_the_file_has_every_correction_on_a_line_and_can_be_learnt_from(world: World, tmp_path: Path) -> None:
    for n in range(5):
        await world.hears(
            mention(str(n), author=f"p{n}", labels=SAID, network="crm", text=f"line {n}\nbreak\u2028 «é»")
        )
        await world.call(
            "POST", "/v1/corrections", {"network": "crm", "post_id": str(n), "labels": {"intent": "complaint"}}, 201
        )
    body = {"network": "crm", "post_id": "2", "labels": {"topics": ["outage"], "flags": ["is_question"]}}
    last = await world.call("POST", "/v1/corrections", body, 201)

    async with door(world, tmp_path, ["*"], at_once=2) as http:
        file = await lines(http)

    assert [(each["post_id"], each["version"]) for each in file] == [*((str(n), 1) for n in range(5)), ("2", 2)]
    assert file[-1] == last
    (tmp_path / "corrections.ndjson").write_text("".join(json.dumps(each) + "\n" for each in file), "utf-8")
    posts = {post.id: post for post in read_corrections(tmp_path / "corrections.ndjson").posts}
    assert len(posts) == 5
    learnt = posts["crm:2"]
    assert (learnt.intent, learnt.topics, learnt.is_question) == ("complaint", ("outage",), True)
    assert learnt.text == "line 2\nbreak\u2028 «é»"


async def test_the_file_has_no_pages(world: World) -> None:
    answer = await world.http.get("/v1/corrections?limit=3", headers={"Accept": "application/x-ndjson"})

    assert answer.status_code == 400
    assert "limit" in answer.json()["detail"]


async def test_a_deleted_mentions_text_is_not_exported(world: World) -> None:
    await world.hears(mention("1", labels=SAID), mention("2", author="lu", labels=SAID))
    await correct(world, "1", intent="feedback")
    await correct(world, "2", intent="feedback")

    await world.hears(deleted("1"))

    assert [each["post_id"] for each in await lines(world.http)] == ["2"]
    assert [each["text"] == "" for each in (await world.get("/v1/corrections"))["items"]] == [True, False]
    assert (await correct(world, "1", 409, intent="complaint"))["type"] == "urn:guichet:problem:deleted"


async def test_a_correction_is_of_the_text_it_was_made_on(world: World) -> None:
    await world.hears(mention("1", labels=SAID))
    await correct(world, "1", intent="feedback")

    edited = msgspec.structs.replace(SAID, intent="praise_thanks", secondary_intent=None, model="2026-03-02")
    await world.hears(mention("1", version=2, text="merci !", labels=edited, at=NOON + MINUTE))

    shown = await world.get("/v1/mentions/x/1")
    assert (shown["labels"]["intent"], shown["corrected"]) == ("praise_thanks", None)
    assert await lines(world.http) == []
    again = await correct(world, "1", intent="chatter")
    assert (again["version"], again["model"], again["said"]["intent"]) == (2, "2026-03-02", "praise_thanks")
    assert [(each["text"], each["version"]) for each in await lines(world.http)] == [("merci !", 2)]


async def test_an_agent_who_takes_the_item_sees_what_was_corrected(world: World) -> None:
    await world.agent("ana")
    await world.hears(mention("1", labels=SAID))
    await correct(world, "1", intent="feedback")

    taken = (await world.take("ana"))["mention"]

    assert (taken["labels"]["intent"], taken["corrected"]["version"]) == ("feedback", 1)


def test_all_that_the_classifier_says_can_be_corrected() -> None:
    assert ANY_OF["topics"] == heads.TOPICS
    assert ANY_OF["reasons"] == (*heads.REASONS, "manual")
    assert ANY_OF["flags"] == heads.FLAGS
