"""Rehearsals over REST: what a change would have made of the mentions that are stored."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema
from starlette.responses import Response

from libs.common.auth import Caller, needs
from libs.common.problems import Problem
from services.router.domain.configured import KINDS
from services.router.domain.simulation.rehearsed import AGENTS
from services.router.domain.simulation.traffic import Handling
from services.router.handlers.simulations import MOST_MENTIONS, Rehearsal, Rehearsals

_READ_ONLY = ("version", "updated_at", "change", "changes", "warnings", "agent", "used", "presence", "presence_at",
              "availability")  # fmt: skip
"""What other answers have beside a body: a thing may be sent here as it was answered, these are not looked at."""

_BY_SLUG = {"type": "object", "additionalProperties": {"type": ["object", "null"]}}
_SETUP = {
    "type": "object",
    "description": "As in `PATCH /v1/setup`: by kind and slug; null takes one out, what is not named stays",
    "additionalProperties": False,
    "properties": dict.fromkeys(KINDS, _BY_SLUG),
}
_AGENTS = {**_BY_SLUG, "description": "By slug, as in `PUT /v1/agents/{agent}`; null takes one out, others stay"}


class SimulationIn(BaseModel):
    """What to rehearse, and on which messages. Without `setup` and `agents`: what is in force."""

    model_config = ConfigDict(extra="forbid")

    start: AwareDatetime = Field(alias="from", description="Mentions posted since")
    end: AwareDatetime = Field(alias="to", description=f"and before; {MOST_MENTIONS:,} of them at most")
    setup: Annotated[dict[str, Any], WithJsonSchema(_SETUP)] = {}
    agents: Annotated[dict[str, Any], WithJsonSchema(_AGENTS)] = {}
    handling_seconds: float = Field(240, gt=0, le=86_400, description="Median work on an answer")
    handling_spread: float = Field(0.6, ge=0, le=3, description="Deviation of its logarithm; 0: all take as long")
    promise: str | None = Field(None, max_length=40, examples=["72% in 1h"], description="Of opening time")
    zone: str = Field("UTC", max_length=64, description="Of the hours of the day")
    seed: int = Field(1, ge=0, lt=2**63, description="The same seed gives the same report")
    items: bool = Field(False, description="Also who got each item, when and why")


class SpreadOut(BaseModel):
    """By nearest rank; null where it is reached by what was never answered, or there is nothing."""

    p50_seconds: float | None
    p80_seconds: float | None
    p90_seconds: float | None


class FiguresOut(BaseModel):
    """Of some items. Shares are of those that have a target; silence counts as late."""

    key: str
    items: int
    answered: int
    elapsed: SpreadOut = Field(description="From the post to the answer")
    opening: SpreadOut = Field(description="The same, in opening time of the queue")
    waited: SpreadOut = Field(description="From the post until somebody began")
    within_1h: float | None = Field(description="Share answered within an hour of opening time")
    within_90min: float | None
    met: int
    breached: int
    in_target: float | None = Field(description="met / (met + breached)")
    kept: float | None = Field(description="Share that kept the promise")


class AgentFiguresOut(BaseModel):
    """How an agent spent the time of the traffic."""

    agent: str
    answered: int
    busy_seconds: float
    idle_seconds: float
    overtime_seconds: float
    utilisation: float | None


class GapOut(BaseModel):
    """Items that nobody could take, at least at first, and why: `nobody has refunds >= 2`."""

    queue: str
    needs: str
    reason: str
    items: int
    unanswered: int


class PromiseOut(BaseModel):
    """A share of what has a target, answered within so much opening time."""

    share: float
    within_seconds: float


class GotOut(BaseModel):
    """Who got an item. `why`: at_once, same_agent, in_time, fifth_pick, only_late; empty: nobody did."""

    item: str
    queue: str
    urgency: str
    agent: str
    why: str
    posted_at: datetime
    taken_at: datetime | None
    answered_at: datetime | None
    due_at: datetime | None


class ReportOut(BaseModel):
    """What a rehearsal showed."""

    start: datetime
    end: datetime
    zone: str
    agents: list[AgentFiguresOut]
    messages: int
    joined: int
    set_aside: int
    total: FiguresOut
    queues: list[FiguresOut]
    urgencies: list[FiguresOut]
    hours: list[FiguresOut]
    waiting_at_end: int
    gaps: list[GapOut]
    promise: PromiseOut | None
    kept: bool | None
    got: list[GotOut]


class SimulationOut(BaseModel):
    """The report; with a change also that of what is in force, and how many items went elsewhere."""

    report: ReportOut
    before: ReportOut | None
    moved_queue: int
    moved_agent: int


def routes(rehearsals: Rehearsals) -> APIRouter:
    """The simulations' route."""
    router = APIRouter(prefix="/v1/simulations", tags=["simulations"])

    @router.post("", response_model=SimulationOut)
    async def post_simulation(body: SimulationIn, caller: Annotated[Caller, needs("queues:write")]) -> Response:
        """Rehearse a change on stored mentions: the router's own decisions, virtual agents, a virtual clock.

        Nothing is kept and nobody is told. Agents are there within their hours, whatever their presence is now. How
        many agents a promise takes says `guichet simulate --staffing`.
        """
        if body.end <= body.start:
            raise Problem(422, "no-time", "There is no time between `from` and `to`", fix="Let `to` be later.")
        changes: dict[str, Any] = {kind: _without_read_only(things) for kind, things in body.setup.items()}
        if body.agents:
            changes[AGENTS] = _without_read_only(body.agents)
        asked = Rehearsal(
            start=body.start,
            end=body.end,
            changes=changes,
            handling=Handling(body.handling_seconds, body.handling_spread, body.seed),
            promise=body.promise,
            zone=body.zone,
            with_items=body.items,
        )
        return Response(await rehearsals.rehearse(asked, caller.teams), media_type="application/json")

    return router


def _without_read_only(things: Any) -> Any:
    if not isinstance(things, dict):
        return things
    return {
        slug: {name: value for name, value in body.items() if name not in _READ_ONLY}
        if isinstance(body, dict)
        else body
        for slug, body in things.items()
    }
