"""Whether the conversation went on while somebody wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.responder.domain.replies import IN_FLIGHT, MACHINE, Reply, Target


@dataclass(frozen=True, slots=True)
class Answer:
    """The latest post of ours that answers a message of the conversation."""

    own_post_id: str
    reply_id: str  # empty: not sent through us
    in_reply_to: str
    answered_at: datetime
    version: int  # of the conversation, with this answer in it


@dataclass(frozen=True, slots=True)
class WentOn:
    """What the writer has not seen. `draft`: where the text is kept."""

    messages: tuple[Target, ...]
    answer: Answer | None
    replies: tuple[Reply, ...]  # of others, on their way
    draft: Reply


def went_on(
    draft: Reply, seen: int, messages: Sequence[Target], answer: Answer | None, replies: Sequence[Reply]
) -> WentOn | None:
    """What happened since the version of the conversation that was seen; None: nothing that matters to this text.

    What the text itself follows is no news, nor is what its writer has on the way to another of the messages.

    Args:
        replies: the conversation's live ones.
    """
    newer = tuple(message for message in messages if message.conversation_version > seen)
    if answer is not None and (answer.version <= seen or (answer.reply_id and answer.reply_id == draft.follow_up_of)):
        answer = None
    others = tuple(
        reply
        for reply in replies
        if reply.state in IN_FLIGHT
        and reply.kind not in MACHINE
        and reply.id not in (draft.id, draft.follow_up_of)
        and (reply.agent, reply.created_by) != (draft.agent, draft.created_by)
    )
    return WentOn(newer, answer, others, draft) if newer or answer or others else None
