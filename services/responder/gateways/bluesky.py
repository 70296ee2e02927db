"""Bluesky (AT Protocol): a post under a record key of our own choice, so that the same reply can stand there once."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import msgspec

from libs.common.clock import as_utc
from libs.common.errors import Unavailable
from services.responder.domain.posting import Answered, ByHand, Exchange, Lost, NotSent
from services.responder.domain.recovery import OwnPost
from services.responder.domain.replies import Reply
from services.responder.gateways import POST
from services.responder.gateways.facets import facets, handles
from services.responder.gateways.oauth import error_of
from services.responder.gateways.signing import Denied, Signer
from services.responder.gateways.wire import Wire
from services.responder.store.credentials import Pair

COLLECTION = "app.bsky.feed.post"

_URI = re.compile(r"at://[^/\s]+/[^/\s]+/[^/\s]+")
_ALREADY = re.compile("already exists|InvalidSwap", re.IGNORECASE)
_SORTABLE = "234567abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Server:
    """Where an account is (its PDS), and its right to ask."""

    base_url: str
    signer: Signer


@dataclass(frozen=True, slots=True)
class Login:
    """An account's name and its app password."""

    base_url: str
    identifier: str
    app_password: str = field(repr=False)


class _Session(msgspec.Struct):
    did: str


class _Ref(msgspec.Struct):
    uri: str
    cid: str = ""


class _Reply(msgspec.Struct):
    root: _Ref
    parent: _Ref


class _Record(msgspec.Struct):
    text: str = ""
    createdAt: str = ""  # noqa: N815  # the network's name
    reply: _Reply | None = None


class _Post(msgspec.Struct):
    uri: str
    cid: str
    record: _Record


class _Posts(msgspec.Struct):
    posts: list[_Post]


class _Found(msgspec.Struct):
    uri: str
    value: _Record


class BlueskyGateway:
    """See `Gateway`. Private messages are another service there; a person sends them."""

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
        self._dids: dict[str, str] = {}
        self._wire = Wire("bluesky", post_limit=post_limit, transport=transport)

    def operation(self, *, private: bool) -> str:
        return POST

    async def post(self, reply: Reply) -> Exchange | ByHand:
        server, until = self._servers.get(reply.handle), self._wire.until()
        if server is None:
            return ByHand("no credentials of this handle are set up")
        if reply.private:
            return ByHand("private messages on bluesky cannot be sent from here")
        if not _URI.fullmatch(reply.in_reply_to):
            return ByHand("the mention's id is not an at:// address")
        try:
            if reply.fence > 1 and (there := await self._there(reply)):
                return Answered(200, {}, {"data": {"id": there.uri}})
            record = await self._record(server, reply)
            if not isinstance(record, dict):
                return record
            did = await self._did(reply.handle)
        except Unavailable as error:
            return NotSent(str(error))
        body = {"repo": did, "collection": COLLECTION, "rkey": record_key(reply), "record": record}
        url = f"{server.base_url}/xrpc/com.atproto.repo.createRecord"
        exchange = await self._wire.post(server.signer, url, body, until=until)
        return _in_our_words(exchange) if isinstance(exchange, Answered) else exchange

    async def look(self, reply: Reply) -> Sequence[OwnPost]:
        there = await self._there(reply)
        if there is None:
            return []
        parent = there.value.reply.parent.uri if there.value.reply else ""
        return [OwnPost(there.uri, parent, there.value.text, _moment(there.value.createdAt))]

    async def probe(self, handle: str) -> None:
        self._dids.pop(handle, None)
        await self._did(handle)

    async def close(self) -> None:
        for server in self._servers.values():
            await server.signer.close()
        await self._wire.close()

    async def _there(self, reply: Reply) -> _Found | None:
        """The record under the reply's key, if it stands there."""
        server = self._server(reply.handle)
        wanted = {"repo": await self._did(reply.handle), "collection": COLLECTION, "rkey": record_key(reply)}
        answer = await self._wire.get(server.signer, f"{server.base_url}/xrpc/com.atproto.repo.getRecord", wanted)
        if answer.status == 200:
            return self._wire.shaped(answer.body, _Found)
        if answer.status in (400, 404) and error_of(answer.body) == "RecordNotFound":
            return None
        raise Unavailable("bluesky", f"it said {answer.status} to a read")

    async def _record(self, server: Server, reply: Reply) -> dict[str, Any] | Exchange:
        """The post to be written; or what the network says of the one it answers."""
        url = f"{server.base_url}/xrpc/app.bsky.feed.getPosts"
        answer = await self._wire.get(server.signer, url, {"uris": reply.in_reply_to})
        if 400 <= answer.status < 500:
            return _in_our_words(answer)
        if answer.status != 200:
            raise Unavailable("bluesky", f"it said {answer.status} to a read")
        found = self._wire.shaped(answer.body, _Posts).posts
        if not found:
            return Answered(404, {}, {"detail": "the post to answer is not there any more"})
        parent = {"uri": found[0].uri, "cid": found[0].cid}
        first = found[0].record.reply
        root = {"uri": first.root.uri, "cid": first.root.cid} if first else parent
        written_at = (reply.reserved_at or reply.created_at).astimezone(UTC)
        record = {
            "$type": COLLECTION,
            "text": reply.text,
            "createdAt": written_at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "reply": {"root": root, "parent": parent},
        }
        marked = facets(
            reply.text, {name: did for name in handles(reply.text) if (did := await self._did_of(server, name))}
        )
        return record | ({"facets": marked} if marked else {})

    async def _did_of(self, server: Server, name: str) -> str:
        """Whom a text mentions; empty: nobody of that name."""
        url = f"{server.base_url}/xrpc/com.atproto.identity.resolveHandle"
        answer = await self._wire.get(server.signer, url, {"handle": name})
        did = answer.body.get("did") if answer.status == 200 and isinstance(answer.body, dict) else None
        return did if isinstance(did, str) else ""

    async def _did(self, handle: str) -> str:
        known = self._dids.get(handle)
        if known is None:
            server = self._server(handle)
            url = f"{server.base_url}/xrpc/com.atproto.server.getSession"
            session = await self._wire.read(server.signer, url, _Session)
            known = self._dids[handle] = session.did
        return known

    def _server(self, handle: str) -> Server:
        server = self._servers.get(handle)
        if server is None:
            raise Unavailable("bluesky", "no credentials of this handle are set up")
        return server


