"""The same key gets the same answer, in the transaction that made it true."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from libs.common.auth import public
from libs.common.errors import Raced
from libs.common.idempotency import (
    OptionalKey,
    RequiredKey,
    Stored,
    forget,
    idempotency_table,
    recall,
    remember,
)
from libs.common.problems import Problem
from tests.unit.common.app import an_app, calls

NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)
SEND = "POST /v1/replies"
ANSWER = Stored(202, '{"id":"rep_1"}', "/v1/replies/rep_1")


@pytest.fixture
async def session() -> AsyncIterator[AsyncSession]:
    engine = create_async_engine("sqlite+aiosqlite://")
    metadata = sa.MetaData()
    idempotency_table(metadata)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    async with AsyncSession(engine) as opened:
        yield opened
    await engine.dispose()


async def test_an_unknown_key_recalls_nothing(session: AsyncSession) -> None:
    assert await recall(session, "ana", "k1", SEND, b"{}") is None


async def test_the_same_request_gets_the_same_answer(session: AsyncSession) -> None:
    await remember(session, "ana", "k1", SEND, b"{}", ANSWER, now=NOON)
    assert await recall(session, "ana", "k1", SEND, b"{}") == ANSWER


async def test_another_callers_key_is_another_key(session: AsyncSession) -> None:
    await remember(session, "ana", "k1", SEND, b"{}", ANSWER, now=NOON)
    assert await recall(session, "ben", "k1", SEND, b"{}") is None


@pytest.mark.parametrize(("route", "body"), [(SEND, b'{"text":"other"}'), ("POST /v1/closures", b"{}")])
async def test_a_key_for_another_request_is_a_422(session: AsyncSession, route: str, body: bytes) -> None:
    await remember(session, "ana", "k1", SEND, b"{}", ANSWER, now=NOON)
    with pytest.raises(Problem) as caught:
        await recall(session, "ana", "k1", route, body)
    assert caught.value.status_code == 422
    assert SEND in str(caught.value.detail)


async def test_an_answer_is_forgotten_with_its_transaction(session: AsyncSession) -> None:
    await remember(session, "ana", "k1", SEND, b"{}", ANSWER, now=NOON)
    await session.rollback()
    assert await recall(session, "ana", "k1", SEND, b"{}") is None


async def test_the_slower_of_two_at_once_is_told_to_look_again(session: AsyncSession) -> None:
    await remember(session, "ana", "k1", SEND, b"{}", ANSWER, now=NOON)
    await session.commit()
    with pytest.raises(Raced):
        await remember(session, "ana", "k1", SEND, b"{}", Stored(202, "{}"), now=NOON)
    await session.rollback()
    assert await recall(session, "ana", "k1", SEND, b"{}") == ANSWER


async def test_what_is_older_is_forgotten_and_the_rest_kept(session: AsyncSession) -> None:
    await remember(session, "ana", "old", SEND, b"{}", ANSWER, now=NOON - timedelta(microseconds=1))
    await remember(session, "ana", "new", SEND, b"{}", ANSWER, now=NOON)
    assert await forget(session, NOON) == 1
    assert await recall(session, "ana", "old", SEND, b"{}") is None
    assert await recall(session, "ana", "new", SEND, b"{}") == ANSWER


def test_a_replayed_answer_says_so() -> None:
    response = ANSWER.as_response()
    assert (response.status_code, bytes(response.body)) == (202, b'{"id":"rep_1"}')
    assert response.headers["idempotency-replayed"] == "true"
    assert response.headers["location"] == "/v1/replies/rep_1"


def a_router() -> APIRouter:
    routes = APIRouter(dependencies=[public])

    @routes.post("/v1/must")
    async def must(key: RequiredKey) -> str:
        return key

    @routes.post("/v1/may")
    async def may(key: OptionalKey) -> str | None:
        return key

    return routes


async def test_a_missing_key_is_named_where_it_is_required(tmp_path: Path) -> None:
    async with calls(an_app(tmp_path, routers=[a_router()])) as client:
        answer = await client.post("/v1/must")
        assert answer.status_code == 400
        assert "Idempotency-Key" in answer.json()["title"]
        assert (await client.post("/v1/must", headers={"Idempotency-Key": "k1"})).json() == "k1"
        assert (await client.post("/v1/may")).json() is None


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
async def test_a_key_that_cannot_be_kept_is_refused(tmp_path: Path, key: str) -> None:
    async with calls(an_app(tmp_path, routers=[a_router()])) as client:
        for path in ("/v1/must", "/v1/may"):
            assert (await client.post(path, headers={"Idempotency-Key": key})).status_code == 400
