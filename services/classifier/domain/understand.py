"""From what was read of a text to the labels of a mention: the one place where weights and rules meet."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from libs.common.events import Labels, Reach, Sentiment, Urgency
from services.classifier.domain.durations import stated_wait, time_left
from services.classifier.domain.figures import COLUMN, Figures, figures
from services.classifier.domain.heads import (
    CHANNELS,
    CRITICAL,
    FIRST_SINGLE,
    HEADS,
    INTENTS,
    LANGUAGES,
    LEARNT_REASONS,
    PRESSING,
    REASONS,
    SENTIMENTS,
    SUPPORTED,
    TOPICS,
    UNKNOWN,
    URGENCIES,
    urgency_of,
)
from services.classifier.domain.languages import language_of
from services.classifier.domain.model import Read, Reader
from services.classifier.domain.personal import personal_data
from services.classifier.domain.rules import Rules
from services.classifier.domain.viral import Viral, viral_risk

SET_ASIDE_BELOW = 0.12  # of p(needs_response): not queueing is the dangerous error
CONFIRM_BELOW = 0.55  # of the intent's confidence
BY_RULE = 0.97  # how sure a rule is: what it says is written there, what is meant may differ
VIRAL_FROM = 0.7
DEADLINE_WITHIN = 120  # minutes
PRIVATE = 0.6  # p(needs_response), at least, of a private message: it is written to us

_INTENT, _SENTIMENT = HEADS["intent"].start, HEADS["sentiment"].start
_CHANNEL, _CHANNEL_SENTIMENT = HEADS["contact_channel"].start, HEADS["channel_sentiment"].start
_REASON = HEADS["reasons"].start
_NEEDS, _PRIVATE_ASKED, _QUESTION = COLUMN["needs_response"], COLUMN["asks_private_contact"], COLUMN["is_question"]
_REASONS, _TOPICS, _PRESSING = frozenset(REASONS), frozenset(TOPICS), frozenset(PRESSING)
# where a duration, a number or an address may stand: most texts are spared the search
_CLUE = re.compile(r"(?<![@\w])\d| hour|heure|(?<=\w)@")
_COURTEOUS = frozenset({"praise_thanks", "chatter", "spam_abuse"})
_NO_REACH = Reach()

Again = Callable[[Sequence[str], Read], Read]


class Asked(Struct, frozen=True, gc=False):
    """A text and what is known around it.

    Repeat contact by what stands in the conversation, and whether it is a follow-up, are the router's to add: this
    reads one text alone, and what its author says in it.
    """

    text: str
    language: str = ""  # as the network says, BCP 47; counts where the text does not tell
    private: bool = False
    reach: Reach = _NO_REACH
    posted_at: datetime | None = None
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Understood:
    """The labels of a text and, where asked for, the probability of each label by head."""

    labels: Labels
    scores: Mapping[str, Mapping[str, float]]


class Understanding:
    """A model and its rules. Not for two threads at once."""

    def __init__(self, name: str, reader: Reader, rules: Rules, again: Again | None = None) -> None:
        """`again` is the second look of the cascade, where it is on: what it gives back counts."""
        self.name = name
        self._reader = reader
        self._rules = rules
        self._again = again
        self._topics = lru_cache(4096)(_topics)

    def labels(self, asked: Sequence[Asked]) -> list[Labels]:
        """The labels of each text, in order."""
        found = self._figures(asked)
        return [self._labels(one, some) for one, some in zip(asked, found, strict=True)]

    def understood(self, asked: Sequence[Asked]) -> list[Understood]:
        """The same, with all probabilities."""
        found = self._figures(asked)
        labels = [self._labels(one, some) for one, some in zip(asked, found, strict=True)]
        return [Understood(one, _scores(some)) for one, some in zip(labels, found, strict=True)]

    def weighed(self, text: str, most: int = 5) -> list[str]:
        """The words without which the intent would be least sure, the weightiest first."""
        words = text.split()[:60]
        without = [" ".join(words[:at] + words[at + 1 :]) for at in range(len(words))]
        read = self._reader.read([" ".join(words), *without])
        column = _INTENT + int(read.best[0, 1])
        p = read.probabilities[:, column]
        ranked = sorted(range(len(words)), key=lambda at: (float(p[at + 1]), at))
        return [words[at] for at in ranked[:most] if p[at + 1] < p[0]]

    def _figures(self, asked: Sequence[Asked]) -> list[Figures]:
        texts = [one.text for one in asked]
        read = self._reader.read(texts)
        return figures(self._again(texts, read) if self._again else read)

    def _labels(self, asked: Asked, figures: Figures) -> Labels:
        text, row = asked.text, figures.row
        _, intent_at, sentiment_at, channel_at, channel_mood = figures.best
        language, language_sure = language_of(row[: len(LANGUAGES)], figures.words, figures.script, asked.language)
        intent, intent_sure = INTENTS[intent_at], row[_INTENT + intent_at]
        holds = figures.holds
        told = self._rules.names(figures.phrases)
        wait = left = None
        personal = False
        if clues := _CLUE.search(text):
            if clues[0] != "@":
                wait, left = stated_wait(text, asked.posted_at), time_left(text)
            personal = bool(personal_data(text))
        viral = _viral(asked, row)
        reasons = self._reasons(row, holds, told, intent, left, viral)
        topics = self._topics(
            holds >> (HEADS["topics"].start - FIRST_SINGLE), told, "wait_loop" in reasons, intent == "spam_abuse"
        )
        channel = CHANNELS[channel_at]
        mood: Sentiment = SENTIMENTS[channel_mood] if channel != "none" else "neutral"
        urgency = urgency_of(intent, reasons)
        needs = row[_NEEDS]
        if asked.private or (language not in SUPPORTED and language != UNKNOWN):
            needs = max(needs, PRIVATE)  # written to us, or in words the model never learnt: a person looks
        critical = urgency == "critical"
        decision: Literal["automatic", "to_confirm", "set_aside"] = "automatic"
        if needs < SET_ASIDE_BELOW and not critical:
            decision = "set_aside"
        elif intent_sure < CONFIRM_BELOW or language not in SUPPORTED:
            decision = "to_confirm"
        return Labels(
            language=language,
            intent=intent,
            secondary_intent=INTENTS[figures.second] if figures.second >= 0 else None,
            needs_response=needs >= 0.5 or critical,
            urgency=urgency,
            reasons=reasons,
            sentiment=SENTIMENTS[sentiment_at],
            topics=topics,
            contact_channel=channel,
            channel_sentiment=mood,
            blamed_channel=channel if mood == "negative" else "none",
            flags=_flags(text, row, reasons, asked.private, personal, "asks_private_contact" in told),
            stated_wait_minutes=wait,
            stated_minutes_left=left if "deadline" in reasons else None,
            confidence={
                "language": language_sure,
                "intent": intent_sure,
                "needs_response": needs if needs >= 0.5 else round(1 - needs, 4),
                "urgency": round(_urgency_sure(urgency, figures, reasons, told), 4),
                "sentiment": row[_SENTIMENT + sentiment_at],
                "topics": _topics_sure(figures, topics),
                "contact_channel": row[_CHANNEL + channel_at],
            },
            decision=decision,
            model=self.name,
            viral_risk=round(viral.score, 3) if viral else 0.0,
            viral_parts=_parts(viral) if viral and viral.score > 0 else {},
        )

    def _reasons(
        self, row: list[float], holds: int, told: tuple[str, ...], intent: str, left: int | None, viral: Viral | None
    ) -> tuple[str, ...]:
        """Those the rules read, and those the weights are sure enough of; a rule is never overruled."""
        reasons = {reason for reason in told if reason in _REASONS}
        courteous = intent in _COURTEOUS
        for number, reason in enumerate(LEARNT_REASONS):
            if holds >> (_REASON - FIRST_SINGLE + number) & 1 and not (courteous and row[_REASON + number] < 0.5):
                reasons.add(reason)
        if holds >> (COLUMN["wait_loop"] - FIRST_SINGLE) & 1 and not courteous:
            reasons.add("wait_loop")
        if left is not None and left <= DEADLINE_WITHIN and not courteous:
            reasons.add("deadline")
        if viral and viral.score >= VIRAL_FROM:
            reasons.add("viral_risk")
        if intent == "complaint":
            reasons.add("complaint")
        return tuple(reason for reason in REASONS if reason in reasons) if reasons else ()


def _viral(asked: Asked, row: list[float]) -> Viral | None:
    if asked.reach == _NO_REACH:
        return None
    age = asked.read_at - asked.posted_at if asked.posted_at and asked.read_at else timedelta(0)
    return viral_risk(asked.reach, row[_SENTIMENT], age)


def _parts(viral: Viral) -> dict[str, float]:
    return {
        "followers": viral.followers, "velocity": viral.velocity, "negative": viral.negative, "verified": viral.verified
    }  # fmt: skip


def _topics(holds: int, told: tuple[str, ...], waits: bool, spam: bool) -> tuple[str, ...]:
    """Those the weights hold and those a phrase names; a wait is a topic exactly where it is a reason."""
    found = {topic for number, topic in enumerate(TOPICS) if holds >> number & 1}
    if not spam:
        found.update(topic for topic in told if topic in _TOPICS)
    found.discard("wait_loop")
    if waits:
        found.add("wait_loop")
    return tuple(topic for topic in TOPICS if topic in found) if found else ()


def _topics_sure(figures: Figures, topics: tuple[str, ...]) -> float:
    """How sure the least sure topic is; where there is none, that there is none."""
    if topics:
        return min(max(figures.row[COLUMN[topic]], 0.5) for topic in topics)
    return figures.no_topic


def _flags(
    text: str, row: list[float], reasons: tuple[str, ...], private: bool, personal: bool, asks_private: bool
) -> tuple[str, ...]:
    flags = []
    if "channel_escalation" in reasons:
        flags.append("escalated_from_channel")
    if personal:
        flags.append("contains_personal_data")
    if asks_private or row[_PRIVATE_ASKED] >= 0.5:
        flags.append("asks_private_contact")
    if "repeat_contact" in reasons:
        flags.append("second_contact")
    if not private and "@" not in text:
        flags.append("no_at_mention")
    if row[_QUESTION] >= 0.5:
        flags.append("is_question")
    return tuple(flags)


def _urgency_sure(urgency: Urgency, figures: Figures, reasons: tuple[str, ...], told: tuple[str, ...]) -> float:
    """The probability of the urgency that was told."""
    critical, pressing = figures.critical, figures.pressing
    if urgency == "critical":
        return max(critical, BY_RULE) if any(reason in told for reason in CRITICAL) else critical
    if not _PRESSING.isdisjoint(reasons):
        pressing = max(pressing, BY_RULE)
    base = figures.base[URGENCIES.index(urgency)]
    if urgency == "high":
        return (1 - critical) * (base + (1 - base) * pressing)
    return (1 - critical) * base * (1 - pressing)


def _scores(figures: Figures) -> dict[str, dict[str, float]]:
    row = figures.row
    found = {
        name: {label: row[head.start + number] for number, label in enumerate(head.labels)}
        for name, head in HEADS.items()
    }
    needs = found["needs_response"]["needs_response"]
    found["needs_response"] = {"yes": needs, "no": round(1 - needs, 4)}
    found["urgency"] = {level: round(_urgency_sure(level, figures, (), ()), 4) for level in URGENCIES}
    away = round(1 - max(row[_INTENT : _INTENT + len(INTENTS)]), 4)
    found["out_of_scope"] = {"yes": away, "no": round(1 - away, 4)}
    return found
