"""`/sandbox`: for whoever sets the scene, and for the judge. The network itself has no such paths."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, Response

from sandbox.api.reading import PostId
from sandbox.auth import Credentials
from sandbox.behaviour import Behaviour
from sandbox.endpoints import ENDPOINTS, Occasion
from sandbox.faults import Fault, FaultKind
from sandbox.people import Account, account_named
from sandbox.people import Messages as MessagesOf
from sandbox.posts import Post
from sandbox.refusals import Refused, invalid
from sandbox.state import Network
from sandbox.streams import Ending, Streams
from sandbox.streams import Kind as StreamKind
from sandbox.webhooks import Webhooks


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Seed(_Told):
    """A post of somebody, to answer to. `author` without an id gets the one that follows from the name."""

    id: PostId | None = None
    text: str
    username: str = "someone"
    author_id: str | None = None
    created_at: AwareDatetime | None = None
    conversation_id: PostId | None = None
    in_reply_to: PostId | Literal[""] = ""
    quotes: PostId | Literal[""] = ""


class Seeds(BaseModel):
    posts: list[Seed]


class NewText(_Told):
    text: str


class Person(_Told):
    """Somebody with an id of their own; whose private messages they take."""

    username: Annotated[str, Field(pattern=r"^\w{1,50}$")]
    id: PostId | None = None
    messages: MessagesOf = "everyone"


class Letter(_Told):
    """A private message of one account to another, by their names."""

    sender: str
    recipient: str
    text: str


class FaultWish(_Told):
    """`count` of the next requests are befallen by this."""

    kind: FaultKind
    on: Occasion = "post"
    status: Annotated[int, Field(ge=400, le=599)] = 503
    count: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    seconds: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    title: str = "Error"
    detail: str = "Something went wrong."
    about: PostId | Literal[""] = ""


class FaultWishes(BaseModel):
    next: list[FaultWish]


class StreamWish(_Told):
    """What becomes of the open connections of a stream; `again` sends the last lines once more."""

    kind: StreamKind = "filtered_stream"
    how: Ending | Literal["again"] = "end"
    count: Annotated[int, Field(ge=1)] = 1


class DeliverWish(_Told):
    """All that was ever sent once more; `forged` with somebody else's signature."""

    forged: bool = False


class ClockWish(_Told):
    """How far the network's time is ahead of the machine's."""

    ahead_seconds: Annotated[float, Field(ge=-1e9, le=1e9)]


