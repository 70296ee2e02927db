"""Track A: the method of the house, taught by a set's own training part and judged on its unseen part."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.classifier.sets import HELD_OUT, Labelled, Set, labelled
from services.classifier.domain.words import Words
from services.classifier.training import fit
from services.classifier.training.calibrate import calibration_error
from services.classifier.training.examples import Features, features_of
from services.classifier.training.score import auroc, macro_f1


@dataclass(frozen=True, slots=True)
class Method:
    """How to fit a set of which nothing is known but its texts and labels."""

    passes: int = 8
    step: float = 0.35
    l2: float = 2.0
    evenly: float = 0.5  # 0: every text counts once; 1: every class counts the same
    near: float = 0.75  # how much the text's vector counts, times that of the shipped model


# Each chosen on the tenths 2 to 9 of its set, the held-out ones unseen.
_OWN = {
    "ten complaint reasons": Method(passes=12, step=0.1, l2=4.0),
    "complaint yes/no": Method(passes=10, l2=1.0, near=0.5),
    "French sentiment": Method(passes=12, step=0.7, l2=0.1, near=1.0),
    "French feedback": Method(passes=12, l2=0.1, near=0.5),
    "Banking77": Method(passes=20, step=0.7, l2=0.2, near=0.5),
    "CLINC150": Method(passes=20, l2=1.0, near=0.5),
}
_FOR_TEMPERATURE = (8, 9)  # tenths the temperature is set right on, by a fit that has not seen them
_SHARPNESS = np.geomspace(0.3, 4, 40)


@dataclass(frozen=True, slots=True)
class Found:
    """How good it was on the unseen part, 0..1."""

    texts: int
    accuracy: float
    macro_f1: float
    auroc: float | None  # of two classes, or of what belongs to none
    calibration_error: float


class Lesson:
    """A set made ready, to be fitted more than once."""

    def __init__(self, some: Labelled, near: Words) -> None:
        self._some = some
        self._features = features_of(some.texts, near)
        self._numbers = np.array(some.numbers, np.int16)
        self._tenths = np.array(some.tenths)

    def taught(self, method: Method, judged: Collection[int] = HELD_OUT, *, calibrated: bool = True) -> Found:
        """Fit on all tenths that are neither held out nor judged; judge on those named."""
        known = self._numbers >= 0
        judge = self._of(judged)
        teach = known & ~judge & ~self._of(HELD_OUT)
        sharp = self._sharpness(method, teach) if calibrated else 1.0
        fitted = self._fitted(method, np.flatnonzero(teach))
        p = _probabilities(sharp * self._scores(fitted, method, known & judge))
        told, right = p.argmax(axis=1), self._numbers[known & judge]
        area = None
        if (~known).any():  # none of them was learnt from: all are judged
            outside = _probabilities(sharp * self._scores(fitted, method, ~known))
            surest = np.concatenate([p.max(axis=1), outside.max(axis=1)])
            area = auroc(1 - surest, np.arange(len(surest)) >= len(p))
        elif len(self._some.labels) == 2:
            area = auroc(p[:, 1], right == 1)
        return Found(
            len(right),
            float((told == right).mean()),
            macro_f1(told, right),
            area,
            calibration_error(p.max(axis=1), told == right),
        )

    def _fitted(self, method: Method, teach: NDArray[np.int64]) -> fit.Fitted:
        counts = np.maximum(np.bincount(self._numbers[teach], minlength=len(self._some.labels)), 1)
        rare = (len(teach) / (len(counts) * counts)) ** method.evenly
        weight = rare[np.maximum(self._numbers, 0)].astype(np.float32)[:, None]
        task = fit.Task(self._seen(method), self._numbers[:, None], np.zeros((len(weight), 0), np.int8), weight)
        return fit.fit(
            task,
            teach,
            fit.Pace(passes=method.passes, step=method.step, l2=method.l2),
            heads=np.array([[0, len(counts)]], np.int64),
            singles=np.zeros(0, np.int64),
        )

    def _seen(self, method: Method) -> Features:
        return replace(self._features, vectors=self._features.vectors * np.float32(method.near))

    def _scores(self, fitted: fit.Fitted, method: Method, chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
        return fit.scores(fitted, self._seen(method), np.flatnonzero(chosen))

    def _sharpness(self, method: Method, teach: NDArray[np.bool_]) -> float:
        """One by the temperature, that of the least log loss on texts a first fit has not seen."""
        unseen = teach & self._of(_FOR_TEMPERATURE)
        fitted = self._fitted(method, np.flatnonzero(teach & ~unseen))
        x, right = self._scores(fitted, method, unseen), self._numbers[unseen]

        def loss(sharp: float) -> float:
            return float(-np.log(_probabilities(sharp * x)[np.arange(len(x)), right] + 1e-9).mean())

        return float(min(_SHARPNESS, key=loss))

    def _of(self, tenths: Collection[int]) -> NDArray[np.bool_]:
        return np.isin(self._tenths, list(tenths))


def _probabilities(x: NDArray[np.float32]) -> NDArray[np.float32]:
    p = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True), np.float32)


def lesson(some: Set, folder: Path, near: Words) -> Lesson:
    """Read a set and make it ready."""
    return Lesson(labelled(some, folder), near)


def method_of(name: str) -> Method:
    """How to fit a set, chosen on its tenths 2 to 9."""
    return _OWN.get(name, Method())
