"""Typed ids that sort by time and follow from what they name, so that a repeat finds the same."""

from datetime import UTC, datetime
from hashlib import blake2b

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def typed_id(prefix: str, at: datetime, *parts: str) -> str:
    """`prefix_` + 9 characters of milliseconds + 13 of a hash of the parts, in base 32.

    Rising with time, rows that are written together lie together in an index.
    """
    ms = int((at - _EPOCH).total_seconds() * 1000)
    digest = int.from_bytes(blake2b("\n".join(parts).encode(), digest_size=8).digest(), "big")
    return f"{prefix}_{_base32(ms, 9)}{_base32(digest, 13)}"


def _base32(number: int, length: int) -> str:
    out = []
    for _ in range(length):
        out.append(_ALPHABET[number & 31])
        number >>= 5
    return "".join(reversed(out))
