"""The use cases: classify what was posted, and what a caller asks about."""

import asyncio
import time
from collections import Counter as Counts
from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client import Counter, Histogram

from libs.common.events import Event, Labels, MentionClassified, MentionReceived, derived_id
from libs.common.metrics import Metrics
from services.classifier.domain import UNKNOWN, Baseline

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Text(NamedTuple):
    """A text to classify outside the stream."""

    text: str
    language: str = ""


class Classifier:
    """Gives every mention its labels. A batch of the stream takes 10 ms: a thread would cost more than it frees."""

    def __init__(self, model: Baseline, metrics: Metrics) -> None:
        self.model = model
        self._classified = Counter(
            "mentions_classified_total",
            "Mentions by what they are",
            ("intent", "urgency", "language"),
            registry=metrics.registry,
        )
        self._seconds = Histogram(
            "classify_seconds", "Time to classify one batch", buckets=_SECONDS, registry=metrics.registry
        )
        self._languages = frozenset(model.rules.languages) | {UNKNOWN}

    async def on_raw(self, events: Sequence[Event]) -> Sequence[Event]:
        """Classify the mentions; our own posts and deletions go on as they are, in their order."""
        return self._on_raw(events)

    async def on_asked(self, texts: Sequence[Text]) -> Sequence[Labels]:
        """The labels of texts that are not stored."""
        return await asyncio.to_thread(lambda: [self.model.classify(text, language) for text, language in texts])

    def _on_raw(self, events: Sequence[Event]) -> Sequence[Event]:
        begun = time.perf_counter()
        told = [self._classify(event) if isinstance(event, MentionReceived) else event for event in events]
        counts = Counts(
            (event.labels.intent, event.labels.urgency, event.labels.language)
            for event in told
            if isinstance(event, MentionClassified)
        )
        for (intent, urgency, language), n in counts.items():
            # a language that is only a network's word would make as many series as it likes
            known = language if language in self._languages else "other"
            self._classified.labels(intent, urgency, known).inc(n)
        if counts:
            self._seconds.observe(time.perf_counter() - begun)
        return told

    def _classify(self, event: MentionReceived) -> MentionClassified:
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
            labels=self.model.classify(event.text, event.language_hint, private=event.private),
        )
