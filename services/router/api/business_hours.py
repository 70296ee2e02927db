"""What one asks of business hours: open now, open when, and in words."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.problems import Problem
from services.router.domain.configured import hours_of, thing_of
from services.router.domain.hours import Hours, describe, is_open, next_change, next_open
from services.router.domain.setup import BusinessHours
from services.router.handlers.setup import unknown_thing
from services.router.store import setup as store

KIND = "business-hours"
_LAST_YEAR = 9990
At = Annotated[AwareDatetime | None, Query(description="RFC 3339, with its zone; now unless said")]


class IsOpen(BaseModel):
    """Whether somebody is there."""

    hours: str
    at: datetime
    open: bool
    next_change_at: datetime | None = Field(description="None: not within a year")
    zone: str


class NextOpen(BaseModel):
    """When somebody is there next; `at` itself where it is open then."""

    hours: str
    at: datetime
    next_open_at: datetime | None = Field(description="None: not within a year")
    zone: str


class InWords(BaseModel):
    """The week as a profile may say it, without its dated exceptions."""

    hours: str
    language: Literal["fr", "en"]
    text: str
    zone: str


def routes(database: Database) -> APIRouter:
    """The questions' routes; the hours themselves are a part of the set-up."""
    router = APIRouter(prefix="/v1/business-hours/{hours}", tags=["business hours"])
    reads = needs("queues:read")

    @router.get("/is-open")
    async def get_is_open(hours: str, caller: Annotated[Caller, reads], at: At = None) -> IsOpen:
        """Whether it is open at a moment, and when that changes next."""
        async with database.read() as session:
            known = await _hours(session, hours, caller)
            moment = _moment(at) or await db.now(session)
        return IsOpen(
            hours=hours,
            at=moment,
            open=is_open(known, moment),
            next_change_at=next_change(known, moment),
            zone=known.zone,
        )

    @router.get("/next-open")
    async def get_next_open(hours: str, caller: Annotated[Caller, reads], at: At = None) -> NextOpen:
        """When it opens next, from a moment on."""
        async with database.read() as session:
            known = await _hours(session, hours, caller)
            moment = _moment(at) or await db.now(session)
        return NextOpen(hours=hours, at=moment, next_open_at=next_open(known, moment), zone=known.zone)

    @router.get("/text")
    async def get_text(hours: str, caller: Annotated[Caller, reads], language: Literal["fr", "en"] = "en") -> InWords:
        """The week in words."""
        async with database.read() as session:
            known = await _hours(session, hours, caller)
        return InWords(hours=hours, language=language, text=describe(known, language), zone=known.zone)

    return router


def _moment(at: datetime | None) -> datetime | None:
    if at is not None and not 1970 <= at.year <= _LAST_YEAR:
        raise Problem(
            422, "invalid", "Something in the request is not valid", f"at: the year {at.year} is too far away.",
            f"Ask for a moment from 1970 to {_LAST_YEAR}.", errors=[{"in": "query", "path": "at", "detail": "too far"}],
        )  # fmt: skip
    return at


async def _hours(session: AsyncSession, slug: str, caller: Caller) -> Hours:
    kept = await store.get(session, KIND, slug)
    if kept is None or not caller.sees(kept.team):
        raise unknown_thing(KIND, slug)
    return hours_of(thing_of(BusinessHours, slug, kept.version, kept.body))
