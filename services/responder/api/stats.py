"""HTTP: how long people wait."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.problems import Problem
from services.responder.api.shapes import utc
from services.responder.domain.latency import WITHIN_SECONDS, How, Spread, definition
from services.responder.store import mentions

_DAWN = datetime(1970, 1, 1, tzinfo=UTC)


class Within(BaseModel):
    """How many were answered within so many seconds."""

    met: int
    of: int
    share: float


class LatencyGroup(BaseModel):
    """One group's spread, in seconds. Without any answered mention there is no group."""

    key: str | None
    answered: int
    min: float
    p50: float
    p90: float
    p99: float
    max: float
    mean: float
    within: dict[str, Within]

    @classmethod
    def of(cls, spread: Spread) -> Self:
        n = spread.answered
        within = {str(seconds): Within(met=met, of=n, share=met / n) for seconds, met in spread.within.items()}
        names = ("key", "answered", "min", "p50", "p90", "p99", "max", "mean")
        return cls(within=within, **{name: getattr(spread, name) for name in names})


class LatencyReport(BaseModel):
    """How long people waited for an answer, and what exactly that means."""

    definition: str
    how: How
    unit: Literal["seconds"] = "seconds"
    from_: datetime = Field(serialization_alias="from")
    to: datetime
    groups: list[LatencyGroup]


def stats_routes(database: Database) -> APIRouter:
    """`/v1/stats`."""
    routes = APIRouter(prefix="/v1/stats", tags=["stats"])

    @routes.get("/response-latency")
    async def response_latency(
        caller: Annotated[Caller, needs("stats:read")],
        from_: Annotated[
            AwareDatetime | None, Query(alias="from", description="24 hours before `to` unless written")
        ] = None,
        to: Annotated[AwareDatetime | None, Query(description="Now unless written")] = None,
        group_by: mentions.GroupBy = "none",
        how: Annotated[
            How, Query(description="covered: by a later reply to another message of its conversation")
        ] = "direct",
    ) -> LatencyReport:
        """How long the mentions of a time waited for our first answer."""
        async with database.read() as session:
            until = utc(to, "to") if to else await db.now(session)
            since = utc(from_, "from") if from_ else max(until, _DAWN) - timedelta(hours=24)
            if since >= until:
                raise Problem(422, "empty-time", "`from` is not before `to`", fix="Swap them.")
            spreads = await mentions.response_latency(
                session, since, until, group_by, caller.teams, WITHIN_SECONDS, how
            )
        groups = [LatencyGroup.of(spread) for spread in spreads]
        return LatencyReport(definition=definition(how), how=how, from_=since, to=until, groups=groups)

    return routes
