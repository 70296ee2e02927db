"""Signatures as X makes and checks them: OAuth 1.0a, and those of webhooks."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import quote, unquote


def oauth1_signature(
    method: str, url: str, parameters: Iterable[tuple[str, str]], consumer_secret: str, token_secret: str
) -> str:
    """HMAC-SHA1 over the request.

    Args:
        url: Without its query.
        parameters: Of the query, of a form, and all `oauth_...` but the signature; decoded. A JSON body is not part.

    Source: RFC 5849, section 3.4.
    """
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in parameters)
    together = "&".join(f"{name}={value}" for name, value in pairs)
    base = "&".join((method.upper(), _encoded(url), _encoded(together)))
    key = f"{_encoded(consumer_secret)}&{_encoded(token_secret)}"
    return base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha1).digest()).decode()


def oauth1_header(header: str) -> dict[str, str]:
    """The pairs of an `Authorization: OAuth ...` header, decoded; those that cannot be read are left out."""
    pairs = (each.strip().partition("=") for each in header.partition(" ")[2].split(","))
    return {unquote(name): unquote(value.strip('"')) for name, equals, value in pairs if equals}


def webhook_signature(secret: str, content: bytes) -> str:
    """Of a challenge's token or of a delivery's raw body."""
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()


def pkce_challenge(verifier: str) -> str:
    """S256 of a code verifier. Source: RFC 7636, section 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _encoded(text: str) -> str:
    return quote(text, safe="-._~")
