"""Setting the confidences right on posts the weights have not seen (five folds of the corpus)."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.classifier.domain.heads import ANY_OF, COLUMNS, FIRST_SINGLE
from services.classifier.domain.model import KINDS_OF_CONFIDENCE
from services.classifier.training.corpus import Post
from services.classifier.training.examples import FIRST_TAUGHT, TAUGHT

FOLDS = 5
_SHARPNESS = np.geomspace(0.1, 12, 60)
_FEWEST = 60  # texts of a language, below which a head takes the temperature of all


def fold_of(post: Post) -> int:
    """Which fold a post belongs to, by its text, so that it stays there as the corpus grows."""
    return hashlib.sha256(post.text.encode()).digest()[0] % FOLDS


def sharpness(
    scores: NDArray[np.float32], one: NDArray[np.int16], any_: NDArray[np.int8], languages: Sequence[str]
) -> NDArray[np.float32]:
    """One by the temperature of each head in each kind of language, for each of its columns (kind, column).

    `scores` begin with the first column the corpus teaches.

    The temperature is the one with the least log loss. Source: Guo et al., "On Calibration of Modern Neural
    Networks", ICML 2017.
    """
    found = np.ones((len(KINDS_OF_CONFIDENCE), COLUMNS), np.float32)
    scores = np.hstack([np.zeros((len(scores), FIRST_TAUGHT), np.float32), scores])
    spoken = np.array(languages)
    for k, kind in enumerate(KINDS_OF_CONFIDENCE):
        of_kind = spoken == kind if kind != "other" else np.ones(len(spoken), bool)
        for h, head in enumerate(TAUGHT):
            chosen = of_kind & (one[:, h] >= 0)
            if chosen.sum() < _FEWEST:
                chosen = one[:, h] >= 0
            if chosen.any():
                x, y = scores[chosen, head.start : head.stop], one[chosen, h]
                found[k, head.start : head.stop] = min(_SHARPNESS, key=lambda s: _one_of_loss(s * x, y))
        for head in ANY_OF:
            chosen = of_kind if of_kind.sum() >= _FEWEST else np.ones(len(spoken), bool)
            x = scores[chosen, head.start : head.stop]
            y = any_[chosen, head.start - FIRST_SINGLE : head.stop - FIRST_SINGLE]
            found[k, head.start : head.stop] = min(_SHARPNESS, key=lambda s: _any_of_loss(s * x, y))
    return found


def _one_of_loss(x: NDArray[np.float32], y: NDArray[np.int16]) -> float:
    x = x - x.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(x).sum(axis=1)) - x[np.arange(len(y)), y]))


def _any_of_loss(x: NDArray[np.float32], y: NDArray[np.int8]) -> float:
    return float(np.mean(np.logaddexp(0, np.where(y == 1, -x, x))))


def calibration_error(confidence: NDArray[np.float32], right: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error over bins of equal width, 0..1."""
    where = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(
        sum(
            abs(confidence[where == b].mean() - right[where == b].mean()) * (where == b).mean()
            for b in range(bins)
            if (where == b).any()
        )
    )


def threshold(p: NDArray[np.float32], y: NDArray[np.int8], beta: float) -> float:
    """Where F-beta of a label is highest: beta 1 for topics, more where a miss costs more than a false alarm.

    A label seen fewer than ten times stays at .5.
    """
    if y.sum() < 10:
        return 0.5
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(y[order])
    told = np.arange(1, len(p) + 1)
    f = (1 + beta**2) * hits / (beta**2 * y.sum() + told)
    return float(np.clip(p[order[int(f.argmax())]], 0.02, 0.9))
