"""Satisfaction: what the answers to surveys add up to, by how soon we answered."""

import csv
import io
from collections.abc import Awaitable, Callable
from statistics import mean
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from services.responder.store import machines
from services.responder.store import surveys as store
from services.responder.store.satisfaction import ratings
from tests.integration.responder.conftest import World
from tests.integration.responder.machines import DUE, fresh, hear, rates, resolved, rule, sent, talk
from tests.integration.responder.mentions import MINUTE, NOON, answered
from tests.integration.responder.test_report_doors import plans

MINUTES_TO_ANSWER = {"cnv_0": 10, "cnv_1": 15, "cnv_2": 60, "cnv_3": 61, "cnv_4": 1440, "cnv_5": 1441, "cnv_6": None}
RATED = {"cnv_0": 5, "cnv_1": 2, "cnv_2": 4, "cnv_3": None, "cnv_4": 1, "cnv_6": 3}


async def asked_and_rated(world: World) -> None:
    await rule(world, survey="how-was-it")
    for n, (id_, minutes) in enumerate(MINUTES_TO_ANSWER.items()):
        its = talk(id_, author_id=str(300 + n), queue="fr" if n % 2 else "en")
        message = fresh(f"100{n}", **its)
        done = resolved(event_id=f"s-{n}", conversation_id=id_, author_id=its["author_id"])
        if minutes is None:
            await hear(world, message, done)
        else:
            reply = answered(f"100{n}", by=f"o-{n}", at=message.posted_at, after=minutes * MINUTE, conversation_id=id_)
            await hear(world, message, reply, done)
    await world.http.post("/v1/surveys/cnv_5/cancel")
    await sent(world)
    for n, (id_, rated) in enumerate(RATED.items()):
        if rated:
            await hear(world, rates(rated, DUE + 60, conversation_id=id_, post_id=f"200{n}"), later=DUE + 60)


async def satisfaction(world: World, **query: str) -> Any:
    answer = await world.http.get("/v1/stats/satisfaction", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_satisfaction_by_band_is_that_of_plain_arithmetic(world: World) -> None:
    await asked_and_rated(world)

    report = await satisfaction(world)

    shown = {group["key"]: group for group in report["groups"]}
    assert list(shown) == ["900", "3600", "5400", "86400", "not_answered"]
    by_band = {"900": [5, 2], "3600": [4], "5400": [], "86400": [1], "not_answered": [3]}
    sent_to = {"900": 2, "3600": 1, "5400": 1, "86400": 1, "not_answered": 1}
    for band, given in by_band.items():
        n, good = len(given), sum(each >= 4 for each in given)
        group = shown[band]
        assert group["answered"] == {"numerator": n, "denominator": sent_to[band], "share": n / sent_to[band]}
        assert group["satisfied"] == {"numerator": good, "denominator": n, "share": good / n if n else None}
        assert group["mean"] == (mean(given) if given else None)
        assert group["median"] == (sorted(given)[(len(given) - 1) // 2] if given else None)
    assert "private" in report["definition"]


async def test_satisfaction_in_other_groups_and_as_a_table(world: World) -> None:
    await asked_and_rated(world)

    [everybody] = (await satisfaction(world, group_by="none"))["groups"]
    assert (everybody["key"], everybody["answered"]["numerator"], everybody["answered"]["denominator"]) == (None, 5, 6)
    assert (everybody["mean"], everybody["median"]) == (3, 3)
    queues = {
        each["key"]: each["answered"]["numerator"] for each in (await satisfaction(world, group_by="queue"))["groups"]
    }
    assert queues == {"en": 4, "fr": 1}
    answer = await world.http.get("/v1/stats/satisfaction", params={"group_by": "queue", "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [(row["key"], row["answered.numerator"], row["mean"]) for row in rows] == [
        ("en", "4", "3.25"),
        ("fr", "1", "2.0"),
    ]
    assert (await world.http.get("/v1/stats/satisfaction", params={"group_by": "quue"})).status_code == 422
    assert (await world.other_team.get("/v1/stats/satisfaction")).json()["groups"] == []
    later = {"from": "2100-01-01T00:00:00Z", "to": "2100-01-02T00:00:00Z"}
    assert (await satisfaction(world, **later))["groups"] == []
    talks = (await world.http.get("/v1/stats/conversations")).json()["satisfaction"]
    assert (talks["ratings"], "satisfaction" in talks["note"]) == (5, True)


async def test_the_view_has_no_name_and_no_words(world: World) -> None:
    await asked_and_rated(world)
    rows = await world.rows("report_satisfaction")
    assert len(rows) == 7
    assert not {"author_id", "comment", "agent", "key"} & set(rows[0])
    assert {row["band"] for row in rows if row["conversation_id"] in ("cnv_5",)} == {"more"}


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda session: ratings(session, NOON, NOON + MINUTE, "band", {"main"}), "surveys_resolved"),
        (lambda session: store.take_due(session, NOON, 100), "surveys_due"),
        (lambda session: store.asked_at(session, "x", "222", "acme"), "surveys_of_person"),
        (lambda session: store.beginning(session, "cnv_1"), "targets_of_conversation"),
        (lambda session: machines.wrote_since(session, "cnv_1", NOON), "targets_of_conversation"),
        (lambda session: machines.acknowledged(session, {"cnv_1"}), "replies_automatic"),
    ],
)
async def test_each_question_walks_along_its_index(
    world: World, ask: Callable[[AsyncSession], Awaitable[Any]], index: str
) -> None:
    found = await plans(world, ask)

    assert found
    for plan in found:
        assert index in plan
