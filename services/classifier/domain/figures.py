"""What follows from the probabilities of a batch alone, worked out for all its texts at once."""

from typing import NamedTuple

import numpy as np

from services.classifier.domain.heads import (
    BASE_URGENCY,
    CRITICAL,
    FIRST_SINGLE,
    HEADS,
    INTENTS,
    PRESSING,
    SINGLES,
    TOPICS,
    URGENCIES,
)
from services.classifier.domain.model import SCRIPTS, Read

SECOND_FROM = 0.22  # of the second intent's probability
DIGITS = 4  # of a probability that is told

COLUMN = {label: FIRST_SINGLE + number for number, label in enumerate(SINGLES)}
_CRITICAL = [COLUMN[reason] for reason in CRITICAL]
_PRESSING = [COLUMN[reason] for reason in PRESSING]
_TOPICS = [COLUMN[topic] for topic in TOPICS]
_INTENTS = slice(HEADS["intent"].start, HEADS["intent"].stop)
_BASE = np.array([[BASE_URGENCY[intent] == level for level in URGENCIES] for intent in INTENTS], np.float64)


class Figures(NamedTuple):
    """One text in numbers."""

    row: list[float]  # the probability of each column
    best: list[int]  # the answer of each head of `ONE_OF`
    holds: int  # the single labels over their thresholds, as bits
    phrases: int  # the groups of phrases found, as bits
    words: int
    script: str  # of `SCRIPTS`
    second: int  # the second intent, -1: none
    critical: float  # the probability of any critical reason
    pressing: float  # of any pressing one
    base: list[float]  # of each urgency by the intents alone
    no_topic: float  # that there is no topic


def figures(read: Read) -> list[Figures]:
    """The figures of each text, in order."""
    p = read.probabilities.astype(np.float64)
    intents = p[:, _INTENTS].copy()
    base = intents @ _BASE
    np.put_along_axis(intents, read.best[:, 1:2], -1, axis=1)
    second = np.where(intents.max(axis=1) >= SECOND_FROM, intents.argmax(axis=1), -1)
    return [
        Figures(*some)
        for some in zip(
            p.round(DIGITS).tolist(),
            read.best.tolist(),
            read.holds.tolist(),
            read.phrases.tolist(),
            read.words.tolist(),
            [SCRIPTS[script] for script in read.script.tolist()],
            second.tolist(),
            (1 - (1 - p[:, _CRITICAL]).prod(axis=1)).tolist(),
            (1 - (1 - p[:, _PRESSING]).prod(axis=1)).tolist(),
            base.tolist(),
            (1 - p[:, _TOPICS].max(axis=1)).round(DIGITS).tolist(),
            strict=True,
        )
    ]
