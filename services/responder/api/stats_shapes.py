"""What somebody asks of the figures, and what the answers look like."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self, TypeVar, get_args
from zoneinfo import ZoneInfo, available_timezones

from fastapi import Query
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from libs.common.errors import Unavailable
from libs.common.problems import Problem
from services.responder.api.shapes import utc
from services.responder.domain.latency import How, Spread
from services.responder.domain.report import LONGEST, Basis, Coverage, Kept, Kind
from services.responder.domain.report_csv import table

From = Annotated[AwareDatetime | None, Query(alias="from", description="24 hours before `to` unless written")]
To = Annotated[AwareDatetime | None, Query(description="Now unless written")]
Zone = Annotated[str, Query(max_length=64, description="Whose hours, with group_by=hour: an IANA zone")]
Format = Annotated[Literal["json", "csv"], Query(description="csv: a table for a spreadsheet, one row a group")]

_DAWN = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(hours=24)
_CANCELED = "57014"  # PostgreSQL: by its statement timeout

Choice = TypeVar("Choice", bound=str)


def among(choices: Any) -> dict[str, Any]:
    """Says in the reference what `chosen` takes."""
    return {"enum": list(get_args(choices))}


def chosen(said: str, choices: Any, name: str) -> Any:
    """What was said, if it is one of the choices of this Literal.

    Raises:
        Problem: 422, which names the nearest.
    """
    known = get_args(choices)
    if said in known:
        return said
    near = get_close_matches(said, known, n=1, cutoff=0.5)
    raise Problem(
        422,
        "not-a-choice",
        "This is not one of the choices",
        f"`{name}` is one of {', '.join(known)}.",
        f"Did you mean {name}={near[0]}?" if near else f"Write one of them as `{name}`.",
        errors=[{"in": "query", "path": name, "detail": f"one of {', '.join(known)}"}],
    )


def zone_of(name: str) -> ZoneInfo:
    """The zone of this name.

    Raises:
        Problem: 422, which names the nearest.
    """
    known = available_timezones()
    if name in known:
        return ZoneInfo(name)
    near = get_close_matches(name, known, n=1)
    raise Problem(
        422,
        "no-such-zone",
        "There is no such zone",
        "`zone` is an IANA zone, such as Europe/Paris.",
        f"Did you mean {near[0]}?" if near else "Write UTC, or leave it out.",
    )


def period(
    from_: datetime | None, to: datetime | None, now: datetime, longest: timedelta | None = LONGEST
) -> tuple[datetime, datetime]:
    """From when until when, in UTC; the last 24 hours unless written.

    Raises:
        Problem: 422; the end is not after the beginning, or it is too long.
    """
    until = utc(to, "to") if to else now
    since = utc(from_, "from") if from_ else max(until, _DAWN) - _DAY
    if since >= until:
        raise Problem(422, "empty-time", "`from` is not before `to`", fix="Swap them.")
    if longest is not None and until - since > longest:
        raise Problem(
            422,
            "time-too-long",
            "This is too long a time",
            f"From `from` to `to` are {(until - since).days} days; {longest.days} are allowed.",
            "Ask for a shorter time, more than once; or read the views report_* of the database.",
        )
    return since, until


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """What the database has no time to count is asked for in parts.

    Raises:
        Problem: 422; a question took longer than the database allows.
    """
    try:
        yield
    except Unavailable as error:
        if getattr(getattr(error.__cause__, "orig", None), "sqlstate", "") != _CANCELED:
            raise
        raise Problem(
            422,
            "too-much-to-count",
            "There is too much to count in this time",
            "The database did not finish within the time that a question may take.",
            "Ask for a shorter time, more than once; or read the views report_* of the database.",
        ) from error


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


class Report(BaseModel):
    """What every report says about itself."""

    definition: str
    from_: datetime = Field(serialization_alias="from")
    to: datetime


class LatencyReport(Report):
    """How long people waited for an answer, and what exactly that means."""

    how: How
    unit: Literal["seconds"] = "seconds"
    kind: Kind = "mention"
    basis: Basis = "elapsed"
    left_out: int = Field(0, description="Of basis=business: answered, and nobody knows its queue's hours")
    groups: list[LatencyGroup]


class KeptAnswer(BaseModel):
    """share = met / (met + breached); null: none is counted yet."""

    met: int
    breached: int
    running: int
    canceled: int
    share: float | None

    @classmethod
    def of(cls, kept: Kept) -> Self:
        return cls(met=kept.met, breached=kept.breached, running=kept.running, canceled=kept.canceled, share=kept.share)


class ClockAnswer(BaseModel):
    """What the queues' policies promised; share = met / (met + breached)."""

    met: int
    breached: int
    share: float | None

    @classmethod
    def of(cls, kept: Kept) -> Self:
        return cls(met=kept.met, breached=kept.breached, share=kept.share)


