"""HTTP: how satisfied customers say they were, by how soon we answered."""

from typing import Annotated, Self

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from services.responder.api import stats_shapes as shapes
from services.responder.api.stats_shapes import Format, From, Report, To
from services.responder.domain.satisfaction import DEFINITION, Ratings
from services.responder.store import satisfaction as store
from services.responder.store.satisfaction import Group

GroupBy = Annotated[str, Query(max_length=40, json_schema_extra=shapes.among(Group))]

_COLUMNS = (
    "key",
    *(f"{part}.{name}" for part in ("answered", "satisfied") for name in ("numerator", "denominator", "share")),
    "mean",
    "median",
)


class Part(BaseModel):
    """So many of so many; share = numerator / denominator (null: of none)."""

    numerator: int
    denominator: int
    share: float | None

    @classmethod
    def of(cls, numerator: int, denominator: int) -> Self:
        share = numerator / denominator if denominator else None
        return cls(numerator=numerator, denominator=denominator, share=share)


class RatingGroup(BaseModel):
    """One group's surveys. Where none was sent there is no group."""

    key: str | None
    answered: Part = Field(description="Of the surveys sent")
    satisfied: Part = Field(description="Of the ratings: 4 and 5")
    mean: float | None = Field(description="Of the ratings, 1 to 5; null: there are none")
    median: float | None

    @classmethod
    def of(cls, ratings: Ratings) -> Self:
        return cls(
            key=ratings.key,
            answered=Part.of(ratings.answered, ratings.sent),
            satisfied=Part.of(ratings.satisfied, ratings.answered),
            mean=ratings.mean,
            median=ratings.median,
        )


class SatisfactionReport(Report):
    """What customers rated, and what exactly that means."""

    groups: list[RatingGroup]


def satisfaction_routes(database: Database) -> APIRouter:
    """`/v1/stats/satisfaction`."""
    routes = APIRouter(prefix="/v1/stats", tags=["stats"])

    @routes.get("/satisfaction", response_model=SatisfactionReport)
    async def satisfaction(
        caller: Annotated[Caller, needs("stats:read")],
        from_: From = None,
        to: To = None,
        group_by: GroupBy = "band",
        format: Format = "json",  # noqa: A002
    ) -> SatisfactionReport | Response:
        """What customers answered to surveys, by how soon we first answered them, or by another group."""
        group = shapes.chosen(group_by, Group, "group_by")
        async with shapes.in_time(), database.read() as session:
            since, until = shapes.period(from_, to, await db.now(session))
            found = await store.ratings(session, since, until, group, caller.teams)
        report = SatisfactionReport(
            definition=DEFINITION, from_=since, to=until, groups=[RatingGroup.of(each) for each in found]
        )
        return shapes.as_csv(report, "satisfaction", _COLUMNS) if format == "csv" else report

    return routes
