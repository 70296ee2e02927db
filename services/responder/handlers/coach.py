"""The coach's use cases: advice on a draft with what is known of its mention, and what our own replies say."""

import asyncio
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.db import Database
from services.responder.domain.coach import TRAITS, Advice, Draft, advise, traits
from services.responder.domain.effects import AFTER, Effect, Observation, Sent, effects, outcomes_of
from services.responder.domain.length import Limits
from services.responder.domain.machines import by_people
from services.responder.domain.wording import Wording, wording
from services.responder.store import mentions, replies, rules, style

TABLES = Path(__file__).parent.parent / "tables"
LANGUAGES = ("en", "fr")
MOST = 5000
"""Replies a report looks at."""
LOOK_BACK = timedelta(days=90)
_KEEP_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Check:
    """What somebody asks about. What the mention says wins over what is written here."""

    text: str
    network: str
    post_id: str = ""
    private: bool = False
    language: str = ""
    intent: str = ""
    agent: str = ""
    customer_name: str = ""
    customer_text: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """The advice in the draft's language, and the effects known to this installation."""

    language: str
    advice: Sequence[Advice]
    effects: Mapping[str, Sequence[Effect]]  # by trait


@dataclass(frozen=True, slots=True)
class Style:
    """The effects over so many replies; `whole`: there were no more of them."""

    replies: int
    whole: bool
    effects: Sequence[Effect]


@cache
def shipped_wordings() -> Mapping[str, Wording]:
    """The tables that ship, by language."""
    read = {name: (TABLES / f"coach.{name}.toml").read_text("utf-8") for name in LANGUAGES}
    return {name: wording(name, tomllib.loads(text)) for name, text in read.items()}


@dataclass(frozen=True)
class Coach:
    """Keeps nothing of what it is asked; what our own replies say is worked out again every ten minutes."""

    database: Database
    limits: Limits
    wordings: Mapping[str, Wording] = field(default_factory=shipped_wordings)
    _known: dict[frozenset[str], tuple[float, Style]] = field(default_factory=dict)

    async def check(self, asked: Check, teams: Collection[str]) -> Checked | None:
        """Advice on a draft; None: there is no such mention, or none these teams may see."""
        async with self.database.read() as session:
            draft = await self._draft(session, asked, teams)
            if draft is None:
                return None
            style = await self._recent(session, teams)
        language, advice = advise(draft, self.wordings, self.limits)
        by_trait = {trait: [each for each in style.effects if each.trait == trait] for trait in TRAITS}
        return Checked(language, advice, by_trait)

    async def style(self, session: AsyncSession, since: datetime, until: datetime, teams: Collection[str]) -> Style:
        """The effects of each trait over the replies posted in [since, until) whose time is over."""
        until = min(until, await db.now(session) - AFTER)
        found = await style.sent(session, since, until, teams, MOST + 1) if since < until else []
        # seconds for thousands of texts: not on the loop
        observed = await asyncio.to_thread(self._observed, found[:MOST])
        return Style(len(observed), len(found) <= MOST, effects(observed, TRAITS))

    async def _recent(self, session: AsyncSession, teams: Collection[str]) -> Style:
        key, moment = frozenset(teams), asyncio.get_running_loop().time()
        made_at, known = self._known.get(key, (0.0, None))
        if known is None or moment - made_at > _KEEP_SECONDS:
            until = await db.now(session)
            known = await self.style(session, until - LOOK_BACK, until, teams)
            self._known[key] = moment, known
        return known

    async def _draft(self, session: AsyncSession, asked: Check, teams: Collection[str]) -> Draft | None:
        draft = Draft(
            asked.text,
            asked.network,
            public=not asked.private,
            language=asked.language,
            intent=asked.intent,
            asked=asked.customer_text,
            name=asked.customer_name,
            agent=asked.agent,
        )
        if not asked.post_id:
            return draft
        target = await mentions.target(session, asked.network, asked.post_id, teams)
        if target is None:
            return None
        handle = await rules.of_handle(session, target.network, target.handle)
        agent = await rules.of_agent(session, asked.agent)
        before = by_people(await replies.of_conversation(session, target.conversation_id))
        return Draft(
            asked.text,
            asked.network,
            public=not target.private,
            language=target.language,
            intent=target.intent,
            asked=asked.customer_text,
            name=asked.customer_name,
            username=target.author_username,
            agent=asked.agent,
            initials=agent.initials,
            signature=handle.signature if handle.sign else "",
            last=before[-1].text if before else "",
        )

    def _observed(self, found: Sequence[Sent]) -> list[Observation]:
        return [
            Observation(traits(each.text, each.language, each.author_username, self.wordings), outcomes_of(each))
            for each in found
        ]
