"""HTTP: how long people wait, whether that was in time, who was answered at all, and how it ended."""

from typing import Annotated, cast

from fastapi import APIRouter, Query
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.problems import Problem
from services.responder.api import stats_shapes as shapes
from services.responder.api.stats_shapes import Format, From, To, Zone
from services.responder.domain import report as words
from services.responder.domain.latency import WITHIN_SECONDS, How, Spread, definition
from services.responder.domain.report import NOT_ANSWERED, Basis, Kind
from services.responder.store import mentions, report_figures, satisfaction
from services.responder.store.report_figures import Asked, Ends, Group

_GROUPS = {"json_schema_extra": shapes.among(Group)}
GroupBy = Annotated[str, Query(max_length=40, **_GROUPS)]

_SPREAD = ("min", "p50", "p90", "p99", "max", "mean")
_MET = ("met", "breached", "running", "canceled", "share")
_LATENCY_COLUMNS = (
    "key",
    "answered",
    *_SPREAD,
    *(f"within.{seconds}.{name}" for seconds in WITHIN_SECONDS for name in ("met", "of", "share")),
)
_SLA_COLUMNS = (
    "key",
    *(f"within.{seconds}.{name}" for seconds in WITHIN_SECONDS for name in _MET),
    *(f"clocks.{kind}.{name}" for kind in ("first", "next", "promise") for name in ("met", "breached", "share")),
)
_COVERAGE_COLUMNS = (
    "key",
    "mentions",
    "set_aside",
    "set_aside_answered",
    *(f"dismissed.{reason}" for reason in words.DISMISSED),
    "needed",
    "answered.direct",
    "answered.covered",
    *(f"not_answered.{reason}" for reason in NOT_ANSWERED),
    "share",
)
_CONVERSATION_COLUMNS = (
    "key",
    *(f"{part}.{name}" for part in ("interactions", "messages_per_answer") for name in ("n", *_SPREAD)),
    *(f"complaints.{name}" for name in ("answered", "wrote_again", "ended_well", "share")),
)


