"""Posts: create, delete, look up."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from sandbox.api.reading import AskedOf, PostId
from sandbox.door import AccountOf, Door
from sandbox.posts import Post
from sandbox.refusals import invalid, not_found, refusal
from sandbox.shapes import Asked, includes, shown
from sandbox.state import Network


class ReplyTo(BaseModel):
    in_reply_to_tweet_id: PostId
    exclude_reply_user_ids: list[str] = []
    auto_populate_reply_metadata: bool = True


class EditOptions(BaseModel):
    previous_post_id: PostId


class Media(BaseModel):
    media_ids: Annotated[list[str], Field(min_length=1, max_length=4)]


class Poll(BaseModel):
    options: Annotated[list[str], Field(min_length=2, max_length=4)]
    duration_minutes: Annotated[int, Field(ge=5, le=10_080)]


class NewPost(BaseModel):
    """X's own body; fields the sandbox does not know are passed over."""

    text: Annotated[str, Field(min_length=1, max_length=25_000)]
    reply: ReplyTo | None = None
    quote_tweet_id: PostId | None = None
    media: Media | None = None
    poll: Poll | None = None
    edit_options: EditOptions | None = None


class Hidden(BaseModel):
    hidden: bool


def routes(network: Network) -> APIRouter:
    """`/2/tweets`."""
    paths = APIRouter(route_class=Door)

    @paths.post("/2/tweets")
    async def create(new: NewPost, account: AccountOf) -> Response:
        if sum(each is not None for each in (new.media, new.poll, new.quote_tweet_id)) > 1:
            raise invalid("media, a poll and a quote exclude each other", "media", "")
        post = network.post(
            account,
            new.text,
            new.reply.in_reply_to_tweet_id if new.reply else "",
            quotes=new.quote_tweet_id or "",
            edits=new.edit_options.previous_post_id if new.edit_options else "",
        )
        created = Asked(new=network.behaviour.vocabulary == "new")
        return JSONResponse({"data": shown(network, post, created)}, 201)

    @paths.delete("/2/tweets/{id}")
    async def delete(id: PostId, account: AccountOf) -> Response:  # noqa: A002
        network.delete(account, id)
        return JSONResponse({"data": {"deleted": True}})

    @paths.put("/2/tweets/{id}/hidden")
    async def hide(id: PostId, wish: Hidden, account: AccountOf) -> Response:  # noqa: A002
        post = network.find(id)
        thread = network.find(post.conversation_id) if post else None
        if post is None or thread is None or not post.in_reply_to or thread.author_id != account.id:
            raise refusal("forbidden")
        return JSONResponse({"data": {"hidden": wish.hidden}})

    @paths.get("/2/tweets")
    async def several(ids: str, wish: AskedOf) -> Response:
        wanted = ids.split(",")
        if len(wanted) > 100 or not all(id_.isdecimal() and len(id_) < 20 for id_ in wanted):
            raise invalid("up to 100 ids, digits only", "ids", ids)
        found = [post for id_ in wanted if (post := network.find(id_))]
        missing = [id_ for id_ in wanted if network.find(id_) is None]
        return _answer(network, [shown(network, post, wish) for post in found], found, missing, wish)

    @paths.get("/2/tweets/{id}")
    async def one(id: PostId, wish: AskedOf) -> Response:  # noqa: A002
        post = network.find(id)
        if post is None:
            return _answer(network, None, (), [id], wish)
        return _answer(network, shown(network, post, wish), [post], (), wish)

    return paths


def _answer(network: Network, data: Any, posts: Sequence[Post], missing: Sequence[str], wish: Asked) -> Response:
    """200 even where nothing was found: the network then has `errors` in its answer."""
    parts = {
        "data": data,
        "includes": includes(network, posts, wish),
        "errors": [not_found(id_) for id_ in missing],
    }
    return JSONResponse({name: value for name, value in parts.items() if value})
