"""`work.items` in: which mentions can be answered, and which were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import db
from libs.common.events import (
    Event,
    MentionAnswered,
    MentionRouted,
    ResponseBreached,
    StoppedClock,
    WorkItemCanceled,
    WorkItemCompleted,
    of_type,
)
from services.responder.domain.freshness import Answer
from services.responder.domain.latency import Latency, waited
from services.responder.domain.replies import Target, seen_on_the_network
from services.responder.domain.report import ClockEnd, Exchange, exchanges
from services.responder.handlers.closures import Closures
from services.responder.handlers.deletions import on_deleted
from services.responder.handlers.figures import Figures, after_commit
from services.responder.handlers.holders import on_held
from services.responder.handlers.machines import Machines
from services.responder.handlers.surveys import Surveys
from services.responder.handlers.told import tell
from services.responder.store import machine_answers, replies, report
from services.responder.store import mentions as store


@dataclass(frozen=True)
class Mentions:
    """What the router says about mentions."""

    figures: Figures
    machines: Machines | None = None  # without one no machine writes anything
    surveys: Surveys | None = None
    closures: Closures | None = None

    async def on_work_items(self, events: Sequence[Event], session: AsyncSession) -> None:
        """Keep what can be answered, and how long the answered ones waited, in whatever order that comes."""
        told = of_type(MentionRouted, events)
        routed = [_target(event) for event in told]
        await store.keep_targets(session, [target for target in routed if target.outcome != "deleted"])
        withdrawn = await on_deleted(session, [target for target in routed if target.outcome == "deleted"])
        await on_held(session, events)
        answers = _last_word(of_type(MentionAnswered, events))
        await machine_answers.take_back(session, [each for each in answers if each.automatic])
        await store.keep_answers(session, _latest(answers))
        settled = await self._settle_by_hand(session, answers)
        latencies, left_out = waited(_latency(event) for event in answers)
        new = await store.keep_latencies(session, latencies)
        begun = await _keep_for_the_report(session, events, answers)
        if self.closures is not None:
            await self.closures.on_routed(session, routed)
        if self.surveys is not None:
            await self.surveys.on_events(session, events)
        if self.machines is not None:
            both = zip(told, routed, strict=True)
            await self.machines.acknowledge(session, [pair for pair in both if pair[0].outcome == "opened"])

        def count() -> None:
            self.figures.answered([latency for latency in new if latency.how == "direct"])
            self.figures.exchanged(begun)
            self.figures.left_out(left_out, "answered_before_posted")
            for _ in range(settled):
                self.figures.became("posted")
            for _ in withdrawn:
                self.figures.became("canceled")

        after_commit(session, count)

    async def _settle_by_hand(self, session: AsyncSession, answers: Sequence[MentionAnswered]) -> int:
        """Replies that a person was to send and that were now seen on the network; how many."""
        seen = [answer for answer in answers if answer.how == "direct" and not answer.reply_id]
        waiting = await replies.to_be_done_by_hand(session, {(answer.network, answer.post_id) for answer in seen})
        if not waiting:
            return 0
        now, n = await db.now(session), 0
        for reply in waiting:
            claimed = await replies.claimed_posts(session, reply.network, reply.in_reply_to)
            for answer in sorted(seen, key=lambda each: each.answered_at):
                if (answer.network, answer.post_id) != (reply.network, reply.in_reply_to):
                    continue
                after = seen_on_the_network(reply, answer.own_post_id, answer.answered_at, claimed, now)
                if after is not None:
                    await replies.save(session, [after])
                    tell(session, after, now)
                    n += 1
                    break
        return n


async def _keep_for_the_report(
    session: AsyncSession, events: Sequence[Event], answers: Sequence[MentionAnswered]
) -> list[Exchange]:
    """What the report counts beside latencies; returns the exchanges that are new."""
    breached = of_type(ResponseBreached, events)
    ends = [event for event in events if isinstance(event, WorkItemCompleted | WorkItemCanceled)]
    await report.keep_ends(session, ends)
    await report.keep_posts(session, answers)
    openers = await report.openers(session, {event.conversation_id for event in breached})
    missed = [_missed(event, opener) for event in breached if (opener := _opener(openers, event))]
    await report.keep_clocks(session, missed + [_stopped(event, event.clock) for event in answers if event.clock])
    touched = {event.conversation_id for event in answers}
    return await report.keep_exchanges(session, touched, exchanges(await report.answered(session, touched)))


def _opener(openers: Mapping[tuple[str, str], report.Opener], event: ResponseBreached) -> report.Opener | None:
    """Whose deadline it was; an item that was reopened has no message of its own."""
    conversation = event.conversation_id
    return openers.get((conversation, event.item_id)) or openers.get((conversation, ""))


def _missed(event: ResponseBreached, opener: report.Opener) -> ClockEnd:
    return ClockEnd(
        item_id=event.item_id,
        kind=event.kind,
        state="breached",
        policy=event.policy,
        urgency=event.urgency,
        started_at=event.started_at or opener.posted_at,
        due_at=event.due_at,
        stopped_at=None,
        conversation_id=event.conversation_id,
        network=opener.network,
        handle=opener.handle,
        queue=event.queue,
        language=opener.language,
        intent=opener.intent,
        team=event.team,
    )


def _stopped(event: MentionAnswered, clock: StoppedClock) -> ClockEnd:
    return ClockEnd(
        item_id=clock.item_id,
        kind=clock.kind,
        state="met" if clock.met else "breached",
        policy=clock.policy,
        urgency=clock.urgency,
        started_at=clock.started_at,
        due_at=clock.due_at,
        stopped_at=event.answered_at,
        conversation_id=event.conversation_id,
        network=event.network,
        handle=event.handle,
        queue=event.queue,
        language=event.language,
        intent=event.intent,
        team=event.team,
    )


def _last_word(answers: Sequence[MentionAnswered]) -> list[MentionAnswered]:
    """Without what seemed a person's answer until the same post was told as a machine's."""
    machine = {(each.network, each.own_post_id) for each in answers if each.automatic}
    return [each for each in answers if each.automatic or (each.network, each.own_post_id) not in machine]


def _latest(answers: Sequence[MentionAnswered]) -> dict[str, Answer]:
    """The latest answer of each conversation; a machine's is none."""
    return {
        event.conversation_id: Answer(
            event.own_post_id, event.reply_id, event.post_id, event.answered_at, event.conversation_version
        )
        for event in sorted(answers, key=lambda event: event.conversation_version)
        if not event.automatic
    }


