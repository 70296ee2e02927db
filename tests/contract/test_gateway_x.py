"""What the gateway to X promises, against the sandbox network over real HTTP and against rude servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from libs.common.errors import Unavailable
from sandbox.state import Limits
from services.responder.domain.posting import Answered, Lost, NotSent
from services.responder.domain.replies import Reply
from services.responder.gateways.x import XGateway
from tests.integration.responder.network import Sandbox, sandbox
from tests.unit.responder.builders import reply

LIMIT = timedelta(seconds=0.5)


def answer_to(post_id: str, text: str = "On regarde ^Ana", **more: object) -> Reply:
    return reply("sending", in_reply_to=post_id, text=text, **more)


@pytest.fixture
async def network() -> AsyncIterator[Sandbox]:
    async with sandbox(Limits(posts=300)) as made:
        yield made


@pytest.fixture
async def gateway(network: Sandbox) -> AsyncIterator[XGateway]:
    made = XGateway(network.url, "sandbox-{handle}", post_limit=LIMIT)
    yield made
    await made.close()


@asynccontextmanager
async def rude(answer: bytes | None, *, after_bytes: int = 1) -> AsyncIterator[tuple[XGateway, list[bytes]]]:
    """A gateway to a server that reads so many bytes, says this, and hangs up (None: resets); and what it heard."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readexactly(after_bytes))
        if answer is not None:
            writer.write(answer)
            writer.close()
        else:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    gateway = XGateway(f"http://127.0.0.1:{port}", "token", post_limit=LIMIT)
    try:
        yield gateway, heard
    finally:
        await gateway.close()
        server.close()
        await server.wait_closed()


async def test_a_reply_stands_under_what_it_answers(gateway: XGateway, network: Sandbox) -> None:
    await network.seed({"id": "1001", "text": "@acme mon colis ?", "username": "jo"})
    answer = await gateway.post(answer_to("1001", "On regarde ^Ana"))

    assert isinstance(answer, Answered)
    [post] = await network.received()
    assert (answer.status, answer.body["data"]["id"]) == (201, post["id"])
    assert (post["account"], post["in_reply_to"], post["text"]) == ("acme", "1001", "@jo On regarde ^Ana")
    assert answer.headers["x-rate-limit-remaining"] == "299"


async def test_each_handle_posts_as_itself(gateway: XGateway, network: Sandbox) -> None:
    await gateway.post(answer_to("1001", "Bonjour"))
    await gateway.post(answer_to("1002", "Bonjour", handle="acme_en"))

    assert [post["account"] for post in await network.received()] == ["acme_en", "acme"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 503])
async def test_a_failure_is_answered_once_and_nothing_repeats_it(
    gateway: XGateway, network: Sandbox, status: int
) -> None:
    await network.next({"kind": "error", "status": status})
    answer = await gateway.post(answer_to("1001", "Bonjour"))

    assert isinstance(answer, Answered)
    assert answer.status == status
    assert await network.attempts() == 1


async def test_a_duplicate_is_refused_in_the_networks_words(gateway: XGateway) -> None:
    await gateway.post(answer_to("1001", "Bonjour"))
    answer = await gateway.post(answer_to("1001", "Bonjour"))

    assert isinstance(answer, Answered)
    assert answer.status == 403
    assert "duplicate content" in answer.body["detail"]


async def test_an_answer_that_never_comes_is_lost(gateway: XGateway, network: Sandbox) -> None:
    await network.next({"kind": "no_answer", "seconds": 10})
    assert isinstance(await gateway.post(answer_to("1001", "Bonjour")), Lost)
    assert len(await network.received()) == 1


async def test_what_could_not_connect_was_not_sent() -> None:
    gateway = XGateway("http://127.0.0.1:9", "token", post_limit=LIMIT)
    assert isinstance(await gateway.post(answer_to("1001", "Bonjour")), NotSent)
    await gateway.close()


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"HTTP/1.1 201 Created\r\nContent-Length: 900\r\n\r\n{",
        b"no HTTP at all\r\n\r\n",
    ],
)
async def test_a_connection_that_breaks_after_writing_is_lost(answer: bytes | None) -> None:
    async with rude(answer) as (gateway, heard):
        exchange = await gateway.post(answer_to("1001", "Bonjour"))
    assert isinstance(exchange, Lost)
    assert len(heard) == 1


