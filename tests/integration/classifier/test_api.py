"""Asking the classifier over REST."""

from typing import Any

import pytest

from tests.integration.classifier.world import World

LATE = "@acme my parcel is late and nobody answers"


async def ask(world: World, body: Any, key: str | None = None) -> Any:
    return await world.call("POST", "/v1/classify", json=body, key=key)


async def test_one_text_gets_its_labels(world: World) -> None:
    answer = await ask(world, {"text": LATE})

    assert answer.status_code == 200
    labels = answer.json()
    assert set(labels) == {
        "id", "language", "intent", "secondary_intent", "needs_response", "urgency", "reasons", "sentiment", "topics",
        "contact_channel", "channel_sentiment", "blamed_channel", "flags", "stated_wait_minutes", "confidence",
        "decision", "model", "words",
    }  # fmt: skip
    assert (labels["intent"], labels["urgency"], labels["language"]) == ("complaint", "high", "en")
    assert labels["model"] == "guichet-1"
    assert len(labels["words"]) == 5


async def test_a_thousand_posts_get_theirs_in_order(world: World) -> None:
    answer = await ask(world, {"posts": [{"id": str(n), "text": LATE} for n in range(1000)]})
    assert [each["id"] for each in answer.json()["items"]] == [str(n) for n in range(1000)]


async def test_scores_and_words_are_told_where_they_are_asked_for(world: World) -> None:
    posts = [{"id": "1", "text": LATE}]
    [plain] = (await ask(world, {"posts": posts})).json()["items"]
    [full] = (await ask(world, {"posts": posts, "scores": True, "explain": True})).json()["items"]
    assert {"scores", "words"} & set(plain) == set()
    assert plain == {name: told for name, told in full.items() if name not in ("scores", "words")}
    assert full["scores"]["intent"]["complaint"] == pytest.approx(full["confidence"]["intent"], abs=0.001)
    assert "words" not in (await ask(world, {"text": LATE, "explain": False})).json()


async def test_the_language_a_caller_says_counts_for_a_short_text(world: World) -> None:
    assert (await ask(world, {"text": "ok super", "language": "fr"})).json()["language"] == "fr"
    posts = {"posts": [{"id": "1", "text": "ok super", "language": "de"}, {"id": "2", "text": "ok super"}]}
    assert [each["language"] for each in (await ask(world, posts)).json()["items"]] == ["de", "und"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"text": "a", "posts": [{"id": "1", "text": "a"}]},
        {"posts": []},
        {"posts": [{"text": "a"}]},
        {"posts": [{"id": "1", "text": "a"}], "language": "fr"},
        {"posts": [{"id": str(n), "text": "a"} for n in range(1001)]},
        {"text": "a" * 100_001},
        {"text": 3},
        {"text": "a", "lang": "fr"},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_with_a_fix(world: World, body: Any) -> None:
    answer = await ask(world, body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["fix"]


async def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    assert (await ask(world, {"text": "a" * 1_600_000})).status_code == 413


async def test_the_labels_and_the_model_are_told(world: World) -> None:
    labels = (await world.call("GET", "/v1/labels")).json()
    assert [intent["name"] for intent in labels["intents"]][:2] == ["complaint", "assistance_request"]
    assert {"en", "fr", "und"} <= set(labels["languages"])
    [model] = (await world.call("GET", "/v1/models")).json()["items"]
    assert (model["name"], model["active"]) == ("guichet-1", True)
    assert model["cascade"]["state"] in ("off", "not installed")
    assert (model["cascade"]["share"], model["cascade"]["budget"]) == (0, 0.25)


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/classify"), ("GET", "/v1/labels"), ("GET", "/v1/models")])
async def test_nobody_asks_without_the_scope(world: World, method: str, path: str) -> None:
    assert (await world.call(method, path, key=world.other)).status_code == 403
    assert (await world.call(method, path, key="gk_nobody_x")).status_code == 401
