"""OAuth: the signature of version 1.0a (HMAC-SHA1), and the refresh form of version 2.0. Source: RFC 5849, RFC 6749."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

Form = tuple[dict[str, str], dict[str, str]]
"""The fields of a form, and the headers that go with it."""


@dataclass(frozen=True, slots=True)
class OAuth1:
    """The app's key and the account's token, each with its secret. They do not run out."""

    consumer_key: str
    consumer_secret: str = field(repr=False)
    token: str = field(repr=False)
    token_secret: str = field(repr=False)


def authorization(
    who: OAuth1,
    method: str,
    url: str,
    query: Mapping[str, str],
    *,
    nonce: str | None = None,
    timestamp: int | None = None,
) -> str:
    """The `Authorization` header of a request with a JSON body or none: no form's fields are signed.

    Args:
        url: without a query; its host and scheme as the network sees them.
        nonce, timestamp: chosen here unless a test does.
    """
    oauth = {
        "oauth_consumer_key": who.consumer_key,
        "oauth_nonce": nonce or secrets.token_hex(16),
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": str(int(time.time()) if timestamp is None else timestamp),
        "oauth_token": who.token,
        "oauth_version": "1.0",
    }
    oauth["oauth_signature"] = _signature(who, method, url, {**query, **oauth})
    return "OAuth " + ", ".join(f'{name}="{_encoded(value)}"' for name, value in sorted(oauth.items()))


def refresh_form(refresh_token: str, client_id: str, client_secret: str) -> Form:
    """What a client sends for a new pair; a public client has no secret and names itself in the form."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    if not client_secret:
        return form | {"client_id": client_id}, {}
    both = f"{_encoded(client_id)}:{_encoded(client_secret)}".encode()
    return form, {"Authorization": f"Basic {base64.b64encode(both).decode()}"}


def error_of(body: Any) -> str:
    """The error's code in an answer to a form; never its other words, which may quote what was sent."""
    code = body.get("error") if isinstance(body, dict) else None
    return code[:100] if isinstance(code, str) else ""


def _signature(who: OAuth1, method: str, url: str, signed: Mapping[str, str]) -> str:
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in signed.items())
    parameters = "&".join(f"{name}={value}" for name, value in pairs)
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    host = (parts.hostname or "") + (f":{parts.port}" if parts.port not in (None, usual) else "")
    base = "&".join(map(_encoded, (method.upper(), f"{parts.scheme}://{host}{parts.path}", parameters)))
    key = f"{_encoded(who.consumer_secret)}&{_encoded(who.token_secret)}"
    return base64.b64encode(hmac.digest(key.encode(), base.encode(), hashlib.sha1)).decode()


def _encoded(text: str) -> str:
    return quote(text, safe="~")
