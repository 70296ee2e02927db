"""The way every request of X's paths takes: counted, let in, limited, befallen by faults, answered with headers."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.auth import Caller, SignedRequest
from sandbox.endpoints import ENDPOINTS
from sandbox.faults import Fault
from sandbox.people import Account
from sandbox.refusals import PROBLEMS, Refused, refusal
from sandbox.state import Network

POST = "POST /2/tweets"
HANG_SECONDS = 60.0  # a request that gets no answer is let go after this

_PLACE = re.compile(r"\{(\w+)\}")


class _ReplyTo(msgspec.Struct, frozen=True):
    in_reply_to_tweet_id: str = ""


class _NewPost(msgspec.Struct):
    reply: _ReplyTo = _ReplyTo()


class Door(APIRoute):
    """A path of X's. Its handler may raise `Refused`."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle = super().get_route_handler()
        path = _PLACE.sub(r":\1", self.path)

        async def enter(request: Request) -> Response:
            endpoint = f"{request.method} {path}"
            network: Network = request.app.state.network
            request.state.headers = {}
            try:
                response = await _through(network, endpoint, request, handle)
            except Refused as refused:
                response = JSONResponse(refused.body, refused.status)
            except RequestValidationError as error:
                network.judge.attempts -= endpoint == POST  # nobody could have meant this as a post
                response = JSONResponse(problem(error), 400)
            if request.app.state.webhooks.pending:
                response.background = BackgroundTask(request.app.state.webhooks.deliver)
            response.headers.update({**request.state.headers, "x-transaction-id": secrets.token_hex(8)})
            network.judge.calls[f"{endpoint} {response.status_code}"] += 1
            return response

        return enter


async def _through(
    network: Network, endpoint: str, request: Request, handle: Callable[[Request], Awaitable[Response]]
) -> Response:
    on = ENDPOINTS[endpoint].on
    caller = network.keys.caller(request.headers.get("authorization", ""), await _signed(request))
    network.keys.admit(caller, endpoint)
    request.state.caller = caller
    network.judge.attempts += endpoint == POST
    passes, headers = network.windows.enter(endpoint, caller.account.id if caller.account else None)
    request.state.headers = headers
    if not passes:
        raise refusal("rate_limited")
    fault = network.faults.next(on, await _about(endpoint, request))
    if fault is not None and not fault.after:
        request.state.headers = _told(fault, network)
        raise fault.refusal
    response = await handle(request)
    if fault is None or response.status_code >= 400:
        return response
    if fault.kind == "cut":
        return Cut(response)
    if fault.kind == "no_answer":
        await _until_gone(request, fault.seconds or HANG_SECONDS)
    request.state.headers = {}
    raise fault.refusal


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _account(request: Request) -> Account:
    account: Account | None = request.state.caller.account
    if account is None:
        raise refusal("forbidden")
    return account


CallerOf = Annotated[Caller, Depends(_caller)]
AccountOf = Annotated[Account, Depends(_account)]


class Cut(Response):
    """The beginning of an answer, and then the connection is closed."""

    def __init__(self, whole: Response) -> None:
        super().__init__(whole.body, whole.status_code, dict(whole.headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body)[:1], "more_body": True})


async def _signed(request: Request) -> SignedRequest:
    parameters = request.query_params.multi_items()
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        parameters += parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    return SignedRequest(request.method, str(request.url.replace(query="", fragment="")), parameters)


async def _about(endpoint: str, request: Request) -> str:
    """The post that is answered, or since which is read; empty: none."""
    if endpoint != POST:
        return request.query_params.get("since_id", "")
    try:
        return msgspec.json.decode(await request.body(), type=_NewPost).reply.in_reply_to_tweet_id
    except ValueError:  # it has not the shape of a post; whoever takes it says so
        return ""


async def _until_gone(request: Request, seconds: float) -> None:
    """Say nothing until the client has hung up."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass


def _told(fault: Fault, network: Network) -> dict[str, str]:
    """The headers of a fault: only a limit says when it ends."""
    if fault.kind != "rate_limited" or not fault.seconds:
        return {}
    ends_at = network.now() + timedelta(seconds=fault.seconds)
    return {
        "x-rate-limit-limit": "100",
        "x-rate-limit-remaining": "0",
        "x-rate-limit-reset": str(int(ends_at.timestamp())),
    }


def _printable(given: object) -> str:
    """What was given, without what no answer could hold."""
    return str(given)[:100].encode("utf-8", "replace").decode()


def problem(error: RequestValidationError) -> dict[str, Any]:
    """X's answer to a request that has not the right shape."""
    problems = [
        {"message": each["msg"], "parameters": {".".join(map(str, each["loc"][1:])): [_printable(each.get("input"))]}}
        for each in error.errors()
    ]
    return {
        "errors": problems,
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": PROBLEMS + "invalid-request",
    }
