"""Mastodon: answer with a status, seen by as many as the one it answers; found again on our own timeline."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html.parser import HTMLParser

import httpx2
import msgspec

from libs.common.clock import as_utc
from libs.common.errors import Unavailable
from services.responder.domain.posting import Answered, ByHand, Exchange, NotSent
from services.responder.domain.recovery import OwnPost
from services.responder.domain.replies import Reply
from services.responder.gateways import POST
from services.responder.gateways.signing import Signer
from services.responder.gateways.wire import Wire

PAGE = 40  # statuses, the most a server gives at once
MOST_PAGES = 80

_LEADING_MENTIONS = re.compile(r"^(?:\s*@[\w.-]+(?:@[\w.-]+)?)+\s*")
_SEEN_BY = {"public": "unlisted"}
"""As the one it answers; a public one gets an answer that fills nobody else's timelines."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where an account is, and its right to ask."""

    base_url: str
    signer: Signer


class _Account(msgspec.Struct):
    id: str
    acct: str = ""


class _Status(msgspec.Struct):
    id: str
    account: _Account
    visibility: str = "public"
    content: str = ""
    created_at: str = ""
    in_reply_to_id: str | None = None


class MastodonGateway:
    """See `Gateway`. Every handle has a server of its own."""

    def __init__(
        self,
        servers: Mapping[str, Server],
        *,
        post_limit: timedelta,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            servers: by handle.
            post_limit: for the whole answer, with the look at what it answers.
        """
        self._servers = dict(servers)
        self._account_ids: dict[str, str] = {}
        self._wire = Wire("mastodon", post_limit=post_limit, transport=transport)

    def operation(self, *, private: bool) -> str:
        return POST  # a private one is a status as all others

    async def post(self, reply: Reply) -> Exchange | ByHand:
        server, until = self._servers.get(reply.handle), self._wire.until()
        if server is None:
            return ByHand("no credentials of this handle are set up")
        if not reply.in_reply_to.isdecimal():
            return ByHand("the mention's id is not one of our server's")
        try:
            answer = await self._wire.get(server.signer, f"{server.base_url}/api/v1/statuses/{reply.in_reply_to}")
            if 400 <= answer.status < 500:
                return _in_our_words(answer)
            if answer.status != 200:
                return NotSent(f"it said {answer.status} to a read")
            parent = self._wire.shaped(answer.body, _Status)
        except Unavailable as error:
            return NotSent(str(error))
        body = {
            "status": _addressed(reply.text, parent.account.acct),
            "in_reply_to_id": reply.in_reply_to,
            "visibility": "direct" if reply.private else _SEEN_BY.get(parent.visibility, parent.visibility),
        }
        exchange = await self._wire.post(
            server.signer,
            f"{server.base_url}/api/v1/statuses",
            body,
            until=until,
            headers={"Idempotency-Key": reply.id},  # known there for an hour
        )
        return _in_our_words(exchange) if isinstance(exchange, Answered) else exchange

    async def look(self, reply: Reply) -> Sequence[OwnPost]:
        server = self._server(reply.handle)
        path = f"{server.base_url}/api/v1/accounts/{await self._account_id(reply.handle)}/statuses"
        wanted = {"since_id": reply.in_reply_to, "limit": str(PAGE), "exclude_reblogs": "true"}
        found: list[OwnPost] = []
        for _ in range(MOST_PAGES):
            answer = await self._wire.get(server.signer, path, wanted)
            if answer.status != 200 or not isinstance(answer.body, list):
                raise Unavailable("mastodon", f"it said {answer.status} to a read")
            statuses = [self._wire.shaped(each, _Status) for each in answer.body]
            if not statuses:
                return found
            found += [
                OwnPost(each.id, each.in_reply_to_id or "", plain(each.content), _moment(each.created_at))
                for each in statuses
            ]
            wanted["max_id"] = statuses[-1].id
        raise Unavailable("our timeline on mastodon", f"it goes on after {MOST_PAGES} pages")

    async def probe(self, handle: str) -> None:
        self._account_ids.pop(handle, None)
        await self._account_id(handle)

    async def close(self) -> None:
        await self._wire.close()

    def _server(self, handle: str) -> Server:
        server = self._servers.get(handle)
        if server is None:
            raise Unavailable("mastodon", "no credentials of this handle are set up")
        return server

    async def _account_id(self, handle: str) -> str:
        known = self._account_ids.get(handle)
        if known is None:
            server = self._server(handle)
            url = f"{server.base_url}/api/v1/accounts/verify_credentials"
            account = await self._wire.read(server.signer, url, _Account)
            known = self._account_ids[handle] = account.id
        return known


def plain(content: str) -> str:
    """A status as text, without the mentions it begins with."""
    text = _Text()
    text.feed(content)
    text.close()
    return _LEADING_MENTIONS.sub("", "".join(text.parts))


class _Text(HTMLParser):
    """What stands between the tags; a break is a line's end."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br" or (tag == "p" and self.parts):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def _addressed(text: str, acct: str) -> str:
    """With the author's name in it, without which the server tells them nothing."""
    named = re.search(rf"(?<![\w@])@{re.escape(acct)}(?![\w@])", text, re.IGNORECASE)
    return text if named or not acct else f"@{acct} {text}"


def _in_our_words(answer: Answered) -> Answered:
    """The server's answer in the shape that `Gateway` names."""
    said = answer.body if isinstance(answer.body, dict) else {}
    body = {"detail": str(said["error"])} if "error" in said else {"data": {"id": said.get("id")}}
    headers = dict(answer.headers)
    for name in ("limit", "remaining"):
        if value := answer.headers.get(f"x-ratelimit-{name}"):
            headers[f"x-rate-limit-{name}"] = value
    if (reset := _moment(answer.headers.get("x-ratelimit-reset", ""))) is not None:
        headers["x-rate-limit-reset"] = str(int(reset.timestamp()))  # whole seconds, as X tells it
    return Answered(answer.status, headers, body)


def _moment(text: str) -> datetime | None:
    try:
        return as_utc(datetime.fromisoformat(text))
    except ValueError:
        return None
