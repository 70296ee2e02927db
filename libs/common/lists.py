"""Lists and edits over REST: pages by cursor, and `ETag` with `If-Match`."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from libs.common.problems import Problem

T = TypeVar("T")

Mark = tuple[datetime, str]
"""Where a page ended: `updated_at` and id of its last row. Lists are ordered by both."""

Limit = Annotated[int, Query(ge=1, le=200, description="How many, at most")]
"""A list's `limit` parameter; give it the default `PAGE`."""
PAGE = 50

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Page(BaseModel, Generic[T]):
    """A part of a list. Without `next_cursor` it is the last."""

    items: list[T]
    next_cursor: str | None = None


def cut(rows: Sequence[T], limit: int, mark_of: Callable[[T], Mark]) -> tuple[Sequence[T], str | None]:
    """The page in `rows`, of which `limit` + 1 were asked for, and the cursor of what comes after it."""
    if len(rows) <= limit:
        return rows, None
    page = rows[:limit]
    return page, encode_cursor(mark_of(page[-1]))


def encode_cursor(mark: Mark) -> str:
    """Opaque to callers, so that its content may change."""
    moment, id_ = mark
    micros = (moment - _EPOCH) // _MICROSECOND
    return base64.urlsafe_b64encode(f"{micros} {id_}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> Mark | None:
    """Where to go on; None at the beginning.

    Raises:
        Problem: 400; we did not make this cursor.
    """
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        micros, _, id_ = text.partition(" ")
        mark = _EPOCH + int(micros) * _MICROSECOND, id_
    except (binascii.Error, ValueError, OverflowError) as error:
        raise _bad_cursor() from error
    if encode_cursor(mark) != cursor or "\0" in id_:
        raise _bad_cursor()
    return mark


def _bad_cursor() -> Problem:
    return Problem(
        400,
        "bad-cursor",
        "This cursor is not one of ours",
        fix="Leave `cursor` out to begin again, or send the `next_cursor` of an earlier answer.",
    )


def etag_of(version: int) -> str:
    """The `ETag` of a version."""
    return f'"{version}"'


def check_if_match(header: str | None, version: int) -> None:
    """Let a change through that was made on what is there now, or that does not care.

    Raises:
        Problem: 412; someone changed it since, and the answer's `ETag` says what is there now.
    """
    if header is None:
        return
    # a gateway that compresses answers makes their tags weak ones
    seen = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    if "*" in seen or etag_of(version) in seen:
        return
    raise Problem(
        412,
        "changed-since",
        "Someone changed this since you read it",
        f"You changed {header}, and it is at {etag_of(version)} now.",
        "Read it again and make your change on that.",
        {"ETag": etag_of(version)},
    )
