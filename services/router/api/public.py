"""The public status of a handle: open or not, the expected wait, incidents, other ways. No key needed."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from libs.common import db
from libs.common.auth import public
from libs.common.db import Database
from libs.common.problems import Problem
from services.router.api.expected_wait import Handle, no_page
from services.router.api.public_page import SECURITY_POLICY, page_html
from services.router.domain.hours import is_open, next_change
from services.router.domain.incidents import banner_of
from services.router.domain.promises import PLAIN, may_publish
from services.router.domain.public import TONGUES, Tongue, opening_text, page_text, wait_text
from services.router.domain.setup import Setup
from services.router.handlers.waits import Wait, Waits, serving
from services.router.store import pages as store
from services.router.store.pages import Page
from services.router.store.setup import Setups

Shape = Literal["json", "text", "page"]
_SHAPES: dict[str, Shape] = {"application/json": "json", "text/plain": "text", "text/html": "page"}
FRESH_SECONDS = 60
BURST, REFILL_SECONDS, ADDRESSES = 30, 2.0, 10_000

IfMatch = Annotated[str | None, Header(description="Only if it is still at this ETag")]


class PublicWait(BaseModel):
    """Until a person's first answer, rounded up; p80: so it is four times in five."""

    state: Literal["known", "more_than", "unknown"]
    p50_seconds: int | None
    p80_seconds: int | None
    more_than_hours: int | None
    text: str


class Status(BaseModel):
    """Whether somebody is there, how long it takes, what else is to be known."""

    handle: str
    open: bool
    next_change_at: datetime | None
    zone: str
    opening_text: str
    expected_wait: PublicWait
    incident: str | None
    other_ways: list[str]
    language: Tongue
    as_of: datetime


class Buckets:
    """So many requests at once and so many a second for each address; of the latest addresses only."""

    def __init__(
        self,
        burst: int = BURST,
        refill_seconds: float = REFILL_SECONDS,
        addresses: int = ADDRESSES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst = burst
        self._refill = refill_seconds
        self._addresses = addresses
        self._monotonic = monotonic
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when they were counted

    def wait(self, address: str) -> int:
        """0, and one request less; or the seconds until there is one again."""
        now = self._monotonic()
        tokens, at = self._known.pop(address, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - at) / self._refill)
        allowed = tokens >= 1
        self._known[address] = (tokens - 1 if allowed else tokens, now)
        if len(self._known) > self._addresses:
            self._known.popitem(last=False)
        return 0 if allowed else math.ceil((1 - tokens) * self._refill)


def routes(
    database: Database,
    setups: Setups,
    waits: Waits,
    *,
    buckets: Buckets | None = None,
    proxies: int = 0,
) -> APIRouter:
    """The expected wait's routes.

    Args:
        proxies: how many trusted ones stand before us; each adds the address it saw to `X-Forwarded-For`.
    """
    router = APIRouter(tags=["expected wait"])
    limits = buckets or Buckets()

    @router.get(
        "/v1/public/{handle}/status",
        dependencies=[public],
        response_model=Status,
        responses={
            200: {"content": {kind: {"schema": {"type": "string"}} for kind in ("text/plain", "text/html")}},
            304: {"description": "The same"},
        },
    )
    async def status(
        handle: Handle,
        request: Request,
        wanted: Annotated[Shape | None, Query(alias="format", description="Else by `Accept`")] = None,
        lang: Annotated[Tongue | None, Query(description="Else by `Accept-Language`")] = None,
    ) -> Response:
        """Open or not, the expected wait, incidents, other ways: for anyone, without a key."""
        if seconds := limits.wait(_address(request, proxies)):
            raise Problem(
                429, "too-many", "Too many requests", f"This address may ask again in {seconds} s.",
                "Keep the answer for a minute, as its Cache-Control says.", {"Retry-After": str(seconds)},
            )  # fmt: skip
        async with database.read() as session:
            page = await store.get_page(session, handle)
            if page is None:
                raise no_page(handle)
            setup, now = await setups.current(session), await db.now(session)
        tongue = lang or _tongue(request.headers.get("accept-language", ""), page)
        found = await _status(page, setup, waits, now, tongue)
        return _answer(request, found, wanted or _shape(request.headers.get("accept", "")))

    return router


