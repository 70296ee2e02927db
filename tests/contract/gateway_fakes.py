"""Small servers in the manner of X, Mastodon and Bluesky, on a wire of their own: what they hold, what befalls them."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import parse_qs

import httpx2

from services.responder.domain.replies import Reply
from services.responder.gateways import Gateway, bluesky, mastodon
from services.responder.gateways.meter import Meter
from services.responder.gateways.signing import Bearer, Signer
from services.responder.gateways.x import XGateway
from tests.unit.responder.builders import NOON, reply

LIMIT = timedelta(seconds=0.5)
TOKEN = "the-token-of-acme"
RESET = NOON + timedelta(minutes=10)

Fault = Literal["lost", "never_came", "broken", "limited"]
"""Made and no answer; not made and no answer; 503; 429."""


class FakeNetwork:
    """What the three have in common: a token, posts, faults, and a count of the tries to post."""

    name = ""
    mention = ""
    longest = 0

    def __init__(self) -> None:
        self.token = TOKEN
        self.posts: list[dict[str, Any]] = []
        self.requests: list[httpx2.Request] = []
        self.attempts = 0
        self.faults: list[Fault] = []
        self.transport = httpx2.MockTransport(self._answer)

    def gateway(self, signer: Signer | None = None, meter: Meter | None = None) -> Gateway:
        raise NotImplementedError

    def to_mention(self, **more: Any) -> Reply:
        """A reply to what this network knows, on its way."""
        fields = {"network": self.name, "in_reply_to": self.mention, "fence": 1, "reserved_at": NOON}
        return reply("sending", **fields | {"author_id": "222"} | more)

    def body(self) -> Any:
        """Of the last try to post."""
        return json.loads(next(each for each in reversed(self.requests) if each.method == "POST").content)

    def limited_headers(self) -> dict[str, str]:
        raise NotImplementedError

    def _route(self, request: httpx2.Request) -> tuple[int, Any]:
        raise NotImplementedError

    def _is_post(self, request: httpx2.Request) -> bool:
        raise NotImplementedError

    def _unauthorized(self) -> tuple[int, Any]:
        return 401, {"title": "Unauthorized", "status": 401, "detail": "Unauthorized"}

    def _open_to_all(self, request: httpx2.Request) -> bool:
        return False

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if not self._open_to_all(request) and request.headers.get("Authorization") != f"Bearer {self.token}":
            if self._is_post(request):
                self.attempts += 1
            return _response(*self._unauthorized())
        if not self._is_post(request):
            return _response(*self._route(request))
        self.attempts += 1
        fault = self.faults.pop(0) if self.faults else None
        if fault == "limited":
            return _response(429, {"title": "Too Many Requests", "error": "Too many requests"}, self.limited_headers())
        if fault == "broken":
            return _response(503, {"title": "Service Unavailable", "error": "Down"})
        if fault == "never_came":
            raise httpx2.ReadTimeout("no answer", request=request)
        made = self._route(request)
        if fault == "lost":
            raise httpx2.ReadTimeout("no answer", request=request)
        return _response(*made)


def _response(status: int, body: Any, headers: dict[str, str] | None = None) -> httpx2.Response:
    return httpx2.Response(status, json=body, headers=headers)


class FakeX(FakeNetwork):
    """Posts and private messages of one account, 111; and the endpoint of its tokens."""

    name, mention, longest = "x", "1001", 280

    def __init__(self) -> None:
        super().__init__()
        self.refusal: tuple[int, str] | None = None
        self.messages: list[dict[str, Any]] = []
        self.refresh_token = "the-first-refresh-token"
        self.refreshes = 0
        self.before_refresh: Callable[[], None] = lambda: None

    def gateway(self, signer: Signer | None = None, meter: Meter | None = None) -> XGateway:
        signers = {"acme": signer} if signer else None
        return XGateway(
            "https://api.x.example", TOKEN, post_limit=LIMIT, transport=self.transport, signers=signers, meter=meter
        )

    def limited_headers(self) -> dict[str, str]:
        return {
            "x-rate-limit-limit": "100",
            "x-rate-limit-remaining": "0",
            "x-rate-limit-reset": str(int(RESET.timestamp())),
        }

    def _is_post(self, request: httpx2.Request) -> bool:
        return request.method == "POST" and not self._open_to_all(request)

    def _open_to_all(self, request: httpx2.Request) -> bool:
        return request.url.path == "/2/oauth2/token"

    def _route(self, request: httpx2.Request) -> tuple[int, Any]:
        path = request.url.path
        if path == "/2/oauth2/token":
            return self._renewed({name: values[0] for name, values in parse_qs(request.content.decode()).items()})
        if path == "/2/users/me":
            return 200, {"data": {"id": "111", "username": "acme"}}
        if path == "/2/users/111/tweets":
            return 200, {"data": list(reversed(self.posts)), "meta": {"result_count": len(self.posts)}}
        if path == "/2/dm_conversations/with/222/dm_events":
            return 200, {"data": list(reversed(self.messages)), "meta": {"result_count": len(self.messages)}}
        if self.refusal:
            status, detail = self.refusal
            return status, {"title": "Forbidden", "status": status, "type": "about:blank", "detail": detail}
        given = json.loads(request.content)
        if path == "/2/dm_conversations/with/222/messages":
            event = {"id": str(31 + len(self.messages)), "text": given["text"], "sender_id": "111"}
            self.messages.append(event | {"event_type": "MessageCreate", "created_at": "2026-03-02T12:00:00.000Z"})
            return 201, {"data": {"dm_conversation_id": "111-222", "dm_event_id": event["id"]}}
        if len(given["text"]) > self.longest:
            return 400, {"title": "Invalid Request", "detail": "Tweet text is too long"}
        post = {
            "id": str(2001 + len(self.posts)),
            "text": f"@jo {given['text']}",
            "author_id": "111",
            "created_at": "2026-03-02T12:00:00.000Z",
            "referenced_tweets": [{"type": "replied_to", "id": given["reply"]["in_reply_to_tweet_id"]}],
        }
        self.posts.append(post)
        return 201, {"data": {"id": post["id"], "text": post["text"]}}

    def _renewed(self, form: dict[str, str]) -> tuple[int, Any]:
        self.before_refresh()
        self.refreshes += 1
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != self.refresh_token:
            return 400, {"error": "invalid_request", "error_description": form.get("refresh_token")}
        self.token, self.refresh_token = f"access-{self.refreshes}", f"refresh-{self.refreshes}"
        return 200, {
            "token_type": "bearer",
            "expires_in": 7200,
            "access_token": self.token,
            "refresh_token": self.refresh_token,
        }


class FakeMastodon(FakeNetwork):
    """One server; our account is 7."""

    name, mention, longest = "mastodon", "103", 500

    def __init__(self) -> None:
        super().__init__()
        self.known_keys: dict[str, dict[str, Any]] = {}
        self.statuses: dict[str, dict[str, Any]] = {
            "103": {"id": "103", "visibility": "public", "account": {"id": "22", "acct": "jo@example.social"}}
        }

    def gateway(self, signer: Signer | None = None, meter: Meter | None = None) -> Gateway:
        server = mastodon.Server("https://social.example", signer or Bearer(TOKEN))
        return mastodon.MastodonGateway({"acme": server}, post_limit=LIMIT, transport=self.transport)

    def limited_headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": "300",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": RESET.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        }

    def _is_post(self, request: httpx2.Request) -> bool:
        return request.method == "POST"

    def _unauthorized(self) -> tuple[int, Any]:
        return 401, {"error": "The access token is invalid"}

    def _route(self, request: httpx2.Request) -> tuple[int, Any]:
        path = request.url.path
        if path == "/api/v1/accounts/verify_credentials":
            return 200, {"id": "7", "acct": "acme"}
        if path == "/api/v1/accounts/7/statuses":
            assert request.url.params["since_id"] == self.mention
            before = int(request.url.params.get("max_id", "999999"))
            return 200, [post for post in reversed(self.posts) if int(post["id"]) < before][:2]
        if path == "/api/v1/statuses":
            return self._new(json.loads(request.content), request.headers["Idempotency-Key"])
        found = self.statuses.get(path.removeprefix("/api/v1/statuses/"))
        return (200, found) if found else (404, {"error": "Record not found"})

    def _new(self, given: dict[str, Any], key: str) -> tuple[int, Any]:
        if key in self.known_keys:
            return 200, self.known_keys[key]
        if len(given["status"]) > self.longest:
            return 422, {"error": "Validation failed: Text character limit of 500 exceeded"}
        name, _, rest = given["status"].partition(" ")
        status = {
            "id": str(201 + len(self.posts)),
            "account": {"id": "7", "acct": "acme"},
            "visibility": given["visibility"],
            "in_reply_to_id": given["in_reply_to_id"],
            "created_at": "2026-03-02T12:00:00.123Z",
            "content": f'<p><span class="h-card"><a href="https://example.social/@jo" class="u-url mention">'
            f"@<span>{name[1:].partition('@')[0]}</span></a></span> {rest.replace('&', '&amp;')}</p>",
        }
        self.posts.append(status)
        self.known_keys[key] = status
        return 200, status


class FakeBluesky(FakeNetwork):
    """A server that holds the account did:plc:aaa, with sessions that run out."""

    name, longest = "bluesky", 300
    mention = "at://did:plc:bbb/app.bsky.feed.post/3kabc"

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, dict[str, Any]] = {}
        self.parents: dict[str, dict[str, Any]] = {
            self.mention: {"uri": self.mention, "cid": "bafy-parent", "record": {"text": "@acme ?"}}
        }
        self.app_password = "abcd-efgh-ijkl-mnop"
        self.refresh_token = ""
        self.logins = self.refreshes = 0

    def gateway(self, signer: Signer | None = None, meter: Meter | None = None) -> Gateway:
        server = bluesky.Server("https://pds.example", signer or Bearer(TOKEN))
        return bluesky.BlueskyGateway({"acme": server}, post_limit=LIMIT, transport=self.transport)

    def limited_headers(self) -> dict[str, str]:
        return {
            "ratelimit-limit": "5000",
            "ratelimit-remaining": "0",
            "ratelimit-reset": str(int(RESET.timestamp())),
            "ratelimit-policy": "5000;w=3600",
        }

    def _is_post(self, request: httpx2.Request) -> bool:
        return request.url.path.endswith("createRecord")

    def _open_to_all(self, request: httpx2.Request) -> bool:
        return request.url.path.endswith(("createSession", "refreshSession"))

    def _unauthorized(self) -> tuple[int, Any]:
        return 400, {"error": "ExpiredToken", "message": "Token has expired"}

    def _route(self, request: httpx2.Request) -> tuple[int, Any]:
        query = request.url.params
        match request.url.path.removeprefix("/xrpc/"):
            case "com.atproto.server.createSession":
                given = json.loads(request.content)
                self.logins += 1
                return (
                    self._session()
                    if given["password"] == self.app_password
                    else (401, {"error": "AuthenticationRequired"})
                )
            case "com.atproto.server.refreshSession":
                self.refreshes += 1
                right = request.headers["Authorization"] == f"Bearer {self.refresh_token}" and self.refresh_token
                return self._session() if right else (400, {"error": "ExpiredToken"})
            case "com.atproto.server.getSession":
                return 200, {"did": "did:plc:aaa", "handle": "acme.example"}
            case "com.atproto.identity.resolveHandle":
                known = query["handle"] == "jo.example.com"
                return (200, {"did": "did:plc:bbb"}) if known else (400, {"error": "InvalidRequest"})
            case "app.bsky.feed.getPosts":
                return 200, {"posts": [self.parents[query["uris"]]] if query["uris"] in self.parents else []}
            case "com.atproto.repo.getRecord":
                found = self.records.get(query["rkey"])
                return (
                    (200, found) if found else (400, {"error": "RecordNotFound", "message": "Could not locate record"})
                )
            case "com.atproto.repo.createRecord":
                return self._new(json.loads(request.content))
        raise AssertionError(request.url.path)

    def _session(self) -> tuple[int, Any]:
        n = self.logins + self.refreshes
        self.token, self.refresh_token = f"access-{n}", f"refresh-{n}"
        return 200, {"did": "did:plc:aaa", "accessJwt": self.token, "refreshJwt": self.refresh_token}

    def _new(self, given: dict[str, Any]) -> tuple[int, Any]:
        assert given["repo"] == "did:plc:aaa"
        if len(given["record"]["text"]) > self.longest:
            return 400, {"error": "InvalidRequest", "message": "Record/text must not be longer than 300 graphemes"}
        if given["rkey"] in self.records:
            return 400, {"error": "InvalidRequest", "message": "Record already exists"}
        uri = f"at://did:plc:aaa/app.bsky.feed.post/{given['rkey']}"
        self.records[given["rkey"]] = {"uri": uri, "cid": "bafy", "value": given["record"]}
        self.posts.append({"id": uri, **given["record"]})
        return 200, {"uri": uri, "cid": "bafy"}


FAKES: dict[str, type[FakeNetwork]] = {fake.name: fake for fake in (FakeX, FakeMastodon, FakeBluesky)}
