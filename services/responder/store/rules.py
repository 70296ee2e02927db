"""The rules of handles and agents, one row each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.errors import Raced
from services.responder.domain.rules import AgentRule, HandleRule
from services.responder.store.mentions import visible
from services.responder.store.tables import RULES

Kind = Literal["handle", "agent"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A rule as it stands; version 0: none was written."""

    team: str
    version: int
    body: Mapping[str, Any]


async def of_handle(session: AsyncSession, network: str, handle: str) -> HandleRule:
    """The handle's rule, or the one that asks for nothing."""
    kept = await find(session, "handle", f"{network}:{handle}", frozenset({"*"}))
    return _handle_rule(kept.body) if kept else HandleRule()


async def of_handles(session: AsyncSession, handles: Collection[tuple[str, str]]) -> dict[tuple[str, str], HandleRule]:
    """The rules of these (network, handle), where one was written."""
    names = {f"{network}:{handle}": (network, handle) for network, handle in handles}
    question = sa.select(RULES.c.name, RULES.c.body).where(RULES.c.kind == "handle", RULES.c.name.in_(sorted(names)))
    return {names[row.name]: _handle_rule(row.body) for row in await session.execute(question)}


def _handle_rule(body: Mapping[str, Any]) -> HandleRule:
    """What a later version wrote beside it does not matter here."""
    known = {field.name for field in fields(HandleRule)}
    return HandleRule(**{name: value for name, value in body.items() if name in known})


async def of_agent(session: AsyncSession, agent: str) -> AgentRule:
    """The agent's rule, or the one that asks for nothing."""
    kept = await find(session, "agent", agent, frozenset({"*"})) if agent else None
    return AgentRule(**kept.body) if kept else AgentRule()


async def find(session: AsyncSession, kind: Kind, name: str, teams: Collection[str]) -> Kept | None:
    """The rule, if these teams may see it."""
    question = sa.select(RULES.c.team, RULES.c.version, RULES.c.body).where(
        RULES.c.kind == kind, RULES.c.name == name, visible(RULES.c.team, teams)
    )
    row = (await session.execute(question)).one_or_none()
    return Kept(*row) if row else None


async def keep(session: AsyncSession, kind: Kind, name: str, kept: Kept, now: datetime) -> None:
    """Write a rule whose version was raised once since it was read.

    Raises:
        Raced: somebody else wrote it meanwhile, or it is another team's.
    """
    values = {"team": kept.team, "version": kept.version, "body": dict(kept.body), "updated_at": now}
    if kept.version == 1:
        try:
            await session.execute(sa.insert(RULES).values(values | {"kind": kind, "name": name}))
        except IntegrityError as error:
            raise Raced("this rule was written at the same moment") from error
        return
    same = sa.update(RULES).where(RULES.c.kind == kind, RULES.c.name == name, RULES.c.version == kept.version - 1)
    written = await session.execute(same.values(values))
    if written.rowcount != 1:  # type: ignore[attr-defined]
        raise Raced("this rule was written at the same moment")
