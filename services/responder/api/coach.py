"""HTTP: advice on a draft, and what our own replies say about it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from libs.common import db
from libs.common.auth import Caller, needs
from libs.common.db import Database
from libs.common.problems import Problem
from services.responder.api.shapes import Needed, Word, utc
from services.responder.domain.coach import Advice, Level
from services.responder.domain.effects import DEFINITION, Effect, Share
from services.responder.handlers.coach import LOOK_BACK, Check, Coach

Said = Annotated[str, StringConstraints(max_length=25_000)]


class DraftToCheck(BaseModel):
    """A draft, as far as it is written. Nothing of it is kept."""

    model_config = ConfigDict(extra="forbid")

    network: Needed = Field(examples=["x"])
    text: Said
    post_id: Word = Field("", description="The mention it answers: its language, intent, handle and our last reply")
    agent: Word = Field("", description="Who writes it", examples=["ana"])
    private: bool = Field(False, description="Of a mention we do not know: nobody else reads the answer")
    language: Word = Field("", description="Of a mention we do not know", examples=["fr"])
    intent: Word = Field("", description="Of a mention we do not know", examples=["complaint"])
    customer_name: Annotated[str, StringConstraints(max_length=200)] = Field("", description="As the network shows it")
    customer_text: Said = Field("", description="What they wrote: to see whether their question is answered")


class ShareAnswer(BaseModel):
    """So many of n."""

    met: int
    n: int
    share: float | None

    @classmethod
    def of(cls, share: Share) -> Self:
        return cls(met=share.met, n=share.n, share=share.met / share.n if share.n else None)


class EffectAnswer(BaseModel):
    """How often an outcome followed replies with a trait, and replies without it."""

    trait: str
    outcome: str
    with_: ShareAnswer = Field(serialization_alias="with")
    without: ShareAnswer
    difference: float | None = Field(description="Null: no data yet")
    interval: tuple[float, float] | None = Field(description="Of the difference, 95 %")

    @classmethod
    def of(cls, effect: Effect) -> Self:
        low, high = effect.low, effect.high
        return cls(
            trait=effect.trait,
            outcome=effect.outcome,
            with_=ShareAnswer.of(effect.present),
            without=ShareAnswer.of(effect.absent),
            difference=effect.difference,
            interval=None if low is None or high is None else (low, high),
        )


class MeasuredEffect(BaseModel):
    """What our own replies of the last 90 days say."""

    note: Literal["no data yet", "correlation, not cause"]
    outcomes: list[EffectAnswer]

    @classmethod
    def of(cls, effects: Sequence[Effect]) -> Self:
        known = [EffectAnswer.of(effect) for effect in effects if effect.difference is not None]
        return cls(note="correlation, not cause" if known else "no data yet", outcomes=known)


class AdviceAnswer(BaseModel):
    """One thing to look at. `stop`: as it is it should not, or cannot, go out."""

    code: str
    level: Level
    what: str
    todo: str
    start: int | None = Field(description="In code points of the text; null: the whole of it")
    end: int | None
    effect: MeasuredEffect

    @classmethod
    def of(cls, advice: Advice, effects: Sequence[Effect]) -> Self:
        start, end = advice.span or (None, None)
        return cls(
            code=advice.code,
            level=advice.level,
            what=advice.what,
            todo=advice.todo,
            start=start,
            end=end,
            effect=MeasuredEffect.of(effects),
        )


class Checks(BaseModel):
    """The advice, the gravest first. It is advice: nothing here keeps a reply from being sent."""

    language: str = Field(description="Of the draft, and of the advice")
    advice: list[AdviceAnswer]


class StyleReport(BaseModel):
    """What went with what in our replies, and what exactly that means."""

    definition: str
    from_: datetime = Field(serialization_alias="from")
    to: datetime
    replies: int
    whole: bool = Field(description="False: there were more; these are the latest")
    effects: list[EffectAnswer]


def coach_routes(database: Database, coach: Coach) -> APIRouter:
    """`/v1/reply-checks` and `/v1/stats/reply-style`."""
    routes = APIRouter(prefix="/v1")

    @routes.post("/reply-checks", tags=["replies"])
    async def check(draft: DraftToCheck, caller: Annotated[Caller, needs("replies:read")]) -> Checks:
        """What could be better in a draft, in its language, with the effect measured on our own replies."""
        checked = await coach.check(Check(**draft.model_dump()), caller.teams)
        if checked is None:
            raise Problem(
                404,
                "no-such-mention",
                "This mention is not known here",
                f"There is no mention {draft.post_id} on {draft.network} that you may see.",
                "Leave `post_id` out and write `language`, `intent` and `private` instead.",
            )
        return Checks(
            language=checked.language,
            advice=[AdviceAnswer.of(each, checked.effects.get(each.trait or "", ())) for each in checked.advice],
        )

    @routes.get("/stats/reply-style", tags=["stats"])
    async def reply_style(
        caller: Annotated[Caller, needs("stats:read")],
        from_: Annotated[
            AwareDatetime | None, Query(alias="from", description="90 days before `to` unless written")
        ] = None,
        to: Annotated[AwareDatetime | None, Query(description="Now unless written")] = None,
    ) -> StyleReport:
        """What our replies were like and what came of them."""
        async with database.read() as session:
            until = utc(to, "to") if to else await db.now(session)
            since = utc(from_, "from") if from_ else _before(until, LOOK_BACK)
            if since >= until:
                raise Problem(422, "empty-time", "`from` is not before `to`", fix="Swap them.")
            style = await coach.style(session, since, until, caller.teams)
        return StyleReport(
            definition=DEFINITION,
            from_=since,
            to=until,
            replies=style.replies,
            whole=style.whole,
            effects=[EffectAnswer.of(effect) for effect in style.effects],
        )

    return routes


def _before(moment: datetime, span: timedelta) -> datetime:
    try:
        return moment - span
    except OverflowError:
        raise Problem(422, "no-such-time", "There is no such time", "`to` is out of all bounds.") from None
