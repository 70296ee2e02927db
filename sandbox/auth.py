"""Who calls: keys and tokens, checked where there are any and taken as they come where there are none."""

import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from libs.common.clock import Clock
from sandbox.endpoints import ENDPOINTS
from sandbox.people import Account
from sandbox.refusals import PROBLEMS, Refused, refusal
from sandbox.signing import oauth1_header, oauth1_signature, pkce_challenge

ACCESS_FOR = timedelta(hours=2)
CODE_FOR = timedelta(seconds=30)
ALL_SCOPES = "tweet.read tweet.write tweet.moderate.write users.read dm.read dm.write offline.access"
TOKEN_PREFIX = "sandbox-"  # where nothing is checked, the rest of such a token is the account's name  # noqa: S105
DEFAULT_ACCOUNT = "brand"

_NONCES = 100_000


class AppKeys(BaseModel):
    """The client's own. Without `client_secret` it is a public client."""

    model_config = ConfigDict(extra="forbid")

    key: str = "sandbox-key"
    secret: str = "sandbox-secret"  # noqa: S105
    bearer: str = "sandbox-bearer"
    client_id: str = "sandbox-client"
    client_secret: str = ""


class UserKeys(BaseModel):
    """What lets the client act for one account; an empty one lets nobody."""

    model_config = ConfigDict(extra="forbid")

    username: str
    oauth1_token: str = ""
    oauth1_secret: str = ""
    access_token: str = ""
    refresh_token: str = ""
    scopes: str = ALL_SCOPES


