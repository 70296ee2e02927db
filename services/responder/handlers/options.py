"""What whoever is about to answer should know before they write."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.db import Database
from services.responder.domain.budget import Budget
from services.responder.domain.closures import Closure, seen
from services.responder.domain.deletions import Gone
from services.responder.domain.eligibility import CanDm, DmReason, Means, Verdict, can_dm, can_reply
from services.responder.domain.handoff import WORDS, invitation
from services.responder.domain.length import Limits, longest
from services.responder.domain.replies import MACHINE, Reply, Target
from services.responder.gateways import Gateway
from services.responder.handlers.deletions import gone
from services.responder.store import budgets, closures, holders, mentions, replies, rules, templates
from services.responder.store.holders import Holder

EVERYBODY = frozenset({"*"})


@dataclass(frozen=True, slots=True)
class Options:
    """For one mention, at this moment."""

    target: Target
    verdict: Verdict
    dm: tuple[CanDm, DmReason]
    longest: int | None  # in the network's own unit; None: nobody here knows
    budget: Budget | None  # None: the network said nothing yet, or we cannot post there
    closure: Closure | None
    draft: Reply | None
    reply: Reply | None  # the latest that is there already or on its way
    holder: Holder | None
    gone: Gone | None
    handoff: str | None  # words that ask to go on in private; None: they are there already, or cannot be answered there
    now: datetime


@dataclass(frozen=True)
class Composer:
    """Reads, and changes nothing."""

    database: Database
    gateways: Mapping[str, Gateway]
    means: Means
    limits: Limits

    async def _handoff(self, session: AsyncSession, target: Target) -> str | None:
        if target.private or target.network not in self.means.private or target.outcome == "deleted":
            return None
        if can_reply(target, self.means).can_reply not in ("api", "uncertain"):
            return None
        rule = await rules.of_handle(session, target.network, target.handle)
        own = await templates.latest(session, rule.handoff, EVERYBODY) if rule.handoff else None
        return invitation(own if own is not None and own.texts else WORDS, target)

    async def options(self, network: str, post_id: str, teams: Collection[str]) -> Options | None:
        """What is known now; None: there is no such mention, or none these teams may see."""
        async with self.database.read() as session:
            now = await db.now(session)
            target = await mentions.target(session, network, post_id, teams)
            if target is None:
                return None
            talk = target.conversation_id
            gateway = self.gateways.get(network)
            operation = gateway.operation(private=target.private) if gateway else ""
            closure = await closures.find(session, talk, teams)
            wrote = await mentions.wrote_in_private(session, network, target.handle, target.author_id)
            live = await replies.live_replies(session, network, post_id)
            ours = [reply for reply in live if reply.kind not in MACHINE]
            return Options(
                target=target,
                verdict=can_reply(target, self.means),
                dm=can_dm(target, self.means, wrote_first=wrote),
                longest=longest(network, self.limits, private=target.private),
                budget=await budgets.known(session, network, target.handle, operation) if operation else None,
                closure=seen(closure, now) if closure else None,
                draft=await replies.latest_draft(session, network, post_id),
                reply=ours[-1] if ours else None,
                holder=await holders.of_conversation(session, talk),
                gone=await gone(session, target) if target.outcome == "deleted" else None,
                handoff=None if wrote else await self._handoff(session, target),
                now=now,
            )
