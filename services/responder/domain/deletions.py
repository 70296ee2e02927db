"""The author took a message away: what we wrote about it and never sent goes too."""

from dataclasses import dataclass, replace
from datetime import datetime

from services.responder.domain.replies import Reply, State, Target, cancel

DELETED = "deleted"

_NEVER_OUT: tuple[State, ...] = ("refused", "canceled")


@dataclass(frozen=True, slots=True)
class Gone:
    """There is nothing to answer any more. `living`: the latest message of its conversation that is still there."""

    target: Target
    living: Target | None


def withdraw(reply: Reply, now: datetime) -> Reply | None:
    """The reply after its mention was deleted: canceled, without its text; None where it stays as it is.

    What is on its way, or may be out, stays: only its text tells it from others on our timeline.
    """
    if reply.state == "needs_human":
        return None
    if canceled := cancel(reply, now, DELETED):
        return replace(canceled, text="")
    if reply.state in _NEVER_OUT and reply.text:
        return replace(reply, text="", updated_at=now, version=reply.version + 1)
    return None
