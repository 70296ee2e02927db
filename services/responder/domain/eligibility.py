"""Whether a mention may be answered, and how, before anybody writes a word."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from services.responder.domain.replies import Target

CanReply = Literal["api", "uncertain", "manual", "no"]
CanDm = Literal["yes", "unknown", "no"]
Plan = Literal["self_serve", "enterprise"]
Reason = Literal[
    "named",
    "quoted",
    "private",
    "anybody",
    "implied",
    "not_told",
    "not_summoned",
    "no_gateway",
    "no_private_gateway",
    "deleted",
]
DmReason = Literal["they_wrote", "they_never_wrote", "no_private_gateway", "deleted"]

_ONLY_SUMMONED: tuple[str, ...] = ("x",)
"""Networks on which only who was named or quoted may answer from a program. Source: X's rules since February 2026."""

_WHY: dict[Reason, str] = {
    "named": "they named the handle",
    "quoted": "they quote a post of the handle",
    "private": "they wrote in private, and so is the answer",
    "anybody": "anybody may be answered there",
    "implied": "they wrote in a thread with the handle and did not name it: the network may refuse",
    "not_told": "nobody told whether they named the handle: the network may refuse",
    "not_summoned": "they did not name the handle: the network lets only a person answer, on its own site",
    "no_gateway": "there is no way to post on {network} from here yet",
    "no_private_gateway": "private messages on {network} cannot be sent from here",
    "deleted": "the message was deleted",
}


@dataclass(frozen=True, slots=True)
class Means:
    """What we can send, and where."""

    sendable: Collection[str]  # the networks we have a gateway to
    private: Collection[str] = ()  # those of them on which we can send private messages
    x_plan: Plan = "self_serve"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer may do.

    `api`: posted from here. `uncertain`: tried once; a refusal leaves it to a person, with its text. `manual`: a person
    posts it on the network's own site. `no`: nobody can.
    """

    can_reply: CanReply
    reason: Reason
    why: str  # in words


def can_reply(target: Target, means: Means) -> Verdict:
    """What an answer to this mention may do."""
    can, reason = _reply(target, means)
    return Verdict(can, reason, _WHY[reason].format(network=target.network))


def can_dm(target: Target, means: Means, *, wrote_first: bool) -> tuple[CanDm, DmReason]:
    """Whether its author takes a private message of this handle: for sure only who wrote one first.

    Args:
        wrote_first: they have written to this handle in private, in whatever conversation.
    """
    if target.outcome == "deleted":
        return "no", "deleted"
    if target.network not in means.sendable or target.network not in means.private:
        return "no", "no_private_gateway"
    if target.private or wrote_first:
        return "yes", "they_wrote"
    return "unknown", "they_never_wrote"


def _reply(target: Target, means: Means) -> tuple[CanReply, Reason]:
    if target.outcome == "deleted":
        return "no", "deleted"
    if target.network not in means.sendable:
        return "manual", "no_gateway"
    if target.private:
        return ("api", "private") if target.network in means.private else ("manual", "no_private_gateway")
    if target.network not in _ONLY_SUMMONED or means.x_plan == "enterprise":
        return "api", "anybody"
    match target.summoned:
        case "named":
            return "api", "named"
        case "quoted":
            return "api", "quoted"
        case "implied":
            return "uncertain", "implied"
        case "not":
            return "manual", "not_summoned"
        case _:
            return "uncertain", "not_told"
