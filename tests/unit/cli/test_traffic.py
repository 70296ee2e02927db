"""The demo's traffic: a script of hours, moved to now, with fresh ids that still point to each other."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cli import posts
from cli.demo.traffic import (
    HISTORY_ENDS,
    LONGEST_GAP,
    SHORTEST_GAP,
    Script,
    Stamps,
    delivery,
    gap_seconds,
    past,
    snowflake,
)
from cli.posts import Handle
from services.ingest.gateways import x

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SIX = datetime(2026, 1, 1, 6, tzinfo=UTC)
BRAND = Handle("rivage-fr", "b", "rivage_fr", "Rivage")


def post(n: int, minutes: float = 0, author: str = "p", answers: int | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": str(n),
        "text": f"post {n}",
        "author_id": author,
        "created_at": posts.text_of(SIX + timedelta(minutes=minutes)),
        "conversation_id": str(answers or n),
    }
    return told | ({"referenced_tweets": [{"type": "replied_to", "id": str(answers)}]} if answers else {})


def script(*told: dict[str, Any]) -> Script:
    return Script(told, {"p": {"id": "p", "username": "ana", "name": "Ana", "followers": 7}}, [BRAND])


def test_the_first_two_thirds_are_the_past_and_the_rest_is_live() -> None:
    six = script(*(post(n, n) for n in range(1, 7)))
    assert [each["id"] for each in six.history] == ["1", "2", "3", "4"]
    assert [each["id"] for each in six.round(0)] == ["5", "6"]
    assert [each["id"] for each in six.round(1)] == ["1", "2", "3", "4", "5", "6"]


def test_live_answers_are_left_to_the_agents() -> None:
    told = script(post(1), post(2, author="b"), post(3), post(4, author="b"), post(5, author="b"), post(6))
    assert [each["id"] for each in told.history] == ["1", "2", "3", "4"]
    assert [each["id"] for each in told.round(0)] == ["6"]


def test_the_past_ends_a_moment_ago_and_keeps_its_gaps() -> None:
    first, second = past(script(post(1, 0), post(2, 90), post(3, 100)), Stamps(), NOW)
    assert posts.time_of(second) == NOW - HISTORY_ENDS
    assert posts.time_of(first) == NOW - HISTORY_ENDS - timedelta(minutes=90)


def test_fresh_ids_still_point_to_each_other() -> None:
    stamps = Stamps()
    first, answer = stamps.stamp(post(1), NOW), stamps.stamp(post(2, answers=1), NOW + timedelta(seconds=9))
    assert first["id"] != "1"
    assert answer["conversation_id"] == first["id"]
    assert answer["referenced_tweets"] == [{"type": "replied_to", "id": first["id"]}]


def test_another_round_has_other_ids() -> None:
    assert Stamps().stamp(post(1), NOW)["id"] != Stamps().stamp(post(1), NOW + timedelta(hours=1))["id"]


def test_an_id_says_the_time_as_the_networks_do() -> None:
    id_ = snowflake(NOW, "2028349986265105303")
    assert x.posted_at(id_, NOW) == NOW


def test_a_post_is_delivered_with_its_author_beside_it() -> None:
    told = delivery(script(post(1)), post(1))
    (user,) = told["includes"]["users"]
    assert (user["username"], user["public_metrics"]) == ("ana", {"followers_count": 7})


def test_something_always_moves_and_nothing_floods() -> None:
    assert gap_seconds(post(1, 0), post(2, 600), 60) == LONGEST_GAP
    assert gap_seconds(post(1, 0), post(2, 0), 60) == SHORTEST_GAP
    assert gap_seconds(post(1, 0), post(2, 1), 60) == 1.0
    assert gap_seconds(post(1, 0), post(2, 1), 120) == 0.5
