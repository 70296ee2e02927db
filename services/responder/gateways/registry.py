"""Which gateway serves which network: X always, the others where a handle has credentials."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx2
from pydantic import SecretStr

from libs.common.db import Database
from libs.common.errors import Unavailable
from services.responder.gateways import Gateway, bluesky, mastodon, oauth
from services.responder.gateways.bluesky import BlueskyGateway
from services.responder.gateways.credentials import (
    BlueskyPassword,
    Credential,
    Credentials,
    MastodonToken,
    XSigned,
    XToken,
)
from services.responder.gateways.mastodon import MastodonGateway
from services.responder.gateways.meter import Meter
from services.responder.gateways.signing import Bearer, Denied, Rotating, Signed, Signer
from services.responder.gateways.wire import Wire
from services.responder.gateways.x import XGateway
from services.responder.store.credentials import Account, Pair, seed_of

PRIVATE = frozenset({"x", "mastodon"})
"""The networks on which a private message can be answered from here."""


def open_gateways(
    database: Database,
    credentials: Credentials,
    meter: Meter,
    *,
    x_base_url: str,
    x_token: SecretStr,
    x_fields_name: str,
    post_limit: timedelta,
    token_lease: timedelta,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> dict[str, Gateway]:
    """The gateways by network. Nothing is opened yet.

    Args:
        x_token: of the handles on X that have no credentials of their own.
        token_lease: so long one process has for renewing a token before another may try.
    """
    opening = _Opening(database, x_base_url.rstrip("/"), token_lease, post_limit, transport)
    of = {network: {h: c for (n, h), c in credentials.items() if n == network} for network, _ in credentials}
    gateways: dict[str, Gateway] = {
        "x": XGateway(
            x_base_url,
            x_token.get_secret_value(),
            post_limit=post_limit,
            fields_name=x_fields_name,
            transport=transport,
            signers={handle: opening.on_x(handle, each) for handle, each in of.get("x", {}).items()},
            meter=meter,
        )
    }
    if "mastodon" in of:
        servers = {handle: _on_mastodon(each) for handle, each in of["mastodon"].items()}
        gateways["mastodon"] = MastodonGateway(servers, post_limit=post_limit, transport=transport)
    if "bluesky" in of:
        places = {handle: opening.on_bluesky(handle, each) for handle, each in of["bluesky"].items()}
        gateways["bluesky"] = BlueskyGateway(places, post_limit=post_limit, transport=transport)
    return gateways


class _Opening:
    """What signers are made of."""

    def __init__(
        self,
        database: Database,
        x_base_url: str,
        lease: timedelta,
        post_limit: timedelta,
        transport: httpx2.AsyncBaseTransport | None,
    ) -> None:
        self._database = database
        self._x_base_url = x_base_url
        self._lease = lease
        self._post_limit = post_limit
        self._transport = transport

    def on_x(self, handle: str, given: Credential) -> Signer:
        if isinstance(given, XSigned):
            secrets = (given.consumer_secret, given.token, given.token_secret)
            return Signed(oauth.OAuth1(given.consumer_key, *(each.get_secret_value() for each in secrets)))
        assert isinstance(given, XToken)
        pair = Pair(given.access_token.get_secret_value(), given.refresh_token.get_secret_value())
        if not pair.refresh:
            return Bearer(pair.access)
        wire = self._wire("x")
        account = Account("x", handle, seed_of(pair.access, pair.refresh))
        fetch = _refreshing(wire, f"{self._x_base_url}/2/oauth2/token", given)
        return Rotating(self._database, account, pair, fetch, lease=self._lease, close=wire.close)

    def on_bluesky(self, handle: str, given: Credential) -> bluesky.Server:
        assert isinstance(given, BlueskyPassword)
        base_url, wire = given.base_url.rstrip("/"), self._wire("bluesky")
        login = bluesky.Login(base_url, given.identifier, given.app_password.get_secret_value())
        account = Account("bluesky", handle, seed_of(login.base_url, login.identifier, login.app_password))
        signer = Rotating(
            self._database,
            account,
            Pair("", ""),
            bluesky.sessions(wire, login),
            lease=self._lease,
            says_over=bluesky.says_over,
            close=wire.close,
        )
        return bluesky.Server(base_url, signer)

    def _wire(self, network: str) -> Wire:
        return Wire(network, post_limit=self._post_limit, transport=self._transport)


def _on_mastodon(given: Credential) -> mastodon.Server:
    assert isinstance(given, MastodonToken)
    return mastodon.Server(given.base_url.rstrip("/"), Bearer(given.access_token.get_secret_value()))


def _refreshing(wire: Wire, url: str, given: XToken) -> Callable[[Pair], Awaitable[Pair]]:
    """Gets the next pair from X. The old one is worth nothing after that."""

    async def fetch(old: Pair) -> Pair:
        form, headers = oauth.refresh_form(old.refresh, given.client_id, given.client_secret.get_secret_value())
        answer = await wire.ask(url, form=form, headers=headers)
        if answer.status in (400, 401, 403):
            raise Denied(f"the token could not be renewed: {answer.status} {oauth.error_of(answer.body)}")
        said = answer.body if isinstance(answer.body, dict) else {}
        access = said.get("access_token")
        if answer.status != 200 or not isinstance(access, str) or not access:
            raise Unavailable("x", f"it said {answer.status} to a refresh")
        refresh = said.get("refresh_token")
        return Pair(access, refresh if isinstance(refresh, str) and refresh else old.refresh)

    return fetch
