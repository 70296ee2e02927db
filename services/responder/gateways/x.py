"""X (API v2): post a reply or send a private message, and read back whether it went out."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from libs.common.clock import as_utc
from libs.common.errors import Unavailable
from services.responder.domain.links import links
from services.responder.domain.posting import Answered, ByHand, Exchange
from services.responder.domain.recovery import OwnPost
from services.responder.domain.replies import Reply
from services.responder.gateways import MESSAGE, POST
from services.responder.gateways.meter import Meter
from services.responder.gateways.signing import Bearer, Signer
from services.responder.gateways.wire import Wire

PAGE = 100  # posts, the most the network gives at once
MOST_PAGES = 32  # it gives no more than 3,200 posts back
MOST_MESSAGE_PAGES = 5  # of 15 reads in 15 minutes

_CLOCKS_DISAGREE = timedelta(minutes=2)  # at most: the network's and the database's
_NOT_TO_THEM = re.compile("do not have permission to dm|this operation is not permitted", re.IGNORECASE)


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


class _Message(msgspec.Struct):
    """One event of a private conversation."""

    id: str
    text: str = ""
    sender_id: str = ""
    created_at: str = ""
    event_type: str = "MessageCreate"


class _Meta(msgspec.Struct):
    next_token: str = ""


class _Timeline(msgspec.Struct):
    """`meta` is always there; an answer that has only errors is not a timeline."""

    meta: _Meta
    data: list[_Post] = []


class _Messages(msgspec.Struct):
    meta: _Meta
    data: list[_Message] = []


class _Account(msgspec.Struct):
    id: str


class _Me(msgspec.Struct):
    data: _Account


_Page = TypeVar("_Page", _Timeline, _Messages)


class XGateway:
    """See `Gateway`."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        post_limit: timedelta,
        fields_name: str = "tweet.fields",
        transport: httpx2.AsyncBaseTransport | None = None,
        signers: Mapping[str, Signer] | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            token: OAuth 2.0 user token of handles without a signer; `{handle}` in it stands for the one that posts.
            post_limit: for the whole POST, from the name's look-up to the last byte of the answer.
            fields_name: the network is renaming it to `post.fields`, and what stands in it with it.
            signers: by handle.
        """
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._signers = dict(signers or {})
        self._fields_name = fields_name
        self._references = "referenced_posts" if fields_name == "post.fields" else "referenced_tweets"
        self._account_ids: dict[str, str] = {}
        self._meter = meter or Meter()
        self._wire = Wire("x", post_limit=post_limit, transport=transport)

    def operation(self, *, private: bool) -> str:
        return MESSAGE if private else POST

    async def post(self, reply: Reply) -> Exchange | ByHand:
        return await (self._send_message(reply) if reply.private else self._post(reply))

    async def look(self, reply: Reply) -> Sequence[OwnPost]:
        account_id = await self._account_id(reply.handle)
        return await (self._messages(reply, account_id) if reply.private else self._posts(reply, account_id))

    async def probe(self, handle: str) -> None:
        self._account_ids.pop(handle, None)
        await self._account_id(handle)

    async def close(self) -> None:
        for signer in self._signers.values():
            await signer.close()
        await self._wire.close()

    async def _post(self, reply: Reply) -> Exchange:
        body = {"text": reply.text, "reply": {"in_reply_to_tweet_id": reply.in_reply_to}}
        exchange = await self._written(reply.handle, "/2/tweets", body)
        if isinstance(exchange, Answered) and 200 <= exchange.status < 300:
            self._meter.spent("x", "reply_with_link" if any(links(reply.text)) else "reply")
        return exchange

    async def _send_message(self, reply: Reply) -> Exchange | ByHand:
        if not reply.author_id:
            return ByHand("nobody knows the account of the person to answer")
        path = f"/2/dm_conversations/with/{quote(reply.author_id, safe='')}/messages"
        exchange = await self._written(reply.handle, path, {"text": reply.text})
        if not isinstance(exchange, Answered):
            return exchange
        said = exchange.body if isinstance(exchange.body, dict) else {}
        if exchange.status == 403 and _NOT_TO_THEM.search(str(said.get("detail", ""))):
            return ByHand(f"the network said 403: {str(said['detail'])[:500]}")
        if not 200 <= exchange.status < 300:
            return exchange
        self._meter.spent("x", "message")
        made = said.get("data")
        event_id = made.get("dm_event_id") if isinstance(made, dict) else None
        return Answered(exchange.status, exchange.headers, {"data": {"id": event_id}})

    async def _written(self, handle: str, path: str, body: Mapping[str, object]) -> Exchange:
        exchange = await self._wire.post(self._signer(handle), self._base_url + path, body, until=self._wire.until())
        if isinstance(exchange, Answered) and exchange.status == 403 and "spending limit" in str(exchange.body).lower():
            return Answered(402, exchange.headers, exchange.body)  # it is about money, as 402 is
        return exchange

    async def _posts(self, reply: Reply, account_id: str) -> list[OwnPost]:
        wanted = {
            "since_id": reply.in_reply_to,
            "max_results": str(PAGE),
            self._fields_name: f"created_at,author_id,{self._references},in_reply_to_user_id",
        }
        path = f"/2/users/{account_id}/tweets"
        posts: list[OwnPost] = []
        for _ in range(MOST_PAGES):
            page = await self._page(reply.handle, path, wanted, _Timeline, "own_post_read")
            posts += [_own_post(post) for post in page.data if post.author_id in ("", account_id)]
            if not page.meta.next_token:
                return posts
            wanted["pagination_token"] = page.meta.next_token
        raise Unavailable("our timeline on x", f"it goes on after {MOST_PAGES} pages")

    async def _messages(self, reply: Reply, account_id: str) -> list[OwnPost]:
        """Ours to this person since the reply was written: a message names nothing that it answers."""
        since = reply.created_at - _CLOCKS_DISAGREE
        wanted = {
            "max_results": str(PAGE),
            "event_types": "MessageCreate",
            "dm_event.fields": "id,text,event_type,created_at,sender_id",
        }
        path = f"/2/dm_conversations/with/{quote(reply.author_id, safe='')}/dm_events"
        found: list[OwnPost] = []
        for _ in range(MOST_MESSAGE_PAGES):
            page = await self._page(reply.handle, path, wanted, _Messages, "message_read")
            for each in page.data:
                sent_at = _moment(each.created_at)
                if sent_at is not None and sent_at < since:
                    return found
                if each.sender_id == account_id:
                    found.append(OwnPost(each.id, reply.in_reply_to, each.text, sent_at))
            if not page.meta.next_token:
                return found
            wanted["pagination_token"] = page.meta.next_token
        raise Unavailable("our messages on x", f"they go on after {MOST_MESSAGE_PAGES} pages")

    async def _page(self, handle: str, path: str, query: Mapping[str, str], shape: type[_Page], what: str) -> _Page:
        page = await self._wire.read(self._signer(handle), self._base_url + path, shape, query)
        self._meter.spent("x", what, len(page.data))
        return page

    async def _account_id(self, handle: str) -> str:
        known = self._account_ids.get(handle)
        if known is None:
            me = await self._wire.read(self._signer(handle), f"{self._base_url}/2/users/me", _Me)
            self._meter.spent("x", "user_read")
            known = self._account_ids[handle] = me.data.id
        return known

    def _signer(self, handle: str) -> Signer:
        return self._signers.get(handle) or Bearer(self._token.replace("{handle}", quote(handle, safe="")))


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
