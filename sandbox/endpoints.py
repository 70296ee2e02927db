"""X's endpoints: who may call each, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Occasion = Literal["post", "read", "message", "delete", "stream", "manage"]
"""What a fault can befall: a new post, a read, a private message, a deletion, a stream's start, the rest."""

UNLISTED = 900
"""Requests a window for what X's table of limits does not list."""

_READ = "tweet.read users.read"
_WRITE = "tweet.read tweet.write users.read"
_DM_READ = "dm.read tweet.read users.read"
_DM_WRITE = "dm.write tweet.read users.read"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`app`: an app-only bearer may call it. `scopes`: what an OAuth 2.0 user token needs; None: it may not.

    `per_app` and `per_user` are requests in a window, `app_day` and `user_day` in 24 hours; None: no such limit.
    """

    on: Occasion
    app: bool
    scopes: str | None
    oauth1: bool
    per_app: int | None = UNLISTED
    per_user: int | None = UNLISTED
    app_day: int | None = None
    user_day: int | None = None


def _write(
    on: Occasion, scopes: str, per_user: int, app_day: int | None = None, user_day: int | None = None
) -> Endpoint:
    return Endpoint(on, False, scopes, True, None, per_user, app_day, user_day)


def _app_only(on: Occasion, per_app: int, *, oauth1: bool = False) -> Endpoint:
    return Endpoint(on, True, None, oauth1, per_app, None)


_SEND = _write("message", _DM_WRITE, 15, 1_440, 1_440)
_DM_EVENTS = Endpoint("read", False, _DM_READ, True, None, 15)

ENDPOINTS: Mapping[str, Endpoint] = {
    "POST /2/tweets": _write("post", _WRITE, 100, 10_000),
    "DELETE /2/tweets/:id": _write("delete", _WRITE, 50),
    "PUT /2/tweets/:id/hidden": _write("manage", "tweet.moderate.write tweet.read users.read", 50),
    "GET /2/tweets": Endpoint("read", True, _READ, True, 3_500, 5_000),
    "GET /2/tweets/:id": Endpoint("read", True, _READ, True, 450, 900),
    "GET /2/tweets/search/recent": Endpoint("read", True, _READ, True, 450, 300),
    "GET /2/users/me": Endpoint("read", False, "users.read tweet.read", True, None),
    "GET /2/users/by/username/:username": Endpoint("read", True, _READ, True),
    "GET /2/users/:id/tweets": Endpoint("read", True, _READ, True),
    "GET /2/users/:id/mentions": Endpoint("read", True, _READ, True, 450, 300),
    "POST /2/dm_conversations/with/:participant_id/messages": _SEND,
    "POST /2/dm_conversations/:dm_conversation_id/messages": _SEND,
    "GET /2/dm_conversations/with/:participant_id/dm_events": _DM_EVENTS,
    "GET /2/dm_conversations/:dm_conversation_id/dm_events": _DM_EVENTS,
    "GET /2/dm_events": _DM_EVENTS,
    "DELETE /2/dm_events/:event_id": _write("delete", _DM_WRITE, UNLISTED),
    "GET /2/tweets/search/stream": _app_only("stream", 50),
    "GET /2/tweets/search/stream/rules": _app_only("manage", 450),
    "POST /2/tweets/search/stream/rules": _app_only("manage", 100),
    "GET /2/tweets/search/stream/rules/counts": _app_only("manage", 450),
    "GET /2/activity/stream": _app_only("stream", 450),
    "POST /2/activity/subscriptions": Endpoint("manage", True, "", True, 500, 500),
    "GET /2/activity/subscriptions": _app_only("manage", 500),
    "PUT /2/activity/subscriptions/:id": _app_only("manage", 500),
    "DELETE /2/activity/subscriptions/:id": _app_only("manage", 500),
    "DELETE /2/activity/subscriptions": _app_only("manage", 500),
    "POST /2/webhooks": _app_only("manage", 450, oauth1=True),
    "GET /2/webhooks": _app_only("manage", 450),
    "PUT /2/webhooks/:id": _app_only("manage", 450, oauth1=True),
    "DELETE /2/webhooks/:id": _app_only("manage", 450, oauth1=True),
    "POST /2/webhooks/replay": _app_only("manage", 100),
    "GET /2/connections": _app_only("manage", UNLISTED),
    "DELETE /2/connections/all": _app_only("manage", 25),
    "DELETE /2/connections/:endpoint": _app_only("manage", 25),
}
"""As X's pages spell them. Source: X API v2, authentication mapping and rate limits."""
