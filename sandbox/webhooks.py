"""Webhooks: addresses that answered a challenge, and signed events sent to them."""

import hmac
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import httpx2

from sandbox.refusals import Refused
from sandbox.signing import webhook_signature
from sandbox.state import Network

MOST = 10
ANSWER_SECONDS = 3.0
KEPT = 10_000  # deliveries that can be sent again

_Problem = Literal[
    "CrcValidationFailed", "UrlValidationFailed", "DuplicateUrlFailed", "WebhookLimitExceeded", "WebhookIdInvalid"
]


@dataclass
class Webhook:
    """One address. Events go only to one that is valid."""

    id: str
    url: str
    created_at: datetime
    valid: bool = True
    delivered: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Delivery:
    webhook_id: str
    content: bytes
    at: datetime


class Webhooks:
    """All of them."""

    def __init__(self, network: Network, transport: httpx2.AsyncBaseTransport | None) -> None:
        self._network = network
        self._transport = transport
        self._all: dict[str, Webhook] = {}
        self._sent: deque[_Delivery] = deque(maxlen=KEPT)
        self.pending: deque[_Delivery] = deque()

    @property
    def all(self) -> list[Webhook]:
        """In the order they came."""
        return list(self._all.values())

    def get(self, id_: str) -> Webhook:
        """The webhook of this id.

        Raises:
            Refused: there is none.
        """
        found = self._all.get(id_)
        if found is None:
            raise problem("WebhookIdInvalid", f"there is no webhook {id_}")
        return found

    async def create(self, url: str) -> Webhook:
        """Take an address that answers the challenge.

        Raises:
            Refused: it does not, or cannot be one.
        """
        if not _allowed(url, only_public=self._network.behaviour.webhook_urls == "public"):
            raise problem("UrlValidationFailed", "https, a public name, and no port")
        if any(webhook.url == url for webhook in self.all):
            raise problem("DuplicateUrlFailed", "this url is a webhook already")
        if len(self._all) >= MOST:
            raise problem("WebhookLimitExceeded", f"{MOST} webhooks are allowed")
        webhook = Webhook(self._network.next_id(), url, self._network.now())
        if await self._challenge(url) is not True:
            raise problem("CrcValidationFailed", "the url did not answer the challenge")
        self._all[webhook.id] = webhook
        return webhook

    async def challenge(self, webhook: Webhook) -> bool:
        """Ask it again whether it knows our secret; whether it is valid now.

        A wrong answer makes it invalid at once; none leaves it as it is.
        """
        known = await self._challenge(webhook.url)
        webhook.valid = webhook.valid if known is None else known
        return webhook.valid

    def delete(self, webhook: Webhook) -> None:
        """No more events go there."""
        del self._all[webhook.id]

    def send(self, webhook_id: str, event: Mapping[str, Any]) -> None:
        """With the next `deliver`."""
        content = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        delivery = _Delivery(webhook_id, content, self._network.now())
        self._sent.append(delivery)
        self.pending.append(delivery)

    def replay(self, webhook_id: str, since: datetime, until: datetime) -> int:
        """What went there between two times once more; how much."""
        again = [each for each in self._sent if each.webhook_id == webhook_id and since <= each.at < until]
        self.pending.extend(again)
        return len(again)

    async def deliver(self, *, forged: bool = False) -> None:
        """What waits, each once, in order; `forged` signs with another key."""
        while self.pending:
            delivery = self.pending.popleft()
            webhook = self._all.get(delivery.webhook_id)
            if webhook is None or not webhook.valid:
                continue
            secret = "somebody else's" if forged else self._network.keys.app.secret
            headers = {
                "content-type": "application/json",
                "x-twitter-webhooks-signature": webhook_signature(secret, delivery.content),
            }
            try:
                async with self._client() as http:
                    answer = await http.post(webhook.url, content=delivery.content, headers=headers)
                taken = answer.is_success
            except httpx2.HTTPError:
                taken = False
            webhook.delivered += taken
            webhook.failed += not taken

    async def _challenge(self, url: str) -> bool | None:
        """Whether it knows our secret; None: it did not say."""
        token = self._network.next_id()
        try:
            async with self._client() as http:
                answer = await http.get(url, params={"crc_token": token})
        except httpx2.HTTPError:
            return None
        if answer.status_code >= 400:
            return None
        try:
            told = answer.json()["response_token"]
        except (ValueError, KeyError, TypeError):
            return False
        right = webhook_signature(self._network.keys.app.secret, token.encode())
        return answer.is_success and hmac.compare_digest(str(told).encode(), right.encode())

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            transport=self._transport, timeout=ANSWER_SECONDS, follow_redirects=False, trust_env=False
        )


def _allowed(url: str, *, only_public: bool) -> bool:
    try:
        parts = httpx2.URL(url)
    except httpx2.InvalidURL:
        return False
    public = parts.scheme == "https" and parts.port is None and "." in parts.host
    return bool(parts.host) and parts.scheme in ("http", "https") and (public or not only_public)


def problem(title: _Problem, detail: str) -> Refused:
    """In X's words."""
    return Refused(400, title, detail)
