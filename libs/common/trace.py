"""The W3C trace context of what is in hand: set where a request or a batch comes in, read where an event goes out."""

import os
import re
from contextvars import ContextVar, Token

_current: ContextVar[str] = ContextVar("traceparent", default="")
_VALID = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent() -> str:
    """The `traceparent` of the request or batch in hand; "" when there is none."""
    return _current.get()


def carry(value: str) -> Token[str]:
    """Make `value` the trace context from here on; `drop` the token when the work is done."""
    return _current.set(value)


def drop(token: Token[str]) -> None:
    """Go back to the trace context before `carry`."""
    _current.reset(token)


def accepted(given: str) -> str:
    """`given` when it is a valid trace context, else a new one."""
    if given and _VALID.fullmatch(given):
        return given
    ids = os.urandom(24).hex()
    return f"00-{ids[:32]}-{ids[32:]}-01"