class SlaGroup(BaseModel):
    """Whether the mentions of one group were answered in time: within so many seconds, and as promised."""

    key: str | None
    within: dict[str, KeptAnswer]
    clocks: dict[str, ClockAnswer] = Field(description="By kind: first, next, promise; absent: none ended yet")


class SlaReport(Report):
    """How many were answered in time, of how many, and what exactly that means."""

    groups: list[SlaGroup]


class AnsweredBy(BaseModel):
    """By a post that names the mention, or one that comes after it in its conversation."""

    direct: int
    covered: int


class CoverageGroup(BaseModel):
    """What became of one group's mentions. share = (direct + covered) / needed; null: none needed an answer."""

    key: str | None
    mentions: int
    set_aside: int = Field(description="Needed no answer")
    set_aside_answered: int = Field(description="Of those; they have an answer all the same")
    dismissed: dict[str, int]
    needed: int
    answered: AnsweredBy
    not_answered: dict[str, int] = Field(description="By reason; `reasons` says what each means")
    share: float | None

    @classmethod
    def of(cls, found: Coverage) -> Self:
        same = ("key", "mentions", "set_aside", "set_aside_answered", "dismissed", "needed", "not_answered", "share")
        answered = AnsweredBy(direct=found.direct, covered=found.covered)
        return cls(answered=answered, **{name: getattr(found, name) for name in same})


class CoverageReport(Report):
    """How many were answered of those that needed it, and why the others were not."""

    reasons: dict[str, str]
    groups: list[CoverageGroup]


class Counts(BaseModel):
    """How a number is spread within a group."""

    n: int
    min: float
    p50: float
    p90: float
    p99: float
    max: float
    mean: float

    @classmethod
    def of(cls, spread: Spread) -> Self:
        names = ("min", "p50", "p90", "p99", "max", "mean")
        return cls(n=spread.answered, **{name: getattr(spread, name) for name in names})


class Complaints(BaseModel):
    """Conversations that began with one. share = ended_well / answered; null: there was none."""

    answered: int
    wrote_again: int = Field(description="The customer, after our first answer")
    ended_well: int
    share: float | None


class ConversationGroup(BaseModel):
    """The answered conversations of one group."""

    key: str | None
    interactions: Counts
    messages_per_answer: Counts | None
    complaints: Complaints


class Satisfaction(BaseModel):
    """By how soon we answered."""

    ratings: int
    note: str


class ConversationReport(Report):
    """What conversations were like, and how they ended."""

    satisfaction: Satisfaction
    groups: list[ConversationGroup]


def as_csv(report: Report, name: str, columns: Sequence[str], also: Mapping[str, str] | None = None) -> Response:
    """The report's groups as a table; each row says what it is and of which time."""
    said = report.model_dump(mode="json", by_alias=True)
    words = {each: said[each] for each in ("from", "to")} | dict(also or {}) | {"definition": report.definition}
    return Response(
        table(said["groups"], words, columns),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
