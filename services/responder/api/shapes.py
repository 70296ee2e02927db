"""What replies look like over REST, and what is said when something cannot be done."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, assert_never

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from libs.common.clock import as_utc
from libs.common.problems import Problem
from services.responder.domain.by_hand import answer_url
from services.responder.domain.deletions import Gone
from services.responder.domain.freshness import WentOn
from services.responder.domain.length import TooLong
from services.responder.domain.replies import PROMISE_SECONDS, Kind, NothingToFollow, Reply, State, Taken
from services.responder.handlers.replies import Held, NoTemplate, NotThere, Refusal

REPLY_BODY_BYTES = 256 * 1024  # the longest text, each character escaped

Word = Annotated[str, StringConstraints(max_length=200, pattern=r"^[\x21-\x7e\u00a1-\ud7ff]*$")]
Needed = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e\u00a1-\ud7ff]*$")]
TakeOver = Annotated[bool, Field(description="Also where another agent has the conversation in hand")]
Seen = Annotated[
    int | None,
    Field(ge=0, le=2**31 - 1, description="The conversation's version as the writer saw it: 409 if it went on since"),
]
Promise = Annotated[
    int | None, Field(ge=60, le=7 * 86400, description="Of a holding reply: back within; 2 h unless written")
]
FromTemplate = Annotated[
    str,
    StringConstraints(max_length=80, pattern=r"^([a-z0-9][a-z0-9-]{0,62}(@[0-9]{1,8})?)?$"),
    Field(description="The template it was written from: its slug, or slug@version"),
]


class _Text(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str
    kind: Literal["reply", "holding"] = Field(
        "reply",
        description="`holding`: I am on it, I come back by ...; a closure is posted by POST /v1/closures/{id}/post",
    )
    promise_seconds: Promise = None
    template: FromTemplate = ""

    def promised(self) -> int:
        """Seconds; 0 for what promises nothing."""
        if self.kind != "holding":
            return 0
        return PROMISE_SECONDS if self.promise_seconds is None else self.promise_seconds


class NewReply(_Text):
    """An answer to one mention."""

    network: Needed = Field(examples=["x"])
    post_id: Needed = Field(description="The mention it answers", examples=["1900000000000000001"])
    agent: Word = Field("", description="Who wrote it", examples=["ana"])
    item_id: Word = Field("", description="The work item it is for; the mention's own unless written")
    follow_up_of: Word = Field("", description="The reply after which this one comes; without it a mention gets one")
    based_on_version: Seen = None
    take_over: TakeOver = False
    state: Literal["queued", "draft"] = Field("queued", description="`draft`: keep it, send nothing")


class DraftText(_Text):
    """A draft as it is now."""

    agent: Word = ""


class Sending(BaseModel):
    """What the writer of a draft has seen."""

    model_config = ConfigDict(extra="forbid")

    based_on_version: Seen = None
    take_over: TakeOver = False


class ByHandPost(BaseModel):
    """What a person posted on the network's own site."""

    model_config = ConfigDict(extra="forbid")

    post_id: Needed = Field(description="The id of our post on the network")
    posted_at: AwareDatetime | None = Field(None, description="The network's time, where it is known")