async def _status(page: Page, setup: Setup, waits: Waits, now: datetime, tongue: Tongue) -> Status:
    queue = serving(page, setup, now)
    hours = setup.hours_of(queue)
    zone = ZoneInfo(page.zone or hours.zone)
    opened, change_at = is_open(hours, now), next_change(hours, now)
    wait = waits.now.get(queue.slug)
    shown = wait.memory.shown[PLAIN] if wait is not None and _published(page, wait, now) else None
    seconds = replace(wait, at=now).seconds() if wait is not None and shown is not None else None
    state = shown.state if shown is not None and (seconds or shown.state != "known") else "unknown"
    more_than = shown.hours if shown is not None else 0
    return Status(
        handle=page.handle,
        open=opened,
        next_change_at=change_at,
        zone=str(zone),
        opening_text=opening_text(opened, change_at, now, zone, tongue),
        expected_wait=PublicWait(
            state=state,  # type: ignore[arg-type]
            p50_seconds=seconds[0] if seconds else None,
            p80_seconds=seconds[1] if seconds else None,
            more_than_hours=more_than or None,
            text=wait_text(state, seconds[1] if seconds else None, more_than, tongue),
        ),
        incident=banner_of(setup.incidents, team=page.team, handle=page.handle, language=tongue, now=now),
        other_ways=list(page.other_ways),
        language=tongue,
        as_of=wait.at if wait is not None else now,
    )


def _answer(request: Request, found: Status, shape: Shape) -> Response:
    said = (found.opening_text, found.expected_wait.text, found.incident, found.other_ways, found.language)
    body = same = found.model_dump_json(exclude={"as_of"}).encode()  # looking again is no news
    match shape:
        case "page":
            body, kind = page_html(found.handle, found.open, *said).encode(), "text/html; charset=utf-8"
        case "text":
            body, kind = page_text(found.handle, *said).encode(), "text/plain; charset=utf-8"
        case "json":
            body, kind = found.model_dump_json().encode(), "application/json"
    same += shape.encode()
    tag = f'"{blake2b(same, digest_size=8).hexdigest()}"'
    headers = {
        "Cache-Control": f"public, max-age={FRESH_SECONDS}",
        "ETag": tag,
        "Vary": "Accept, Accept-Language",
        "Access-Control-Allow-Origin": "*",  # a brand's own pages may show it
    }
    seen = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if shape == "page":
        headers["Content-Security-Policy"] = SECURITY_POLICY
    if tag in seen or "*" in seen:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=kind)


def _published(page: Page, wait: Wait, now: datetime) -> bool:
    return may_publish(page.published, wait.score.first_scored, wait.score.kept, wait.score.scored, now)


def _address(request: Request, proxies: int) -> str:
    """Who asks: the peer, or what the outermost trusted proxy saw."""
    peer = request.client.host if request.client else ""
    seen = [one.strip() for one in request.headers.get("x-forwarded-for", "").split(",") if one.strip()]
    return seen[-proxies] if proxies and len(seen) >= proxies else peer


def _shape(accept: str) -> Shape:
    """The first that is named of those there are; JSON for who takes anything."""
    for kind in accept.split(","):
        if shape := _SHAPES.get(kind.partition(";")[0].strip().lower()):
            return shape
    return "json"


def _tongue(accepted: str, page: Page) -> Tongue:
    """The most wanted of those we speak; else the page's own first one, else English."""
    wishes: list[tuple[float, int, str]] = []
    for place, wish in enumerate(accepted.split(",")):
        name, _, quality = wish.strip().partition(";q=")
        try:
            wishes.append((-float(quality or 1), place, name.partition("-")[0].lower()))
        except ValueError:
            continue
    named = [name for quality, _, name in sorted(wishes) if quality < 0]
    for name in (*named, *(language.partition("-")[0] for language in page.languages)):
        for tongue in TONGUES:
            if name == tongue:
                return tongue
    return "en"