def routes(network: Network, streams: Streams, webhooks: Webhooks) -> APIRouter:
    """All of them. What follows from a request has reached the webhooks when it is answered."""

    async def delivered() -> AsyncIterator[None]:
        yield
        await webhooks.deliver()

    paths = APIRouter(prefix="/sandbox", dependencies=[Depends(delivered, scope="function")])

    @paths.post("/posts", status_code=201)
    async def seed(seeds: Seeds) -> dict[str, list[str]]:
        threads: dict[str, str] = {}
        posts = [_seeded(each, network, threads) for each in seeds.posts]
        network.seed(posts)
        return {"ids": [post.id for post in posts]}

    @paths.put("/posts/{id}")
    async def edit(id: PostId, new: NewText) -> dict[str, str]:  # noqa: A002
        version = network.edited(id, new.text)
        if version is None:
            raise Refused(404, "Not Found", f"there is no post {id}")
        return {"id": version.id}

    @paths.delete("/posts/{id}")
    async def delete(id: PostId) -> dict[str, list[str]]:  # noqa: A002
        return {"deleted": [post.id for post in network.removed(id)]}

    @paths.post("/accounts", status_code=201)
    async def introduce(who: Person) -> dict[str, str]:
        account = Account(who.id or account_named(who.username).id, who.username)
        network.people.introduce(account, who.messages)
        return {"id": account.id, "username": account.username}

    @paths.post("/accounts/{username}/revoke", status_code=204)
    async def revoke(username: str) -> None:
        network.revoke(username)

    @paths.post("/messages", status_code=201)
    async def letter(new: Letter) -> dict[str, str]:
        recipient = network.people.named(new.recipient)
        message = network.message(network.people.named(new.sender), recipient.id, new.text)
        return {"id": message.id, "dm_conversation_id": message.conversation_id}

    @paths.put("/credentials", status_code=204)
    async def credentials(given: Credentials) -> None:
        network.keys.configure(given)

    @paths.delete("/credentials", status_code=204)
    async def unlock() -> None:
        network.keys.configure(None)

    @paths.patch("/behaviour")
    async def behave(change: dict[str, Any]) -> dict[str, Any]:
        try:
            wanted = Behaviour.model_validate({**network.behaviour.model_dump(), **change})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise invalid(first["msg"], ".".join(map(str, first["loc"])), first["input"]) from None
        if unknown := sorted(wanted.limits.keys() - ENDPOINTS.keys()):
            raise invalid(f"an endpoint is written like one of {sorted(ENDPOINTS)}", "limits", unknown[0])
        network.behave(wanted)
        return wanted.model_dump()

    @paths.post("/streams", status_code=204)
    async def disturb(wish: StreamWish) -> None:
        if wish.how == "again":
            streams.again(wish.kind, wish.count)
        else:
            streams.finish(wish.how, wish.kind)

    @paths.post("/webhooks/challenge")
    async def challenge() -> dict[str, bool]:
        return {webhook.id: await webhooks.challenge(webhook) for webhook in webhooks.all}

    @paths.post("/webhooks/again", status_code=204)
    async def again(wish: DeliverWish) -> None:
        for webhook in webhooks.all:
            webhooks.replay(webhook.id, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
        await webhooks.deliver(forged=wish.forged)

    @paths.put("/clock", status_code=204)
    async def clock(wish: ClockWish) -> None:
        network.ahead = timedelta(seconds=wish.ahead_seconds)

    @paths.post("/faults", status_code=204)
    async def plant(wishes: FaultWishes) -> None:
        for wish in wishes.next:
            fault = Fault(**wish.model_dump(exclude={"count"}))
            network.faults.plant([fault] * wish.count)

    @paths.delete("/faults", status_code=204)
    async def spare() -> None:
        network.faults.clear()

    @paths.get("/received")
    async def received(
        limit: Annotated[int, Query(ge=1, le=100_000)] = 100, in_reply_to: str | None = None
    ) -> Response:
        """What came over the API: the judge's view."""
        count, per_reply = network.judge.counts()
        body = {
            "count": count,
            "attempts": network.judge.attempts,
            "per_in_reply_to": per_reply,
            "calls": dict(sorted(network.judge.calls.items())),
            "items": [_judged(post, network) for post in network.judge.received(limit, in_reply_to)],
            "messages": [
                {"id": each.id, "text": each.text, "sender_id": each.sender_id, "recipient_id": each.recipient_id}
                for each in network.messages.received()[:limit]
            ],
            "webhooks": {
                each.url: {"valid": each.valid, "delivered": each.delivered, "failed": each.failed}
                for each in webhooks.all
            },
        }
        return JSONResponse(body)

    return paths


def _judged(post: Post, network: Network) -> dict[str, Any]:
    return {
        "id": post.id,
        "text": post.text,
        "in_reply_to": post.in_reply_to,
        "account": post.username,
        "created_at": post.created_at.isoformat(),
        "deleted": network.posts.is_gone(post.id),
    }


def _seeded(seed: Seed, network: Network, threads: dict[str, str]) -> Post:
    """The post; `threads` has the conversation of each one of this request."""
    id_ = seed.id or network.next_id()
    parent = network.posts.get(seed.in_reply_to)
    thread = parent.conversation_id if parent else threads.get(seed.in_reply_to, seed.in_reply_to)
    threads[id_] = seed.conversation_id or thread or id_
    return Post(
        id=id_,
        text=seed.text,
        author_id=seed.author_id or network.people.named(seed.username).id,
        username=seed.username,
        created_at=seed.created_at.astimezone(UTC) if seed.created_at else network.now(),
        conversation_id=threads[id_],
        in_reply_to=seed.in_reply_to,
        quotes=seed.quotes,
    )
