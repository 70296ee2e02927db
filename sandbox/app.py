"""The sandbox network over HTTP: X's paths and shapes, and `/sandbox` for whoever sets the scene."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import HTMLResponse, JSONResponse, Response

from libs.common.clock import Clock, utc_now
from libs.common.process import Service
from sandbox.page import SECURITY_POLICY, language_of, render
from sandbox.settings import SandboxSettings
from sandbox.state import Account, Fault, FaultKind, Limits, Network, Post, Quota, Refused, account_named, account_of

HANG_SECONDS = 60.0  # a request that gets no answer is let go after this
PAGE_THREADS = 100

_ALWAYS = ("id", "text", "edit_history_tweet_ids")
PostId = Annotated[str, Field(pattern=r"^[0-9]{1,19}$")]


class ReplyTo(BaseModel):
    in_reply_to_tweet_id: PostId


class NewPost(BaseModel):
    """X's own body; fields the sandbox does not know are passed over."""

    text: Annotated[str, Field(min_length=1, max_length=25_000)]
    reply: ReplyTo | None = None


class Seed(BaseModel):
    """A post of somebody, to answer to. `author` without an id gets the one that follows from the name."""

    model_config = ConfigDict(extra="forbid")

    id: PostId | None = None
    text: str
    username: str = "someone"
    author_id: str | None = None
    created_at: AwareDatetime | None = None
    conversation_id: PostId | None = None
    in_reply_to: PostId | Literal[""] = ""


class Seeds(BaseModel):
    posts: list[Seed]


class FaultWish(BaseModel):
    """`count` of the next requests are befallen by this."""

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    on: Literal["post", "read"] = "post"
    status: Annotated[int, Field(ge=400, le=599)] = 503
    count: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    seconds: Annotated[float, Field(ge=0)] = 0.0


class FaultWishes(BaseModel):
    next: list[FaultWish]


def build(settings: SandboxSettings, *, clock: Clock = utc_now) -> Service:
    """The sandbox as a service without tasks."""
    limits = Limits(settings.posts_per_window, settings.window, settings.duplicates_within)
    network = Network(settings.ledger, clock, limits)

    async def close() -> None:
        pass

    return Service("sandbox", sandbox_app(network), (), settings.host, settings.port, close)


def sandbox_app(network: Network) -> FastAPI:
    """X's paths over this network."""
    app = FastAPI(title="Guichet sandbox network", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.stopping = False
    app.include_router(_x(network))
    app.include_router(_control(network))
    app.include_router(_pages(network))

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        headers = _quota_headers(request.state.quota) if hasattr(request.state, "quota") else {}
        return JSONResponse(error.body, error.status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        problems = [
            {"message": each["msg"], "parameters": {".".join(map(str, each["loc"][1:])): []}} for each in error.errors()
        ]
        return JSONResponse(
            {
                "errors": problems,
                "title": "Invalid Request",
                "detail": "One or more parameters to your request was invalid.",
                "type": "https://api.x.com/2/problems/invalid-request",
            },
            400,
        )

    return app


async def _account(request: Request) -> Account:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(401, "Unauthorized", "Unauthorized")
    return account_of(token.strip())


async def _fields(
    tweet_fields: Annotated[str, Query(alias="tweet.fields")] = "",
    post_fields: Annotated[str, Query(alias="post.fields")] = "",
) -> frozenset[str]:
    return frozenset({*_ALWAYS, *tweet_fields.split(","), *post_fields.split(",")})


AccountOf = Annotated[Account, Depends(_account)]
FieldsOf = Annotated[frozenset[str], Depends(_fields)]


def _x(network: Network) -> APIRouter:
    routes = APIRouter(prefix="/2")

    @routes.post("/tweets")
    async def create(new: NewPost, account: AccountOf, request: Request) -> Response:
        network.attempts += 1
        request.state.quota = network.quota(account)
        fault = network.fault("post")
        if fault and fault.kind in ("error", "rate_limited"):
            return _failed(fault)
        post = network.post(account, new.text, new.reply.in_reply_to_tweet_id if new.reply else "")
        if fault and fault.kind == "no_answer":
            await _until_gone(request, fault.seconds or HANG_SECONDS)
        if fault:
            return _failed(fault)
        shown = {"id": post.id, "text": post.text, "edit_history_tweet_ids": [post.id]}
        return JSONResponse({"data": shown}, 201, _quota_headers(network.quota(account)))

    @routes.get("/tweets")
    async def several(ids: str, account: AccountOf, fields: FieldsOf) -> Response:
        if fault := network.fault("read"):
            return _failed(fault)
        wanted = ids.split(",")
        found = [post for id_ in wanted if (post := network.find(id_))]
        missing = sorted(set(wanted) - {post.id for post in found})
        return _read_answer([_shown(post, fields) for post in found], missing, network.quota(account))

    @routes.get("/tweets/{id}")
    async def one(id: str, account: AccountOf, fields: FieldsOf) -> Response:  # noqa: A002
        if fault := network.fault("read"):
            return _failed(fault)
        post = network.find(id)
        return _read_answer(_shown(post, fields) if post else None, [] if post else [id], network.quota(account))

    @routes.get("/users/me")
    async def me(account: AccountOf) -> Response:
        shown = {"id": account.id, "name": account.username, "username": account.username}
        return JSONResponse({"data": shown}, headers=_quota_headers(network.quota(account)))

    @routes.get("/users/{id}/tweets")
    async def timeline(
        id: PostId,  # noqa: A002
        account: AccountOf,
        fields: FieldsOf,
        since_id: PostId = "0",
        until_id: PostId = str(2**63),
        max_results: Annotated[int, Query(ge=5, le=100)] = 10,
        pagination_token: PostId | None = None,
    ) -> Response:
        if fault := network.fault("read"):
            return _failed(fault)
        before = min(int(until_id), int(pagination_token or until_id))
        posts, more = network.timeline(id, since_id=int(since_id), until_id=before, most=max_results)
        meta: dict[str, Any] = {"result_count": len(posts)}
        if posts:
            meta |= {"newest_id": posts[0].id, "oldest_id": posts[-1].id}
        if more:
            meta["next_token"] = posts[-1].id
        body = {"data": [_shown(post, fields) for post in posts], "meta": meta} if posts else {"meta": meta}
        return JSONResponse(body, headers=_quota_headers(network.quota(account)))

    return routes


def _control(network: Network) -> APIRouter:
    routes = APIRouter(prefix="/sandbox")

    @routes.post("/posts", status_code=201)
    async def seed(seeds: Seeds) -> dict[str, list[str]]:
        posts = [_seeded(each, network) for each in seeds.posts]
        network.seed(posts)
        return {"ids": [post.id for post in posts]}

    @routes.get("/received")
    async def received(
        limit: Annotated[int, Query(ge=1, le=100_000)] = 100, in_reply_to: str | None = None
    ) -> dict[str, Any]:
        """What came over the API: the judge's view."""
        count, per_reply = network.counts()
        return {
            "count": count,
            "attempts": network.attempts,
            "per_in_reply_to": per_reply,
            "items": [_judged(post) for post in network.received(limit, in_reply_to)],
        }

    @routes.post("/faults", status_code=204)
    async def plant(wishes: FaultWishes) -> None:
        for wish in wishes.next:
            network.plant([Fault(wish.kind, wish.on, wish.status, wish.seconds)] * wish.count)

    return routes


def _pages(network: Network) -> APIRouter:
    routes = APIRouter()

    @routes.get("/")
    async def page(request: Request) -> HTMLResponse:
        language = language_of(request.headers.get("accept-language", ""))
        text = render(network.threads(PAGE_THREADS), network.counts()[0], language)
        return HTMLResponse(text, headers={"Content-Security-Policy": SECURITY_POLICY, "Vary": "Accept-Language"})

    @routes.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    return routes


def _shown(post: Post, fields: frozenset[str]) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "id": post.id,
        "text": post.text,
        "edit_history_tweet_ids": [post.id],
        "author_id": post.author_id,
        "created_at": post.created_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),  # the network tells whole seconds
        "conversation_id": post.conversation_id,
    }
    if post.in_reply_to:
        # under its old name and its new one: whoever asks for either gets it
        whole["referenced_tweets"] = whole["referenced_posts"] = [{"type": "replied_to", "id": post.in_reply_to}]
    return {name: value for name, value in whole.items() if name in fields}


