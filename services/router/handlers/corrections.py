"""What people say a mention is: kept as a new version each time, shown from then on, and told."""

from collections.abc import Collection, Mapping
from typing import Any, assert_never

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.events import ClassificationCorrected, derived_id
from libs.common.outbox import emit
from libs.common.problems import Problem
from libs.common.trace import traceparent
from services.router.domain.labels import Corrected, Unchanged, Wrong, correct
from services.router.handlers.desk import unknown_mention
from services.router.ids import typed_id
from services.router.store import corrections as store
from services.router.store.corrections import Correctable, Correction


async def correct_mention(
    session: AsyncSession,
    network: str,
    post_id: str,
    wanted: Mapping[str, Any],
    note: str,
    teams: Collection[str],
    actor: str,
) -> Correction:
    """Keep a person's word about a mention beside the model's.

    A work item stays as it is, in its queue, with its urgency and its deadline: a correction says what the post is,
    and not who answers it by when.

    Raises:
        Problem: 404 for an unknown mention, 409 for a deleted one, 422 for labels that do not exist or change nothing.
    """
    mention = await store.lock_mention(session, network, post_id, teams)
    if mention is None:
        raise unknown_mention(network, post_id)
    if mention.outcome == "deleted":
        raise Problem(
            409,
            "deleted",
            "This mention was deleted",
            f"The text of {network}/{post_id} is gone; nobody can say any more what it is.",
            "Nothing is to be done.",
        )
    match correct(mention.labels, wanted):
        case Corrected() as corrected:
            return await _keep(session, mention, corrected, note, actor)
        case Unchanged():
            raise Problem(
                422,
                "nothing-changed",
                "Nothing would change",
                f"{network}/{post_id} has these labels already.",
                "Send only labels that are wrong; GET /v1/mentions/{network}/{id} shows them as they are.",
            )
        case Wrong() as wrong:
            raise _refusal(wrong)
        case other:
            assert_never(other)


async def _keep(session: AsyncSession, mention: Correctable, corrected: Corrected, note: str, actor: str) -> Correction:
    now = await db.now(session)  # after the lock: versions of one mention rise with time
    version = mention.corrections + 1
    correction = Correction(
        id=typed_id("cor", now, mention.network, mention.post_id, str(version)),
        network=mention.network,
        post_id=mention.post_id,
        version=version,
        mention_version=mention.version,
        handle=mention.handle,
        team=mention.team,
        text=mention.text,
        posted_at=mention.posted_at,
        said=mention.said,
        labels=corrected.labels,
        note=note,
        actor=actor,
        corrected_at=now,
    )
    await store.add(session, correction)
    event = ClassificationCorrected(
        event_id=derived_id(correction.id, ClassificationCorrected.type, str(version)),
        occurred_at=now,
        key=mention.key,
        traceparent=traceparent(),
        correction_id=correction.id,
        network=mention.network,
        post_id=mention.post_id,
        mention_version=mention.version,
        version=version,
        handle=mention.handle,
        conversation_id=mention.conversation_id,
        changed=corrected.changed,
        said=mention.said,
        labels=corrected.labels,
        actor=actor,
        team=mention.team,
    )
    emit(session, [event])
    return correction


def _refusal(wrong: Wrong) -> Problem:
    return Problem(
        422,
        "unknown-label",
        "This label or value does not exist",
        f"{wrong.path}: {wrong.detail}.",
        f"Did you mean {wrong.nearest}?" if wrong.nearest else f"It takes {', '.join(wrong.known)}.",
        errors=[{"in": "body", "path": wrong.path, "detail": wrong.detail}],
        nearest=wrong.nearest,
    )