def _target(event: MentionRouted) -> Target:
    return Target(
        network=event.network,
        post_id=event.post_id,
        handle=event.handle,
        author_id=event.author_id,
        author_username=event.author_username,
        thread_id=event.thread_id,
        private=event.private,
        posted_at=event.posted_at,
        conversation_id=event.conversation_id,
        item_id=event.item_id,
        queue=event.queue,
        language=event.language,
        intent=event.intent,
        urgency=event.urgency,
        team=event.team,
        key=event.key,
        routed_at=event.occurred_at,
        conversation_version=event.conversation_version,
        outcome=event.outcome,
        incident=event.incident,
        sentiment=event.sentiment or "",
        summoned=event.summoned,
    )


def _latency(event: MentionAnswered) -> Latency:
    return Latency(
        network=event.network,
        post_id=event.post_id,
        how="machine" if event.automatic else event.how,
        own_post_id=event.own_post_id,
        reply_id=event.reply_id,
        posted_at=event.posted_at,
        answered_at=event.answered_at,
        latency_seconds=(event.answered_at - event.posted_at).total_seconds(),
        handle=event.handle,
        queue=event.queue,
        language=event.language,
        intent=event.intent,
        team=event.team,
        conversation_id=event.conversation_id,
        business_seconds=event.business_seconds,
    )
