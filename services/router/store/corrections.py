"""Corrections: what people said a mention is, one row each time; nothing is written over."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import convert
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import bulk_append
from libs.common.events import Labels
from libs.common.lists import Mark
from services.router.store.items import of_teams, page
from services.router.store.tables import CONVERSATIONS, CORRECTIONS, MENTIONS


@dataclass(frozen=True, slots=True)
class Correctable:
    """A mention as it is corrected."""

    network: str
    post_id: str
    version: int
    handle: str
    team: str
    text: str
    posted_at: datetime
    outcome: str
    conversation_id: str
    key: str  # of its conversation
    labels: Labels  # as they are now
    said: Labels  # by the model
    corrections: int  # so far, of any version of its text


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person said a mention is, and what the model had said."""

    id: str
    network: str
    post_id: str
    version: int  # 1 is the mention's first
    mention_version: int  # of the text that was corrected
    handle: str
    team: str
    text: str  # "" when it is not there any more: deleted, or edited since
    posted_at: datetime
    said: Labels
    labels: Labels  # all, after it
    note: str
    actor: str
    corrected_at: datetime


async def lock_mention(session: AsyncSession, network: str, post_id: str, teams: Collection[str]) -> Correctable | None:
    """One mention for correcting; None for a stranger's too. Who corrects the same one waits for us."""
    asked = _MENTION.where(MENTIONS.c.network == network, MENTIONS.c.post_id == post_id, of_teams(MENTIONS, teams))
    row = (await session.execute(asked)).one_or_none()
    if row is None:
        return None
    latest = (await session.execute(_LATEST, {"network": network, "post_id": post_id})).one_or_none()
    said = latest.said if latest is not None and row.correction is not None else row.labels
    fields = {name: row._mapping[name] for name in _OF_MENTION}
    return Correctable(
        **fields,
        key=row.key or "",
        labels=_labels(row.labels),
        said=_labels(said),
        corrections=latest.version if latest is not None else 0,
    )


_OF_MENTION = (
    "network", "post_id", "version", "handle", "team", "text", "posted_at", "outcome", "conversation_id",
)  # fmt: skip
_MENTION = (
    sa.select(*[MENTIONS.c[name] for name in _OF_MENTION], MENTIONS.c.labels, MENTIONS.c.correction)
    .add_columns(CONVERSATIONS.c.key)
    .outerjoin_from(MENTIONS, CONVERSATIONS, CONVERSATIONS.c.id == MENTIONS.c.conversation_id)
    .with_for_update(of=MENTIONS)
)
_LATEST = (
    sa.select(CORRECTIONS.c.version, CORRECTIONS.c.said)
    .where(CORRECTIONS.c.network == sa.bindparam("network"), CORRECTIONS.c.post_id == sa.bindparam("post_id"))
    .order_by(CORRECTIONS.c.version.desc())
    .limit(1)
)


async def add(session: AsyncSession, correction: Correction) -> None:
    """Keep it, and show its labels on the (locked) mention from now on.

    Raises:
        Raced: the mention has this version already.
    """
    row = {name: getattr(correction, name) for name in _OWN}
    await bulk_append(session, (CORRECTIONS, [row]))
    await session.execute(
        sa.update(MENTIONS)
        .where(MENTIONS.c.network == correction.network, MENTIONS.c.post_id == correction.post_id)
        .values(labels=correction.labels, correction=correction.version, updated_at=correction.corrected_at)
    )


_OWN = tuple(column.name for column in CORRECTIONS.columns)


async def list_corrections(
    session: AsyncSession,
    teams: Collection[str],
    *,
    updated_after: datetime | None,
    after: Mark | None,
    limit: int,
    with_text: bool = False,
) -> Sequence[Correction]:
    """Corrections by (corrected_at, id), one more than `limit` when there is more.

    Args:
        with_text: only those whose text is still there: what else could anybody learn from them?
    """
    statement = _CORRECTIONS.where(of_teams(MENTIONS, teams))
    if with_text:
        statement = statement.where(_STILL)
    statement = page(statement, CORRECTIONS.c.corrected_at, CORRECTIONS.c.id, updated_after, after, limit)
    return [_correction(dict(row._mapping)) for row in await session.execute(statement)]


_STILL = MENTIONS.c.version == CORRECTIONS.c.mention_version  # an edit and a deletion have versions of their own
_CORRECTIONS: sa.Select[Any] = (
    sa.select(CORRECTIONS, MENTIONS.c.handle, MENTIONS.c.team, MENTIONS.c.posted_at)
    .add_columns(sa.case((_STILL, MENTIONS.c.text), else_="").label("text"))
    .join_from(
        CORRECTIONS,
        MENTIONS,
        sa.and_(MENTIONS.c.network == CORRECTIONS.c.network, MENTIONS.c.post_id == CORRECTIONS.c.post_id),
    )
)


def _correction(row: dict[str, Any]) -> Correction:
    return Correction(**row | {"said": _labels(row["said"]), "labels": _labels(row["labels"])})


def _labels(kept: Any) -> Labels:
    return convert(kept or _NOTHING, Labels)


_NOTHING = {"language": "und", "intent": "chatter", "needs_response": False, "urgency": "none"}  # a tombstone's