async def test_a_redirect_is_not_followed() -> None:
    answer = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /2/tweets\r\nContent-Length: 0\r\n\r\n"
    async with rude(answer) as (gateway, heard):
        exchange = await gateway.post(answer_to("1001", "Bonjour"))
    assert isinstance(exchange, Answered)
    assert (exchange.status, len(heard)) == (307, 1)


async def test_our_posts_since_a_mention_are_read_to_the_end(gateway: XGateway, network: Sandbox) -> None:
    await gateway.post(answer_to("1000", "avant"))
    [before] = await network.received()
    for n in range(230):
        await gateway.post(answer_to(str(2000 + n), f"Réponse {n}"))
    await gateway.post(answer_to("2000", "d'un autre", handle="other"))

    posts = await gateway.look(answer_to(before["id"]))

    assert [post.in_reply_to for post in posts] == [str(2000 + n) for n in reversed(range(230))]
    assert {post.created_at.microsecond for post in posts if post.created_at} == {0}
    assert posts[0].created_at is not None
    assert abs(datetime.now(UTC) - posts[0].created_at) < timedelta(minutes=1)


@pytest.mark.parametrize("fields_name", ["tweet.fields", "post.fields"])
async def test_a_reply_is_found_under_the_fields_old_name_and_its_new_one(network: Sandbox, fields_name: str) -> None:
    gateway = XGateway(network.url, "token", post_limit=LIMIT, fields_name=fields_name)
    await gateway.post(answer_to("1001", "Bonjour"))
    [post] = await gateway.look(answer_to("1001"))
    await gateway.close()

    assert (post.in_reply_to, post.text) == ("1001", "Bonjour")


async def test_an_empty_timeline_is_read(gateway: XGateway) -> None:
    assert await gateway.look(answer_to("1001")) == []


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_a_timeline_that_cannot_be_read_says_nothing(gateway: XGateway, network: Sandbox, status: int) -> None:
    await network.next({"kind": "error", "on": "read", "status": status})
    with pytest.raises(Unavailable, match=str(status)):
        await gateway.look(answer_to("1001"))


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b'{"errors":[{"title":"Not Found"}]}'])
async def test_a_timeline_in_another_shape_says_nothing(body: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with rude(answer) as (gateway, _):
        with pytest.raises(Unavailable):
            await gateway.look(answer_to("1001"))


async def test_the_networks_new_words_are_read_too() -> None:
    page = {
        "data": [
            {
                "id": "20",
                "text": "court…",
                "author_id": "7",
                "created_at": "2026-03-01T09:15:00.000Z",
                "referenced_posts": [{"type": "quoted", "id": "3"}, {"type": "replied_to", "id": "19"}],
                "note_post": {"text": "le texte entier"},
                "edit_history_post_ids": ["20"],
            },
            {"id": "21", "text": "d'un autre", "author_id": "8"},
        ],
        "meta": {"result_count": 2},
    }
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json={"data": {"id": "7"}} if request.url.path.endswith("/me") else page)

    gateway = XGateway(
        "https://api.x.com",
        "token",
        post_limit=LIMIT,
        fields_name="post.fields",
        transport=httpx2.MockTransport(answer),
    )
    [post] = await gateway.look(answer_to("19"))
    await gateway.close()

    assert (post.post_id, post.in_reply_to, post.text) == ("20", "19", "le texte entier")
    assert post.created_at == datetime(2026, 3, 1, 9, 15, tzinfo=UTC)
    assert asked[-1].url.params["since_id"] == "19"
    assert "referenced_posts" in asked[-1].url.params["post.fields"]


async def test_the_token_stands_in_the_request_and_nowhere_else(
    gateway: XGateway, network: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    await network.next({"kind": "error", "on": "read"})
    with pytest.raises(Unavailable) as error:
        await gateway.look(answer_to("1001"))
    await gateway.post(answer_to("1001", "un texte privé"))

    said = caplog.text + str(error.value) + repr(error.value.__cause__) + repr(gateway)
    assert "sandbox-acme" not in said
    assert "un texte privé" not in said
