"""The coach over REST: what it knows of the mention, what our replies say, and how long a text is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.responder.domain.replies import Reply
from services.responder.store.replies import add
from services.responder.store.style import _question
from tests.integration.responder.conftest import World
from tests.integration.responder.mentions import MINUTE, NOON, routed

DAY = timedelta(days=1)
SPRING = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}


async def checked(world: World, text: str, **more: Any) -> Any:
    answer = await world.http.post("/v1/reply-checks", json={"network": "x", "text": text} | more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def codes(world: World, text: str, **more: Any) -> set[str]:
    return {each["code"] for each in (await checked(world, text, **more))["advice"]}


async def answered(
    world: World, n: int, text: str, then: str | None, *, at: datetime = NOON, team: str = "main"
) -> None:
    """A reply of ours to the n-th person, and with which intent they wrote again."""
    conversation = f"cnv_{team}_{n}"
    mention = f"m-{team}-{n}"
    told = [routed(mention, at=at, conversation_id=conversation, team=team)]
    if then:
        told.append(routed(f"{mention}-2", at=at + 60 * MINUTE, conversation_id=conversation, intent=then, team=team))
    await world.hears(*told)
    posted_at = at + MINUTE
    async with world.database.begin() as session:
        await add(
            session,
            Reply(
                id=f"rep_{team}_{n}",
                network="x",
                in_reply_to=mention,
                handle="acme",
                text=text,
                state="posted",
                created_at=at,
                updated_at=posted_at,
                not_before=at,
                key="key-jo",
                team=team,
                posted_at=posted_at,
                own_post_id=f"o-{team}-{n}",
                conversation_id=conversation,
            ),
        )


async def test_what_is_known_of_the_mention_counts(world: World) -> None:
    await world.hears(routed(intent="complaint", author_username="jo"))
    rules = "/v1/reply-rules"
    assert (await world.http.put(f"{rules}/handles/x/acme", json={"sign": True})).status_code == 200

    found = await codes(world, "Bonjour, on regarde, merci", post_id="1001", agent="ana")
    assert {"apology_missing", "signature_missing"} <= found

    assert (await world.http.put(f"{rules}/agents/ana", json={"initials": "AB"})).status_code == 200
    found = await codes(world, "Bonjour, désolé, on regarde, merci", post_id="1001", agent="ana")
    assert found == set()


async def test_our_last_reply_in_the_conversation_is_known(world: World) -> None:
    await answered(world, 1, "On regarde, merci", None)
    assert "same_as_last" in await codes(world, "On regarde, merci", post_id="m-main-1")


async def test_a_mention_nobody_knows_is_a_404_and_so_is_another_teams(world: World) -> None:
    await world.hears(routed())
    body = {"network": "x", "text": "Bonjour", "post_id": "1001"}
    assert (await world.http.post("/v1/reply-checks", json=body | {"post_id": "9"})).status_code == 404
    assert (await world.other_team.post("/v1/reply-checks", json=body)).status_code == 404


async def test_advice_says_where_and_in_which_language(world: World) -> None:
    shown = await checked(world, "Merci !!!", language="fr", private=True)
    assert shown["language"] == "fr"
    advice = {each["code"]: each for each in shown["advice"]}["exclamations"]
    assert (advice["level"], advice["start"], advice["end"]) == ("hint", 6, 9)
    assert advice["effect"] == {"note": "no data yet", "outcomes": []}


async def test_the_effect_is_that_on_our_own_replies(world: World) -> None:
    at = datetime.now(UTC) - 2 * DAY
    for n in range(50):
        await answered(world, n, "Merci !!!", "complaint" if n < 40 else None, at=at)
        await answered(world, 100 + n, "Merci", "praise_thanks" if n < 20 else None, at=at)

    advice = {each["code"]: each for each in (await checked(world, "Merci !!!"))["advice"]}

    effect = advice["exclamations"]["effect"]
    assert effect["note"] == "correlation, not cause"
    thanked, further = effect["outcomes"]
    assert (thanked["outcome"], thanked["difference"]) == ("thanked", pytest.approx(-0.4))
    assert (further["with"], further["without"]["n"]) == ({"met": 40, "n": 50, "share": 0.8}, 50)
    assert further["interval"][0] < 0.8 < further["interval"][1]
    assert advice["salutation_missing"]["effect"]["note"] == "no data yet"  # none of them greets


async def test_the_report_counts_what_is_over_and_what_one_may_see(world: World) -> None:
    await answered(world, 1, "Merci !!!", "praise_thanks")
    await answered(world, 2, "Merci", None, at=NOON + 60 * DAY)
    await answered(world, 3, "Merci", None, team="nord")

    shown = (await world.http.get("/v1/stats/reply-style", params=SPRING)).json()
    assert (shown["replies"], shown["whole"]) == (2, True)
    assert "Correlation, not cause" in shown["definition"]
    marks = [each for each in shown["effects"] if each["trait"] == "exclamations"]
    assert [(each["outcome"], each["with"]["met"], each["without"]["n"]) for each in marks] == [
        ("thanked", 1, 1),
        ("further_contact", 0, 1),
    ]
    assert all(each["difference"] is None for each in shown["effects"])
    others = (await world.other_team.get("/v1/stats/reply-style", params=SPRING)).json()
    assert others["replies"] == 1


async def test_a_reply_of_today_is_not_counted_yet(world: World) -> None:
    await answered(world, 1, "Merci", None, at=datetime.now(UTC) - 5 * MINUTE)
    assert (await world.http.get("/v1/stats/reply-style")).json()["replies"] == 0


@pytest.mark.parametrize(
    "query", [{"from": SPRING["to"], "to": SPRING["from"]}, {"to": "0001-01-01T00:00:00Z"}, {"to": "x"}]
)
async def test_a_time_that_cannot_be_is_refused(world: World, query: dict[str, str]) -> None:
    assert (await world.http.get("/v1/stats/reply-style", params=query)).status_code == 422


async def test_the_report_walks_along_indexes(world: World) -> None:
    async with world.database.begin() as session:
        statement = _question(NOON, NOON + DAY, {"main"}, 10)
        bound = statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        if world.database.dialect == "postgresql":
            await session.execute(sa.text("SET LOCAL enable_seqscan = off"))  # the tables are empty
        explain = "EXPLAIN " if world.database.dialect == "postgresql" else "EXPLAIN QUERY PLAN "
        plan = await session.execute(sa.text(explain + str(bound).replace(":", "\\:")))
        said = " ".join(str(row) for row in plan)
    assert "replies_changed" in said
    assert "targets_of_conversation" in said


@pytest.mark.parametrize(
    ("where", "text", "told"),
    [
        (
            "x",
            "see example.com now 🙋🏽",
            {"length": 34, "limit": 280, "valid": True, "valid_prefix": 22, "fault": None},
        ),
        (
            "mastodon",
            "é" * 501,
            {"length": 501, "limit": 500, "valid": False, "valid_prefix": 500, "fault": "too_long"},
        ),
        ("bluesky", "", {"length": 0, "limit": 300, "valid": False, "valid_prefix": 0, "fault": "empty"}),
    ],
)
async def test_the_length_is_the_networks(world: World, where: str, text: str, told: dict[str, Any]) -> None:
    answer = await world.http.post("/v1/length", json={"network": where, "text": text})
    assert (answer.status_code, answer.json()) == (200, told)


async def test_the_length_of_a_network_nobody_knows_is_refused(world: World) -> None:
    assert (await world.http.post("/v1/length", json={"network": "crm", "text": "a"})).status_code == 422