def sessions(wire: Wire, login: Login) -> Callable[[Pair], Awaitable[Pair]]:
    """Gets the next session for the last one, and the first one for the app password."""
    xrpc = f"{login.base_url}/xrpc/com.atproto.server"

    async def fetch(old: Pair) -> Pair:
        if old.refresh:
            headers = {"Authorization": f"Bearer {old.refresh}"}
            answer = await wire.ask(f"{xrpc}.refreshSession", headers=headers)
            if answer.status == 200:
                return _pair(wire, answer)
            if answer.status not in (400, 401):
                raise Unavailable("bluesky", f"it said {answer.status} to a refresh")
        password = {"identifier": login.identifier, "password": login.app_password}
        answer = await wire.ask(f"{xrpc}.createSession", body=password)
        if answer.status in (400, 401, 403):
            raise Denied(f"createSession said {answer.status} {error_of(answer.body)}")
        if answer.status != 200:
            raise Unavailable("bluesky", f"it said {answer.status} to a login")
        return _pair(wire, answer)

    return fetch


def says_over(answer: Answered) -> bool:
    """Whether the session has run out."""
    return answer.status == 401 or (answer.status == 400 and error_of(answer.body) in ("ExpiredToken", "InvalidToken"))


def record_key(reply: Reply) -> str:
    """The reply's own, the same at each try: a TID of the second it was written in, the rest from its id.

    Source: atproto.com/specs/tid: 53 bits of microseconds and 10 of chance, base 32 that sorts, 13 characters.
    """
    chance = int.from_bytes(hashlib.sha256(reply.id.encode()).digest()[:8])
    microseconds = int(reply.created_at.timestamp()) * 1_000_000 + (chance >> 10) % 1_000_000
    number = microseconds << 10 | chance & 1023
    return "".join(_SORTABLE[number >> 5 * i & 31] for i in reversed(range(13)))


def _pair(wire: Wire, answer: Answered) -> Pair:
    class Tokens(msgspec.Struct):
        accessJwt: str  # noqa: N815
        refreshJwt: str  # noqa: N815

    tokens = wire.shaped(answer.body, Tokens)
    return Pair(tokens.accessJwt, tokens.refreshJwt)


def _in_our_words(answer: Answered) -> Exchange:
    """The server's answer in the shape that `Gateway` names."""
    said = answer.body if isinstance(answer.body, dict) else {}
    words = ": ".join(str(said[name]) for name in ("error", "message") if said.get(name))
    headers = dict(answer.headers)
    for name in ("limit", "remaining", "reset"):
        if value := answer.headers.get(f"ratelimit-{name}"):
            headers[f"x-rate-limit-{name}"] = value
    if 200 <= answer.status < 300:
        return Answered(answer.status, headers, {"data": {"id": said.get("uri")}})
    if 400 <= answer.status < 500 and _ALREADY.search(words):
        return Lost("it stands there already")
    status = 401 if says_over(answer) else answer.status
    return Answered(status, headers, {"detail": words})


def _moment(text: str) -> datetime | None:
    try:
        return as_utc(datetime.fromisoformat(text))
    except ValueError:
        return None
