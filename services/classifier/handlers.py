"""The use cases: classify what was posted, and what a caller asks about."""

import asyncio
import threading
import time
from collections import Counter as Counts
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import Counter, Histogram

from libs.common.events import Event, Labels, MentionClassified, MentionReceived, derived_id
from libs.common.metrics import Metrics
from services.classifier.domain.heads import LANGUAGES, UNKNOWN
from services.classifier.domain.understand import Asked, Understanding, Understood

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_LANGUAGES = frozenset({*LANGUAGES, UNKNOWN})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a text outside the stream was found to be, and the words that weighed most, where asked for."""

    found: Understood
    words: Sequence[str] | None = None


class Classifier:
    """Gives every mention its labels. A batch of the stream takes 10 ms: a thread would cost more than it frees."""

    def __init__(self, stream: Understanding, asked: Understanding, metrics: Metrics, *, slow: bool = False) -> None:
        """`stream` and `asked` are the same model twice: each keeps its room between batches.

        With `slow`, where a second look takes its time, the stream is read in a thread too.
        """
        self.name = stream.name
        self._stream = stream
        self._asked = asked
        self._slow = slow
        self._one_batch_at_a_time = threading.Lock()  # one given up on may still be read in its thread
        self._one_at_a_time = threading.Lock()
        self._decisions = Counter(
            "mention_decisions_total",
            "Mentions by what the confidence led to",
            ("decision",),
            registry=metrics.registry,
        )
        self._classified = Counter(
            "mentions_classified_total",
            "Mentions by what they are",
            ("intent", "urgency", "language"),
            registry=metrics.registry,
        )
        self._seconds = Histogram(
            "classify_seconds", "Time to classify one batch", buckets=_SECONDS, registry=metrics.registry
        )

    async def on_raw(self, events: Sequence[Event]) -> Sequence[Event]:
        """Classify the mentions; our own posts and deletions go on as they are, in their order."""
        begun = time.perf_counter()
        mentions = [event for event in events if isinstance(event, MentionReceived)]
        if not mentions:
            return events
        asked = [_asked(mention) for mention in mentions]
        labels = await asyncio.to_thread(self._in_turn, asked) if self._slow else self._stream.labels(asked)
        classified = iter([_classified(mention, some) for mention, some in zip(mentions, labels, strict=True)])
        told = [next(classified) if isinstance(event, MentionReceived) else event for event in events]
        for decision, n in Counts(one.decision for one in labels).items():
            self._decisions.labels(decision).inc(n)
        for (intent, urgency, language), n in Counts((one.intent, one.urgency, one.language) for one in labels).items():
            # a language that is only a network's word would make as many series as it likes
            self._classified.labels(intent, urgency, language if language in _LANGUAGES else "other").inc(n)
        self._seconds.observe(time.perf_counter() - begun)
        return told

    def _in_turn(self, asked: Sequence[Asked]) -> list[Labels]:
        with self._one_batch_at_a_time:
            return self._stream.labels(asked)

    async def on_asked(self, asked: Sequence[Asked], *, explain: bool) -> Sequence[Answer]:
        """The labels of texts that are not stored."""
        return await asyncio.to_thread(self._answers, asked, explain)

    def _answers(self, asked: Sequence[Asked], explain: bool) -> Sequence[Answer]:
        with self._one_at_a_time:
            found = self._asked.understood(asked)
            if not explain:
                return [Answer(one) for one in found]
            return [Answer(one, self._asked.weighed(a.text)) for one, a in zip(found, asked, strict=True)]


def _asked(mention: MentionReceived) -> Asked:
    return Asked(
        mention.text, mention.language_hint, mention.private, mention.reach, mention.posted_at, mention.received_at
    )


def _classified(event: MentionReceived, labels: Labels) -> MentionClassified:
    return MentionClassified(
        event_id=derived_id(event.event_id, MentionClassified.type, event.post_id),
        occurred_at=event.occurred_at,
        key=event.key,
        traceparent=event.traceparent,
        network=event.network,
        post_id=event.post_id,
        version=event.version,
        handle=event.handle,
        also_named=event.also_named,
        author_id=event.author_id,
        author_username=event.author_username,
        text=event.text,
        posted_at=event.posted_at,
        received_at=event.received_at,
        thread_id=event.thread_id,
        in_reply_to=event.in_reply_to,
        private=event.private,
        reach=event.reach,
        source=event.source,
        team=event.team,
        summoned=event.summoned,
        labels=labels,
    )
