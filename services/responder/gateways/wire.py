"""HTTP to a network: one POST that nothing repeats, and reads that are whole or fail."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeVar

import httpx2
import msgspec

from libs.common.errors import Raced, Unavailable
from services.responder.domain.posting import Answered, Exchange, Lost, NotSent
from services.responder.gateways.signing import Denied, Signer

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 10.0
_BEFORE_WRITING = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.ProxyError,
)
_AWAY = (httpx2.HTTPError, TimeoutError, OSError)

Shape = TypeVar("Shape", bound=msgspec.Struct)


class Wire:
    """Each request has a connection of its own: a kept one may be closed by the other side just as we write a post, and
    then nobody could say whether it was made.
    """

    def __init__(
        self, network: str, *, post_limit: timedelta, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        """Open nothing yet.

        Args:
            post_limit: for all that a POST needs, from its token to the last byte of the answer.
        """
        self.network = network
        self._post_limit = post_limit.total_seconds()
        self._client = httpx2.AsyncClient(
            headers={"User-Agent": "guichet"},
            timeout=httpx2.Timeout(_READ_SECONDS, connect=min(_CONNECT_SECONDS, self._post_limit)),
            follow_redirects=False,
            trust_env=False,  # a .netrc of the machine would take the place of our token
            transport=transport
            or httpx2.AsyncHTTPTransport(retries=0, limits=httpx2.Limits(max_keepalive_connections=0), trust_env=False),
        )

    def until(self) -> float:
        """When a POST that begins now has to be over, on the loop's clock."""
        return asyncio.get_running_loop().time() + self._post_limit

    async def post(
        self,
        signer: Signer,
        url: str,
        body: Mapping[str, Any],
        *,
        until: float,
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """One POST of JSON. Where its token had run out and could be renewed, one more: the first made nothing."""
        more = dict(headers or {})
        if asyncio.get_running_loop().time() >= until:
            return NotSent("it took too long to begin")
        try:
            async with asyncio.timeout_at(until):
                signed = await signer.sign("POST", url, {})
        except Denied as error:
            return _denied(error)
        except (Unavailable, Raced, TimeoutError) as error:
            return NotSent(f"no token: {type(error).__name__}")
        exchange = await self._post_once(url, body, more | signed, until)
        if not isinstance(exchange, Answered) or not signer.is_over(exchange):
            return exchange
        try:
            async with asyncio.timeout_at(until):
                if not await signer.renew(signed):
                    return exchange
                signed = await signer.sign("POST", url, {})
        except Denied as error:
            return _denied(error)
        except (Unavailable, Raced, TimeoutError) as error:
            return NotSent(f"the token is not renewed yet: {type(error).__name__}")
        return await self._post_once(url, body, more | signed, until)

    async def ask(
        self,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """One POST that asks for a token, with a form, with JSON, or with neither.

        Raises:
            Unavailable: no answer came.
        """
        try:
            async with asyncio.timeout(_READ_SECONDS):
                answer = await self._client.post(url, data=form, json=body, headers=dict(headers or {}))
        except _AWAY as error:
            raise Unavailable(self.network, type(error).__name__) from error
        return _answered(answer)

    async def get(self, signer: Signer, url: str, query: Mapping[str, str] | None = None) -> Answered:
        """What the network says to a read, whatever that is.

        Raises:
            Unavailable: it said nothing.
        """
        asked = dict(query or {})
        try:
            signed = await signer.sign("GET", url, asked)
            answer = await self._get_once(url, asked, signed)
            if signer.is_over(answer) and await signer.renew(signed):
                answer = await self._get_once(url, asked, await signer.sign("GET", url, asked))
        except Denied as error:
            return _denied(error)
        except Raced as error:
            raise Unavailable(self.network, str(error)) from error
        return answer

    async def read(self, signer: Signer, url: str, shape: type[Shape], query: Mapping[str, str] | None = None) -> Shape:
        """A read's whole answer.

        Raises:
            Unavailable: it did not come, or not in this shape.
        """
        answer = await self.get(signer, url, query)
        if answer.status != 200:
            raise Unavailable(self.network, f"it said {answer.status} to a read")
        return self.shaped(answer.body, shape)

    def shaped(self, body: Any, shape: type[Shape]) -> Shape:
        """The answer as we understand it.

        Raises:
            Unavailable: it is something else.
        """
        try:
            return msgspec.convert(body, shape)
        except msgspec.ValidationError as error:
            raise Unavailable(self.network, f"its answer cannot be read: {error}") from error

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def _post_once(self, url: str, body: Mapping[str, Any], headers: Mapping[str, str], until: float) -> Exchange:
        limits = httpx2.Timeout(self._post_limit, connect=min(_CONNECT_SECONDS, self._post_limit))
        try:
            async with asyncio.timeout_at(until):
                answer = await self._client.post(url, json=dict(body), headers=dict(headers), timeout=limits)
        except _BEFORE_WRITING as error:
            return NotSent(type(error).__name__)
        except _AWAY as error:
            return Lost(type(error).__name__)
        return _answered(answer)

    async def _get_once(self, url: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answered:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                answer = await self._client.get(url, params=dict(query), headers=dict(headers))
        except _AWAY as error:
            raise Unavailable(self.network, type(error).__name__) from error
        return _answered(answer)


def _denied(error: Denied) -> Answered:
    """As if the network had said it to the request itself."""
    return Answered(401, {}, {"detail": str(error)})


def _answered(answer: httpx2.Response) -> Answered:
    try:
        body = answer.json()
    except ValueError:
        body = None
    return Answered(answer.status_code, dict(answer.headers), body)
