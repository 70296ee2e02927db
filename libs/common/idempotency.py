"""The same `Idempotency-Key` gets the same answer: key and answer are kept in the caller's transaction."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, Header
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from libs.common.db import UtcDateTime
from libs.common.errors import Raced
from libs.common.problems import Problem

_TABLE = sa.Table(
    "idempotency_keys",
    sa.MetaData(),
    sa.Column("caller", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("route", sa.Text, nullable=False),
    sa.Column("body_sha256", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False, index=True),
)

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def idempotency_table(metadata: sa.MetaData) -> sa.Table:
    """The table as a part of a service's own tables."""
    return _TABLE.to_metadata(metadata)


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer given before."""

    status: int
    body: str
    location: str = ""

    def as_response(self) -> Response:
        """The answer once more, marked as such."""
        headers = {"Idempotency-Replayed": "true"} | ({"Location": self.location} if self.location else {})
        return Response(self.body or None, self.status, headers, media_type="application/json")


async def recall(session: AsyncSession, caller: str, key: str, route: str, body: bytes) -> Stored | None:
    """What this caller was answered under this key, or None: then act, and `remember` in the same transaction.

    Raises:
        Problem: 422; the key was used with another body or on another route.
    """
    found = (
        await session.execute(sa.select(_TABLE).where(_TABLE.c.caller == caller, _TABLE.c.key == key))
    ).one_or_none()
    if found is None:
        return None
    if (found.route, found.body_sha256) != (route, _sha256(body)):
        raise Problem(
            422,
            "key-used-before",
            "This Idempotency-Key stands for another request",
            f"It was used on {found.route}" + (" with another body." if found.route == route else "."),
            "Use a new key for a new request, and the same only to repeat one.",
        )
    return Stored(found.status, found.body, found.location)


async def remember(
    session: AsyncSession,
    caller: str,
    key: str,
    route: str,
    body: bytes,
    answer: Stored,
    *,
    now: datetime,
) -> None:
    """Keep the answer in the transaction that made it true.

    Raises:
        Raced: the same request came twice at once; roll back, begin anew, and `recall` has the other's answer.
    """
    row = {
        "caller": caller,
        "key": key,
        "route": route,
        "body_sha256": _sha256(body),
        "status": answer.status,
        "location": answer.location,
        "body": answer.body,
        "created_at": now,
    }
    try:
        await session.execute(sa.insert(_TABLE).values(row))
    except IntegrityError as error:
        raise Raced("the same Idempotency-Key came twice at once") from error


async def forget(session: AsyncSession, older_than: datetime) -> int:
    """Delete what is older; how many there were."""
    result = await session.execute(sa.delete(_TABLE).where(_TABLE.c.created_at < older_than))
    return int(result.rowcount)  # type: ignore[attr-defined]


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def _optional_key(
    idempotency_key: Annotated[
        str | None, Header(description="Any unique text; the same again gets the same answer")
    ] = None,
) -> str | None:
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise Problem(
            400,
            "bad-idempotency-key",
            "This Idempotency-Key cannot be taken",
            fix="Send 1 to 255 printable ASCII characters, for instance a UUID.",
        )
    return idempotency_key


async def _required_key(key: Annotated[str | None, Depends(_optional_key)]) -> str:
    if key is None:
        raise Problem(
            400,
            "idempotency-key-missing",
            "The header Idempotency-Key is missing",
            "Without it a repeated request would be done twice.",
            "Send the header `Idempotency-Key` with any unique text, and the same when you repeat the request.",
        )
    return key


OptionalKey = Annotated[str | None, Depends(_optional_key)]
"""A route's `Idempotency-Key`, when there is one."""

RequiredKey = Annotated[str, Depends(_required_key)]
"""A route's `Idempotency-Key`; 400 without it."""