def stats_routes(database: Database) -> APIRouter:
    """`/v1/stats`."""
    routes = APIRouter(prefix="/v1/stats", tags=["stats"])

    @routes.get("/response-latency", response_model=shapes.LatencyReport)
    async def response_latency(
        caller: Annotated[Caller, needs("stats:read")],
        from_: From = None,
        to: To = None,
        group_by: GroupBy = "none",
        how: Annotated[
            How, Query(description="covered: by a later reply to another message of its conversation")
        ] = "direct",
        kind: Annotated[
            Kind, Query(description="What waited: each mention, or a conversation for its first or next answer, or all")
        ] = "mention",
        basis: Annotated[Basis, Query(description="business: only while the queue was open")] = "elapsed",
        zone: Zone = "UTC",
        format: Format = "json",  # noqa: A002
    ) -> shapes.LatencyReport | Response:
        """How long the mentions of a time waited for our first answer."""
        group = shapes.chosen(group_by, Group if kind != "mention" else mentions.GroupBy, "group_by")
        whole = kind == "mention" and group != "hour"  # along one index, and as long as one likes
        async with shapes.in_time(), database.read() as session:
            now = await db.now(session)
            since, until = shapes.period(from_, to, now, None if whole else words.LONGEST)
            asked = Asked(since, until, now, group, shapes.zone_of(zone), caller.teams)
            spreads, left_out = await _latencies(session, asked, kind, how, basis)
        report = shapes.LatencyReport(
            definition=definition(how) + words.on_basis(basis) if kind == "mention" else words.definition(kind, basis),
            how=how,
            kind=kind,
            basis=basis,
            left_out=left_out,
            from_=since,
            to=until,
            groups=[shapes.LatencyGroup.of(spread) for spread in spreads],
        )
        if format == "csv":
            also = {"kind": kind, "basis": basis, "how": how}
            return shapes.as_csv(report, "response-latency", _LATENCY_COLUMNS, also)
        return report

    @routes.get("/sla", response_model=shapes.SlaReport)
    async def sla(
        caller: Annotated[Caller, needs("stats:read")],
        from_: From = None,
        to: To = None,
        group_by: GroupBy = "none",
        zone: Zone = "UTC",
        format: Format = "json",  # noqa: A002
    ) -> shapes.SlaReport | Response:
        """How many of the mentions that needed an answer had it in time; those without one count when time is over."""
        async with shapes.in_time(), database.read() as session:
            asked = await _asked(session, caller, (from_, to), group_by, zone)
            kept = await report_figures.kept(session, asked, WITHIN_SECONDS)
            clocks = await report_figures.clocks(session, asked)
        none = dict.fromkeys(WITHIN_SECONDS, words.Kept(0, 0))
        groups = [
            shapes.SlaGroup(
                key=_shown(key, asked),
                within={str(limit): shapes.KeptAnswer.of(each) for limit, each in kept.get(key, none).items()},
                clocks={kind: shapes.ClockAnswer.of(each) for kind, each in clocks.get(key, {}).items()},
            )
            for key in sorted(kept.keys() | clocks.keys())
        ]
        report = shapes.SlaReport(definition=words.SLA_DEFINITION, from_=asked.since, to=asked.until, groups=groups)
        return shapes.as_csv(report, "sla", _SLA_COLUMNS) if format == "csv" else report

    @routes.get("/coverage", response_model=shapes.CoverageReport)
    async def coverage(
        caller: Annotated[Caller, needs("stats:read")],
        from_: From = None,
        to: To = None,
        group_by: GroupBy = "none",
        zone: Zone = "UTC",
        format: Format = "json",  # noqa: A002
    ) -> shapes.CoverageReport | Response:
        """How many of the mentions that needed an answer have one, and why the others have none."""
        async with shapes.in_time(), database.read() as session:
            asked = await _asked(session, caller, (from_, to), group_by, zone)
            found = await report_figures.covered(session, asked)
        report = shapes.CoverageReport(
            definition=words.COVERAGE_DEFINITION,
            from_=asked.since,
            to=asked.until,
            reasons=NOT_ANSWERED,
            groups=[shapes.CoverageGroup.of(each) for each in found],
        )
        return shapes.as_csv(report, "coverage", _COVERAGE_COLUMNS) if format == "csv" else report

    @routes.get("/conversations", response_model=shapes.ConversationReport)
    async def conversations(
        caller: Annotated[Caller, needs("stats:read")],
        from_: From = None,
        to: To = None,
        group_by: GroupBy = "none",
        zone: Zone = "UTC",
        format: Format = "json",  # noqa: A002
    ) -> shapes.ConversationReport | Response:
        """How many interactions answered conversations took, and how those that began with a complaint ended."""
        async with shapes.in_time(), database.read() as session:
            asked = await _asked(session, caller, (from_, to), group_by, zone)
            spreads, ends = await report_figures.conversations(session, asked)
            per_answer = {each.key: each for each in await report_figures.messages_per_answer(session, asked)}
            rated = await satisfaction.count(session, asked.since, asked.until, asked.teams)
        report = shapes.ConversationReport(
            definition=words.CONVERSATIONS_DEFINITION,
            from_=asked.since,
            to=asked.until,
            satisfaction=shapes.Satisfaction(ratings=rated, note=words.RATINGS if rated else words.NO_RATINGS),
            groups=[_talks(each, ends[each.key or ""], per_answer.get(each.key)) for each in spreads],
        )
        return shapes.as_csv(report, "conversations", _CONVERSATION_COLUMNS) if format == "csv" else report

    return routes


async def _asked(session: AsyncSession, caller: Caller, time: tuple[From, To], group_by: str, zone: str) -> Asked:
    group = shapes.chosen(group_by, Group, "group_by")
    now = await db.now(session)
    since, until = shapes.period(*time, now)
    return Asked(since, until, now, group, shapes.zone_of(zone), caller.teams)


async def _latencies(
    session: AsyncSession, asked: Asked, kind: Kind, how: How, basis: Basis
) -> tuple[list[Spread], int]:
    """The spreads, and how many answered ones have no time on this basis."""
    if kind == "mention":
        time = asked.since, asked.until
        group = cast(mentions.GroupBy, asked.group_by)
        found = await mentions.response_latency(
            session, *time, group, asked.teams, WITHIN_SECONDS, how, basis, asked.zone
        )
        if basis == "elapsed":
            return found, 0
        return found, await mentions.without_hours(session, *time, asked.teams, how)
    if how != "direct":
        raise Problem(
            422,
            "how-of-mentions",
            "`how` is asked of mentions only",
            f"kind={kind} counts the first of all answers that people gave.",
            "Leave `how` out, or ask for kind=mention.",
        )
    if kind == "resolution":
        return await report_figures.resolutions(session, asked, basis, WITHIN_SECONDS)
    return await report_figures.exchange_waits(session, asked, kind, basis, WITHIN_SECONDS)


def _shown(key: str, asked: Asked) -> str | None:
    return None if asked.group_by == "none" else key


def _talks(found: Spread, ends: Ends, per_answer: Spread | None) -> shapes.ConversationGroup:
    return shapes.ConversationGroup(
        key=found.key,
        interactions=shapes.Counts.of(found),
        messages_per_answer=shapes.Counts.of(per_answer) if per_answer else None,
        complaints=shapes.Complaints(
            answered=ends.complaints,
            wrote_again=ends.wrote_again,
            ended_well=ends.ended_well,
            share=ends.ended_well / ends.complaints if ends.complaints else None,
        ),
    )
