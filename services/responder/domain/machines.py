"""What a machine may write by itself, and when it has to be silent. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.responder.domain.eligibility import Means
from services.responder.domain.replies import MACHINE, Kind, Reply, Target, cancel
from services.responder.domain.rules import HandleRule
from services.responder.domain.templates import Template, fields_left, render

FIELDS = ("author", "handle")
"""The fields of a template that a machine can fill."""

ACKNOWLEDGE_WITHIN = timedelta(minutes=15)
"""Of the message: who wrote longer ago is not told "we have it" after an outage or a replay."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a conversation and its customer when a machine would write."""

    now: datetime
    stopped: bool = False  # the customer wants no such messages
    written: bool = False  # a machine has acknowledged in this conversation
    answered: bool = False  # a person has answered in it, or is about to


def way(target: Target, means: Means) -> bool:
    """Whether an answer to such a message can be sent from here at all."""
    return target.network in means.sendable and (not target.private or target.network in means.private)


def why_no_acknowledgement(target: Target, rule: HandleRule, known: Known, means: Means, *, within: timedelta) -> str:
    """Why this message gets none, in one word; empty: it gets one.

    In private the customer wrote first. In public the networks want an account labelled as automated, that was
    called, and once.
    """
    reasons = {
        "off": not rule.acknowledgement,
        "not_opened": target.outcome != "opened",
        "incident": bool(target.incident),
        "too_old": known.now - target.posted_at > within,
        "no_way": not way(target, means),
        "not_labelled": not (target.private or rule.automated),
        "not_called": not (target.private or target.summoned in ("named", "quoted")),
        "stop": known.stopped,
        "written": known.written,
        "answered": known.answered,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def unfillable(template: Template) -> dict[str, tuple[str, ...]]:
    """By language, the fields in it that a machine cannot fill; without such languages."""
    found = {
        tag: tuple(name for name in fields_left(text) if name not in FIELDS) for tag, text in template.texts.items()
    }
    return {tag: names for tag, names in found.items() if names}


def text_of(template: Template, language: str, target: Target) -> str:
    """What a machine writes to this person; empty: a field would stand in it unfilled."""
    values = {"author": f"@{target.author_username}" if target.author_username else "", "handle": f"@{target.handle}"}
    rendered = render(template, language, values)
    return "" if rendered.missing else rendered.text


def message(
    target: Target, kind: Kind, template: Template, text: str, id_: str, now: datetime, traceparent: str
) -> Reply:
    """The draft of it. Its place beside the answers to the mention has the kind's name: it is in nobody's way."""
    return Reply(
        id=id_,
        network=target.network,
        in_reply_to=target.post_id,
        handle=target.handle,
        text=text,
        state="draft",
        created_at=now,
        updated_at=now,
        not_before=now,
        key=target.key,
        team=target.team,
        item_id=target.item_id,
        follow_up_of=kind,
        author_id=target.author_id,
        thread_id=target.thread_id,
        private=target.private,
        traceparent=traceparent,
        created_by="guichet",
        conversation_id=target.conversation_id,
        kind=kind,
        template=template.label,
    )


def why_no_more(reply: Reply, known: Known, *, wrote_again: bool, within: timedelta) -> str:
    """Why a machine's message that waited must not go out now, in one word; empty: it may.

    Args:
        wrote_again: the customer, since it was queued.
    """
    if reply.kind not in MACHINE:
        return ""
    if known.stopped:
        return "stop"
    if reply.kind == "survey":
        return "wrote_again" if wrote_again else ""
    if known.answered:
        return "answered"
    return "too_old" if known.now - reply.created_at > within else ""


def for_nobody(reply: Reply | None, now: datetime) -> Reply | None:
    """A machine's message that could not go is given up: no person has to send it, or look for it."""
    if reply is None or reply.kind not in MACHINE or reply.state not in ("manual_required", "needs_human"):
        return reply
    given_up = cancel(reply, now, reply.reason)
    return replace(given_up, version=reply.version) if given_up else reply


def by_people(replies: Iterable[Reply]) -> list[Reply]:
    """Those that no machine wrote."""
    return [reply for reply in replies if reply.kind not in MACHINE]
