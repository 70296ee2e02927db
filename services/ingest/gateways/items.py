"""From bytes to items: JSON and NDJSON, mended where it can be, and errors in words that name the place."""

import re
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from services.ingest.domain import Refused

T = TypeVar("T")

MOST_ITEMS = 1000
LONGEST_LINE_BYTES = 64 * 1024

ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What reading an item may raise; `explained` puts it into words."""

# NUL and half a surrogate pair are legal JSON and no text: PostgreSQL and UTF-8 refuse them
_SUSPECT = re.compile(
    rb"\\u0000"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\u0000|\\."
)
_PLACE = re.compile(r"(.*?)(?: - at `(\$.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.+)`")
_BOM = b"\xef\xbb\xbf"

_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_one = msgspec.json.Decoder(msgspec.Raw).decode


class BadBody(Exception):
    """Nothing of this body can be taken."""

    def __init__(self, status: int, type_: str, detail: str, fix: str) -> None:
        super().__init__(detail)
        self.status, self.type, self.detail, self.fix = status, type_, detail, fix


class _Data(msgspec.Struct):
    id: str | int


class _Named(msgspec.Struct):
    id: str | int | None = None
    data: _Data | None = None


_named = msgspec.json.Decoder(_Named).decode


def items(body: bytes) -> Sequence[msgspec.Raw]:
    """The items of a JSON body: one object, or an array of them.

    Raises:
        BadBody: it is not UTF-8, not JSON, neither of the two, empty, or too many.
    """
    try:
        body.decode()
        body = mended(body.removeprefix(_BOM))
        start = body[:64].lstrip()[:1]
        if start == b"[":
            return _counted(_raws(body))
        whole = _one(body)
    except ERRORS as error:
        refused = explained(error)
        raise BadBody(400, refused.type, refused.detail, refused.fix) from error
    if body.lstrip()[:1] != b"{":
        raise BadBody(
            422,
            "not-an-item",
            "The body is neither an object nor an array of them.",
            'Send {"network": ..., "id": ..., "text": ..., "author": {"id": ...}}, or up to 1,000 such in an array.',
        )
    return [whole]


def lines(body: bytes) -> Sequence[msgspec.Raw | Refused]:
    """The items of an NDJSON body, one a line; a line that cannot be one is refused alone.

    Raises:
        BadBody: there are none, or too many.
    """
    written = [line for line in body.split(b"\n") if line and not line.isspace()]
    return [line_item(line) for line in _counted(written)]


def line_item(line: bytes) -> msgspec.Raw | Refused:
    """One line of NDJSON."""
    if len(line) > LONGEST_LINE_BYTES:
        return Refused(
            type="line-too-long",
            detail=f"The line has {len(line)} bytes; {LONGEST_LINE_BYTES} are allowed.",
            fix="Leave out what is not needed of this item.",
        )
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return explained(error)
    return msgspec.Raw(mended(line.removeprefix(_BOM)))


def mended(body: bytes) -> bytes:
    """The same JSON with U+FFFD for NUL and for half a surrogate pair, which no text can hold."""
    if b"\\u" not in body or not _SUSPECT.search(body):
        return body
    return _ESCAPE.sub(lambda escape: b"\\ufffd" if len(escape[0]) == 6 else escape[0], body)


def explained(error: BaseException) -> Refused:
    """What was wrong with an item, and where."""
    if isinstance(error, UnicodeDecodeError):
        return Refused(type="invalid-utf-8", detail="The text is not UTF-8.", fix="Send JSON encoded as UTF-8.")
    if isinstance(error, RecursionError):
        return Refused(
            type="malformed-json", detail="The JSON is nested too deeply.", fix="Send the item without its nesting."
        )
    if not isinstance(error, msgspec.ValidationError):
        return Refused(type="malformed-json", detail=f"{error}.", fix="Send one JSON value, complete.")
    match = _PLACE.fullmatch(str(error))
    detail, path = (match[1], match[2] or "$") if match else (str(error), "$")
    if missing := _MISSING.fullmatch(detail):
        path = f"{path}.{missing[1]}"
        return Refused(type="missing", path=path, detail=f"{path} is missing.", fix="Add it.")
    fix = "Send what is expected there."
    if "datetime" in detail:
        fix = "Write the time as RFC 3339 with its zone, for instance 2025-06-02T12:00:00Z."
    return Refused(type="invalid", path=path, detail=f"{detail}.", fix=fix)


def id_of(item: msgspec.Raw) -> str | None:
    """The id of an item that was refused, where it can be read."""
    try:
        named = _named(item)
    except ERRORS:
        return None
    found = named.id if named.id is not None else named.data and named.data.id
    return None if found is None else str(found)[:200]


def _counted(found: list[T]) -> list[T]:
    if not found:
        raise BadBody(422, "empty-batch", "There is nothing in this request.", "Send at least one item.")
    if len(found) > MOST_ITEMS:
        raise BadBody(
            422,
            "too-many",
            f"There are {len(found)} items; {MOST_ITEMS} are allowed in one request.",
            "Send them in several requests; nothing of this one was taken.",
        )
    return found