def _judged(post: Post) -> dict[str, Any]:
    return {
        "id": post.id,
        "text": post.text,
        "in_reply_to": post.in_reply_to,
        "account": post.username,
        "created_at": post.created_at.isoformat(),
    }


def _seeded(seed: Seed, network: Network) -> Post:
    id_ = seed.id or network.next_id()
    author = account_named(seed.username)
    return Post(
        id=id_,
        text=seed.text,
        author_id=seed.author_id or author.id,
        username=seed.username,
        created_at=seed.created_at.astimezone(UTC) if seed.created_at else datetime.now(UTC),
        conversation_id=seed.conversation_id or seed.in_reply_to or id_,
        in_reply_to=seed.in_reply_to,
    )


def _read_answer(found: Any, missing: Sequence[str], quota: Quota) -> Response:
    """200 even where nothing was found: the network then has `errors` in its answer."""
    errors = [
        {
            "value": id_,
            "resource_id": id_,
            "resource_type": "tweet",
            "parameter": "id",
            "title": "Not Found Error",
            "detail": f"Could not find tweet with id: [{id_}].",
            "type": "https://api.x.com/2/problems/resource-not-found",
        }
        for id_ in missing
    ]
    body = ({"data": found} if found else {}) | ({"errors": errors} if errors else {})
    return JSONResponse(body, headers=_quota_headers(quota))


def _failed(fault: Fault) -> Response:
    if fault.kind == "rate_limited":
        reset = int(datetime.now(UTC).timestamp() + fault.seconds)
        headers = {"x-rate-limit-limit": "100", "x-rate-limit-remaining": "0", "x-rate-limit-reset": str(reset)}
        body = Refused(429, "Too Many Requests", "Too Many Requests").body
        return JSONResponse(body, 429, headers if fault.seconds else {})
    return JSONResponse(Refused(fault.status, "Error", "Something went wrong.").body, fault.status)


async def _until_gone(request: Request, seconds: float) -> None:
    """Say nothing until the client has hung up."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass


def _quota_headers(quota: Quota) -> dict[str, str]:
    return {
        "x-rate-limit-limit": str(quota.limit),
        "x-rate-limit-remaining": str(quota.remaining),
        "x-rate-limit-reset": str(int(quota.reset_at.timestamp())),
    }
