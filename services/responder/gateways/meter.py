"""What the networks say to our posts, and what our calls cost."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, Counter
from pydantic import TypeAdapter, ValidationError

from libs.common.errors import Misconfigured
from services.responder.domain.posting import Answered, ByHand, Exchange, Lost, NotSent, Outcome, Posted, Unknown

Answer = Literal["posted", "limited", "credits", "credentials", "by_hand", "refused", "unclear", "lost", "not_sent"]
STOPPING: frozenset[Answer] = frozenset({"credits", "credentials"})
"""After these every further post of the account would fare the same."""
SHIPPED = Path(__file__).parent / "prices.toml"

Prices = Mapping[str, Mapping[str, float]]
"""Dollars by network and operation."""

_ACCOUNT_OR_APP = re.compile(
    r"(?<!user has been )suspended|temporarily restricted|not permitted to perform this action|takedown"
    r"|login is currently disabled|outside the authorized scopes|unsupported.authentication|client.forbidden",
    re.IGNORECASE,
)
_PRICES = TypeAdapter(dict[str, dict[str, float]])


class Meter:
    """Counts in this process; without a registry nobody sees it."""

    def __init__(self, registry: CollectorRegistry | None = None, prices: Prices | None = None) -> None:
        self._prices = prices or {}
        self._answers = Counter(
            "network_answers_total",
            "What the networks said to our requests to post",
            ("network", "operation", "answer"),
            registry=registry,
        )
        self._cost = Counter(
            "network_cost_dollars_total",
            "What our calls to the networks cost, by the prices in the settings",
            ("network", "operation"),
            registry=registry,
        )

    def answered(self, network: str, operation: str, answer: Answer) -> None:
        """A network said this to a post or message."""
        self._answers.labels(network, operation, answer).inc()

    def spent(self, network: str, operation: str, n: int = 1) -> None:
        """So many calls of this kind were made."""
        price = self._prices.get(network, {}).get(operation, 0.0)
        if price and n:
            self._cost.labels(network, operation).inc(price * n)


def answer_of(exchange: Exchange | ByHand, outcome: Outcome) -> Answer:
    """What a network said, in a word."""
    match exchange:
        case Lost():
            return "lost"
        case NotSent():
            return "not_sent"
        case Answered(402):
            return "credits"
        case Answered(401):
            return "credentials"
        case Answered(403, _, body) if _ACCOUNT_OR_APP.search(_words(body)):
            return "credentials"
        case Answered(429):
            return "limited"
    if isinstance(outcome, Posted):
        return "posted"
    if isinstance(outcome, ByHand):
        return "by_hand"
    return "unclear" if isinstance(outcome, Unknown) else "refused"


def read_prices(path: Path | None) -> Prices:
    """The prices in the file, or those that are shipped.

    Raises:
        Misconfigured: one line that names the file and what is wrong with it.
    """
    file = path or SHIPPED
    try:
        return _PRICES.validate_python(tomllib.loads(file.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the prices in {file} cannot be read: {type(error).__name__}") from error
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"the prices in {file} are not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Misconfigured(f"the prices in {file}: {place}: {first['msg']}") from None


def _words(body: object) -> str:
    if not isinstance(body, dict):
        return ""
    return " ".join(str(body.get(name, "")) for name in ("detail", "title", "type", "reason"))
