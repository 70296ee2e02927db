"""A second look: posts the one pass is least sure of are read again by a sentence encoder, while there is time.

What both say is averaged, as probabilities; labels and decision follow from them by the same rules as ever. Reasons
stay with the phrases and the one pass, and a post the pass holds to be critical is left alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.classifier.domain.heads import COLUMNS, CRITICAL, FIRST_SINGLE, HEADS, ONE_OF, SINGLES
from services.classifier.domain.model import Floats, Read

AGAIN = ("intent", "sentiment", "needs_response")  # the heads an encoder is asked about
LONGEST = 500  # characters an encoder reads: what it costs grows with them
_INTENT = slice(HEADS["intent"].start, HEADS["intent"].stop)
_CRITICAL = sum(1 << SINGLES.index(reason) for reason in CRITICAL)  # bits of `Read.holds`


class Encoder(Protocol):
    """Turns a text into a vector of length 1."""

    def vector(self, text: str) -> Floats:
        """The vector of a text."""


@dataclass(frozen=True, slots=True)
class EncoderHeads:
    """Linear heads over an encoder's vectors; the columns are those of the weights.

    `below[k]` is the confidence in the intent under which k per cent of posts are, at the first look.
    """

    near: Floats  # of each dimension, by column
    bias: Floats  # by column
    sharpness: Floats  # one by the temperature: kind of language, column
    below: Floats

    def probabilities(self, vector: Floats, kind: int) -> Floats:
        """Of one text, by column; 0 where an encoder is not asked. `kind` is of `KINDS_OF_CONFIDENCE`."""
        scores = (vector @ self.near + self.bias) * self.sharpness[kind]
        found = np.zeros(COLUMNS, np.float32)
        for name in AGAIN:
            of = slice(HEADS[name].start, HEADS[name].stop)
            if of.start >= FIRST_SINGLE:
                found[of] = 1 / (1 + np.exp(-scores[of]))
            else:
                e = np.exp(scores[of] - scores[of].max())
                found[of] = e / e.sum()
        return found


class SecondLook:
    """Reads the least sure posts of a batch again, the least sure first."""

    def __init__(
        self,
        encoder: Encoder,
        heads: EncoderHeads,
        share: float,
        budget: float,
        clock: Callable[[], float],
        tell: Callable[[int, int], None] = lambda _taken, _left: None,
    ) -> None:
        """`share` of all posts (0..1) is looked at, by what the corpus was found to be like.

        No look begins `budget` seconds or more after the first: the posts that are left keep what they have.

        Args:
            tell: told how many looks a batch took, and for how many there was no time.
        """
        self._encoder = encoder
        self._heads = heads
        self._share = share
        self._budget = budget
        self._clock = clock
        self._tell = tell

    def __call__(self, texts: Sequence[str], read: Read) -> Read:
        """What was read of the texts, with the second look in it."""
        wanted = self._least_sure(read)
        begun = self._clock()
        rows: list[int] = []
        found: list[Floats] = []
        for d in wanted:
            if self._clock() - begun >= self._budget:
                break
            language = int(read.best[d, 0])
            vector = self._encoder.vector(texts[d][:LONGEST])
            rows.append(d)
            found.append(self._heads.probabilities(vector, language if language < 2 else 2))
        if wanted:
            self._tell(len(rows), len(wanted) - len(rows))
        return averaged(read, np.array(rows, np.int64), np.stack(found)) if rows else read

    def _least_sure(self, read: Read) -> list[int]:
        sure = read.probabilities[:, _INTENT].max(axis=1)
        asked = (read.words > 0) & (read.holds & _CRITICAL == 0)
        if self._share < 1:
            per_cent = np.arange(len(self._heads.below))
            asked &= sure < np.interp(self._share * 100, per_cent, self._heads.below)
        return [int(d) for d in np.argsort(sure, kind="stable") if asked[d]]


def averaged(read: Read, rows: NDArray[np.int64], second: Floats) -> Read:
    """`read` with the mean of both probabilities in the given rows, and the answers that follow from it."""
    probabilities, best = read.probabilities.copy(), read.best.copy()
    for name in AGAIN:
        of = slice(HEADS[name].start, HEADS[name].stop)
        probabilities[rows, of] = (probabilities[rows, of] + second[:, of]) / 2
    for number, head in enumerate(ONE_OF):
        if head.name in AGAIN:
            best[rows, number] = probabilities[rows, head.start : head.stop].argmax(axis=1)
    return replace(read, probabilities=probabilities, best=best)