class Cancellation(BaseModel):
    """Why a reply is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")] = "taken back"


class ReplyAnswer(BaseModel):
    """A reply. `reason` says why it is in its state, in words for a person."""

    id: str
    state: State
    text: str
    network: str
    in_reply_to: str
    handle: str
    agent: str
    item_id: str
    follow_up_of: str
    created_at: datetime
    updated_at: datetime
    posted_at: datetime | None = Field(description="The network's time")
    own_post_id: str | None = Field(description="The id of our post on the network")
    reason: str
    version: int
    conversation_id: str = ""
    kind: Kind = "reply"
    promise_seconds: int | None = Field(None, description="Of a holding reply")
    promised_at: datetime | None = Field(None, description="Of a holding reply that is out: back by then")
    template: str = Field("", description="slug@version it was written from")
    warnings: list[str] = Field(
        [],
        description="`unadapted`: word for word its template; `unfilled`: {field} in it; `repeated`: the same words as"
        " our last ones there; `personal_data`: of a closure, it may say in public what was private",
    )
    sends_at: datetime | None = Field(None, description="Of a queued one: not before; until then it can be taken back")
    approved_by: str = ""
    by_hand: bool = False
    answer_url: str | None = Field(None, description="Where a person can post it by hand")

    @classmethod
    def of(cls, reply: Reply) -> Self:
        same = {name: getattr(reply, name) for name in cls.model_fields if name not in _WORKED_OUT}
        return cls(
            **same,
            promise_seconds=reply.promise_seconds if reply.kind == "holding" else None,
            warnings=reply.warnings.split(),
            sends_at=reply.not_before if reply.state == "queued" else None,
            answer_url=answer_url(
                reply.network, reply.in_reply_to, reply.text, private=reply.private, author_id=reply.author_id
            )
            if reply.state in ("manual_required", "refused")
            else None,
        )


_WORKED_OUT = ("promise_seconds", "warnings", "sends_at", "answer_url")


def utc(moment: datetime, name: str) -> datetime:
    """The moment in UTC.

    Raises:
        Problem: 422; there is no such time.
    """
    try:
        return as_utc(moment)
    except OverflowError:
        raise Problem(422, "no-such-time", "There is no such time", f"`{name}` is out of all bounds.") from None


def refusal(
    answer: Refusal, *, network: str, post_id: str, follow_up_of: str = "", template: str = "", text: str = ""
) -> Problem:
    """Why this reply cannot go.

    Args:
        text: what is kept nowhere, and given back.
    """
    match answer:
        case NotThere():
            return Problem(
                404,
                "no-such-mention",
                "This mention is not known here",
                f"There is no mention {post_id} on {network}; it may be accepted and not yet routed.",
                "Look at GET /v1/mentions/{network}/{id} of the router; if it is on its way, try again in a second.",
            )
        case Taken(by):
            return Problem(
                409,
                "already-answered",
                "This mention has a reply",
                f"{by.id} is {by.state}" + (f" ({by.reason})" if by.reason else "") + ".",
                "Read it; to say something more once it is out, name it in `follow_up_of`.",
                reply_id=by.id,
                reply_state=by.state,
            )
        case NothingToFollow():
            return Problem(
                422,
                "nothing-to-follow",
                "There is no reply to follow",
                f"{follow_up_of} is not a reply to this mention that is out or on its way.",
                "Leave `follow_up_of` out for the first reply to a mention.",
            )
        case NoTemplate():
            return Problem(
                422,
                "no-such-template",
                "There is no such template",
                f"There is no template {template} that you may see.",
                "GET /v1/templates lists them; leave `template` out if there was none.",
            )
        case WentOn():
            return _went_on(answer)
        case Gone():
            return _gone(answer, text)
        case Held(by):
            return Problem(
                409,
                "held-by-another",
                "Another agent has this conversation in hand",
                f"{by.agent} has {by.item_id} since {by.told_at.isoformat()}.",
                "Ask them, or send it with `take_over`: true.",
                agent=by.agent,
                item_id=by.item_id,
                conversation_id=by.conversation_id,
            )
        case TooLong():
            return Problem(
                422,
                "text-too-long",
                "This text is too long",
                f"With its signature it has {answer.length} {answer.unit} as {network} counts them; {answer.limit} are"
                f" allowed: {answer.over} too many.",
                "Shorten it and send it again; POST /v1/length counts while one writes.",
                length=answer.length,
                limit=answer.limit,
                over=answer.over,
            )
        case other:
            assert_never(other)


def _gone(gone: Gone, text: str) -> Problem:
    there = gone.living
    return Problem(
        409,
        "mention-deleted",
        "This message was deleted",
        f"{gone.target.post_id} on {gone.target.network} was taken away by its author or its network; we heard so at"
        f" {gone.target.routed_at.isoformat()}. Nothing is sent to it, and texts to it are not kept.",
        f"Answer {there.post_id} instead: it is of the same conversation, and still there."
        if there
        else "Nothing of this conversation is left to answer.",
        network=gone.target.network,
        post_id=gone.target.post_id,
        deleted_at=gone.target.routed_at.isoformat(),
        text=text or None,
        answer_instead={
            "network": there.network,
            "post_id": there.post_id,
            "href": f"/v1/mentions/{there.network}/{there.post_id}",
        }
        if there
        else None,
    )


def _went_on(news: WentOn) -> Problem:
    what = [
        f"the customer wrote {len(news.messages)} more" if news.messages else "",
        "somebody answered" if news.answer else "",
        f"a colleague's reply is {news.replies[-1].state}" if news.replies else "",
    ]
    return Problem(
        409,
        "conversation-went-on",
        "The conversation went on since you read it",
        f"Meanwhile {' and '.join(filter(None, what))}.",
        f"Read what is new; your text is kept as the draft {news.draft.id}: POST /v1/replies/{news.draft.id}/send"
        " with the new based_on_version.",
        draft_id=news.draft.id,
        new_messages=[
            {
                "network": message.network,
                "post_id": message.post_id,
                "posted_at": message.posted_at.isoformat(),
                "conversation_version": message.conversation_version,
                "href": f"/v1/mentions/{message.network}/{message.post_id}",
            }
            for message in news.messages
        ],
        new_answer=_shown_answer(news) if news.answer else None,
        replies=[{"id": reply.id, "state": reply.state, "agent": reply.agent} for reply in news.replies],
    )


def _shown_answer(news: WentOn) -> dict[str, Any]:
    assert news.answer is not None
    return {
        "own_post_id": news.answer.own_post_id,
        "reply_id": news.answer.reply_id,
        "in_reply_to": news.answer.in_reply_to,
        "answered_at": news.answer.answered_at.isoformat(),
        "conversation_version": news.answer.version,
    }


def no_such_reply(id_: str) -> Problem:
    """404."""
    return Problem(404, "no-such-reply", "There is no such reply", f"There is no reply {id_[:80]} that you may see.")


def too_late(reply: Reply) -> Problem:
    """409: its state does not allow taking it back."""
    return wrong_state(
        reply,
        "too-late",
        "It is too late to take this reply back",
        "Only what is not on its way can be taken back; a post is deleted on its network.",
    )


def wrong_state(reply: Reply, slug: str, title: str, fix: str) -> Problem:
    """409: its state does not allow that."""
    return Problem(
        409,
        slug,
        title,
        f"{reply.id} is {reply.state}" + (f" ({reply.reason})" if reply.reason else "") + ".",
        fix,
        reply_state=reply.state,
    )
