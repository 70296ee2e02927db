"""X (API v2): post a reply, read our own timeline. The only file that may POST to a network."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from libs.common.clock import as_utc
from libs.common.errors import Unavailable
from services.responder.domain.posting import Answered, Exchange, Lost, NotSent
from services.responder.domain.recovery import OwnPost

PAGE = 100  # posts, the most the network gives at once
MOST_PAGES = 32  # it gives no more than 3,200 posts back

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 10.0


class _Reference(msgspec.Struct):
    type: str
    id: str


class _LongText(msgspec.Struct, frozen=True):
    text: str = ""


class _Post(msgspec.Struct):
    """One post of a timeline, in the network's old words and its new ones."""

    id: str
    text: str = ""
    author_id: str = ""
    created_at: str = ""
    referenced_tweets: list[_Reference] = []
    referenced_posts: list[_Reference] = []
    note_tweet: _LongText = _LongText()
    note_post: _LongText = _LongText()


class _Meta(msgspec.Struct):
    next_token: str = ""


class _Timeline(msgspec.Struct):
    """`meta` is always there; an answer that has only errors is not a timeline."""

    meta: _Meta
    data: list[_Post] = []


class _Account(msgspec.Struct):
    id: str


class _Me(msgspec.Struct):
    data: _Account


_Answer = TypeVar("_Answer", _Timeline, _Me)


class XGateway:
    """See `Gateway`.

    Each POST has a connection of its own: a kept one may be closed by the other side just as we write, and then
    nobody could say whether the post was made.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        post_limit: timedelta,
        fields_name: str = "tweet.fields",
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            token: OAuth 2.0 user token; `{handle}` in it stands for the handle that posts.
            post_limit: for the whole POST, from the name's look-up to the last byte of the answer.
            fields_name: the network is renaming it to `post.fields`, and what stands in it with it.
        """
        self._token = token
        self._post_limit = post_limit.total_seconds()
        self._fields_name = fields_name
        self._references = "referenced_posts" if fields_name == "post.fields" else "referenced_tweets"
        self._account_ids: dict[str, str] = {}
        self._client = httpx2.AsyncClient(
            base_url=base_url,
            headers={"User-Agent": "guichet"},
            timeout=httpx2.Timeout(_READ_SECONDS, connect=min(_CONNECT_SECONDS, self._post_limit)),
            follow_redirects=False,
            trust_env=False,  # a .netrc of the machine would take the place of our token
            transport=transport
            or httpx2.AsyncHTTPTransport(retries=0, limits=httpx2.Limits(max_keepalive_connections=0), trust_env=False),
        )

    async def post(self, handle: str, in_reply_to: str, text: str) -> Exchange:
        body = {"text": text, "reply": {"in_reply_to_tweet_id": in_reply_to}}
        limits = httpx2.Timeout(self._post_limit, connect=min(_CONNECT_SECONDS, self._post_limit))
        try:
            async with asyncio.timeout(self._post_limit):
                answer = await self._client.post(
                    "/2/tweets", json=body, headers=self._credentials(handle), timeout=limits
                )
        except (
            httpx2.ConnectError,
            httpx2.ConnectTimeout,
            httpx2.PoolTimeout,
            httpx2.UnsupportedProtocol,
            httpx2.ProxyError,
        ) as error:
            return NotSent(type(error).__name__)
        except (httpx2.HTTPError, TimeoutError, OSError) as error:
            return Lost(type(error).__name__)
        return Answered(answer.status_code, dict(answer.headers), _json(answer))

    async def own_posts_since(self, handle: str, post_id: str) -> Sequence[OwnPost]:
        account_id = await self._account_id(handle)
        wanted = {
            "since_id": post_id,
            "max_results": str(PAGE),
            self._fields_name: f"created_at,author_id,{self._references},in_reply_to_user_id",
        }
        posts: list[OwnPost] = []
        for _ in range(MOST_PAGES):
            page = await self._read(handle, f"/2/users/{account_id}/tweets", wanted, _Timeline)
            posts += [_own_post(post) for post in page.data if post.author_id in ("", account_id)]
            if not page.meta.next_token:
                return posts
            wanted["pagination_token"] = page.meta.next_token
        raise Unavailable("our timeline on x", f"it goes on after {MOST_PAGES} pages")

    async def close(self) -> None:
        await self._client.aclose()

    async def _account_id(self, handle: str) -> str:
        known = self._account_ids.get(handle)
        if known is None:
            answer = await self._read(handle, "/2/users/me", {}, _Me)
            known = self._account_ids[handle] = answer.data.id
        return known

    async def _read(self, handle: str, path: str, query: Mapping[str, str], kind: type[_Answer]) -> _Answer:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                answer = await self._client.get(path, params=query, headers=self._credentials(handle))
        except (httpx2.HTTPError, TimeoutError, OSError) as error:
            raise Unavailable("x", type(error).__name__) from error
        if answer.status_code != 200:
            raise Unavailable("x", f"it said {answer.status_code} to a read")
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as error:
            raise Unavailable("x", f"its answer cannot be read: {error}") from error

    def _credentials(self, handle: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token.replace('{handle}', quote(handle, safe=''))}"}


def _own_post(post: _Post) -> OwnPost:
    references = post.referenced_tweets + post.referenced_posts
    replied_to = next((each.id for each in references if each.type == "replied_to"), "")
    text = post.note_tweet.text or post.note_post.text or post.text
    return OwnPost(post.id, replied_to, text, _moment(post.created_at))


def _moment(text: str) -> datetime | None:
    try:
        return as_utc(datetime.fromisoformat(text))
    except ValueError:
        return None


def _json(answer: httpx2.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