class Credentials(BaseModel):
    """What the network knows of one client and of those who let it act for them."""

    model_config = ConfigDict(extra="forbid")

    app: AppKeys = AppKeys()
    users: list[UserKeys] = []


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token of OAuth 2.0 is good for; a refresh token has no end."""

    username: str
    scopes: str
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request. The app alone has no account."""

    kind: Literal["anyone", "app", "oauth1", "oauth2"]
    account: Account | None
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature covers; `parameters` are those of the query and of a form, decoded."""

    method: str
    url: str
    parameters: Sequence[tuple[str, str]]


class Keys:
    """All keys and tokens. With no credentials every bearer is as good as any other."""

    def __init__(self, clock: Clock, account: Callable[[str], Account]) -> None:
        self._clock = clock
        self._account = account
        self.configure(None)

    def configure(self, credentials: Credentials | None) -> None:
        """From now on these and no others; None: nothing is checked."""
        self.open = credentials is None
        given = credentials or Credentials()
        self.app = given.app
        self._oauth1 = {user.oauth1_token: user for user in given.users if user.oauth1_token}
        self.users = [user.username for user in given.users]
        ends_at = self._clock() + ACCESS_FOR if given.users else None
        self._access = {
            user.access_token: Grant(user.username, user.scopes, ends_at) for user in given.users if user.access_token
        }
        self._refresh = {
            user.refresh_token: Grant(user.username, user.scopes) for user in given.users if user.refresh_token
        }
        self._codes: dict[str, tuple[Grant, str, str]] = {}
        self._nonces: set[tuple[str, str, str]] = set()

    def caller(self, authorization: str, request: SignedRequest) -> Caller:
        """Who it is.

        Raises:
            Refused: 401, nobody we know.
        """
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() == "oauth":
            return self._by_signature(oauth1_header(authorization), request)
        if scheme.lower() != "bearer" or not token:
            raise refusal("revoked")
        if self.open:
            return Caller("anyone", self._account(account_name(token)))
        if hmac.compare_digest(token.encode(), self.app.bearer.encode()):
            return Caller("app", None)
        grant = self._access.get(token)
        if grant is None or (grant.ends_at is not None and self._clock() >= grant.ends_at):
            raise refusal("revoked")
        return Caller("oauth2", self._account(grant.username), frozenset(grant.scopes.split()))

    def admit(self, caller: Caller, endpoint: str) -> None:
        """Let it pass.

        Raises:
            Refused: 403, this kind of credential or its scopes do not do.
        """
        asked = ENDPOINTS[endpoint]
        if caller.kind == "app" and not asked.app:
            raise _unsupported("Application-Only", asked.scopes is not None, asked.oauth1, app=False)
        if caller.kind == "oauth2" and asked.scopes is None:
            raise _unsupported("User Context", False, asked.oauth1, app=asked.app)
        if caller.kind == "oauth1" and not asked.oauth1:
            raise _unsupported("User Context", asked.scopes is not None, False, app=asked.app)
        if caller.kind == "oauth2" and not caller.scopes.issuperset((asked.scopes or "").split()):
            raise refusal("forbidden")

    def refreshed(self, refresh_token: str) -> dict[str, object] | None:
        """A new pair for an old refresh token, which stops working; None: it does not work."""
        grant = self._refresh.pop(refresh_token, None)
        return None if grant is None else self.granted(grant.username, grant.scopes)

    def granted(self, username: str, scopes: str) -> dict[str, object]:
        """New tokens, as the network answers them; one to refresh only with `offline.access`."""
        access = secrets.token_urlsafe(32)
        self._access[access] = Grant(username, scopes, self._clock() + ACCESS_FOR)
        answer: dict[str, object] = {
            "token_type": "bearer",
            "expires_in": int(ACCESS_FOR.total_seconds()),
            "access_token": access,
            "scope": scopes,
        }
        if "offline.access" in scopes.split():
            refresh = secrets.token_urlsafe(32)
            self._refresh[refresh] = Grant(username, scopes)
            answer["refresh_token"] = refresh
        return answer

    def consented(self, username: str, scopes: str, redirect_uri: str, challenge: str) -> str:
        """A code for somebody who let the client act for them; good once, for half a minute."""
        code = secrets.token_urlsafe(32)
        grant = Grant(username, scopes, self._clock() + CODE_FOR)
        self._codes[code] = (grant, redirect_uri, challenge)
        return code

    def exchanged(self, code: str, redirect_uri: str, verifier: str) -> dict[str, object] | None:
        """Tokens for a code; None: it does not work."""
        grant, wanted_uri, challenge = self._codes.pop(code, (None, "", ""))
        if grant is None or grant.ends_at is None or self._clock() >= grant.ends_at:
            return None
        if redirect_uri != wanted_uri or pkce_challenge(verifier) != challenge:
            return None
        return self.granted(grant.username, grant.scopes)

    def revoke(self, username: str) -> None:
        """The account no longer lets the client act for it: none of its tokens works."""
        same = username.lower()
        self._oauth1 = {token: user for token, user in self._oauth1.items() if user.username.lower() != same}
        self._access = {token: grant for token, grant in self._access.items() if grant.username.lower() != same}
        self._refresh = {token: grant for token, grant in self._refresh.items() if grant.username.lower() != same}

    def _by_signature(self, told: dict[str, str], request: SignedRequest) -> Caller:
        token = told.get("oauth_token", "")
        if self.open:
            return Caller("anyone", self._account(account_name(token)))
        user = self._oauth1.get(token)
        if user is None or told.get("oauth_consumer_key") != self.app.key:
            raise refusal("revoked")
        if told.get("oauth_signature_method") != "HMAC-SHA1" or told.get("oauth_version", "1.0") != "1.0":
            raise refusal("revoked")
        signed = [pair for pair in told.items() if pair[0] not in ("oauth_signature", "realm")]
        parameters = [*request.parameters, *signed]
        right = oauth1_signature(request.method, request.url, parameters, self.app.secret, user.oauth1_secret)
        once = (token, told.get("oauth_timestamp", ""), told.get("oauth_nonce", ""))
        if not hmac.compare_digest(right, told.get("oauth_signature", "")) or once in self._nonces or not all(once):
            raise refusal("revoked")
        if len(self._nonces) >= _NONCES:
            self._nonces.clear()
        self._nonces.add(once)
        return Caller("oauth1", self._account(user.username))


def account_name(token: str) -> str:
    """Whom a token stands for where nothing is checked: `sandbox-acme` for `acme`, any other for `brand`."""
    name = token.removeprefix(TOKEN_PREFIX) if token.startswith(TOKEN_PREFIX) else ""
    return name or DEFAULT_ACCOUNT


def _unsupported(given: str, oauth2: bool, oauth1: bool, *, app: bool) -> Refused:
    kinds = [
        name
        for name, does in (
            ("OAuth 1.0a User Context", oauth1),
            ("OAuth 2.0 User Context", oauth2),
            ("OAuth 2.0 Application-Only", app),
        )
        if does
    ]
    detail = f"Authenticating with {given} is forbidden for this endpoint. Supported types are [{', '.join(kinds)}]."
    return Refused(403, "Unsupported Authentication", detail, PROBLEMS + "unsupported-authentication")
