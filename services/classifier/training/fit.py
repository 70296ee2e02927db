"""Fitting the weights: logistic regression of many heads over hashed features, one pass after another.

FTRL-proximal, which is what hashed linear models are fitted with where both a small norm (L2) and many zeros (L1)
are wanted; one thread and a fixed order, so that the same input gives the same file.
Source: McMahan et al., "Ad Click Prediction: a View from the Trenches", KDD 2013, algorithm 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.classifier.domain.compiled import compiled
from services.classifier.domain.features import BUCKETS
from services.classifier.training.examples import HEAD_COLUMNS, SINGLE_COLUMNS, Features

TINY = np.float32(1e-9)  # slopes below it change nothing, and squared are too small for fast arithmetic
NEAR = np.float32(2.0)  # how much a text's vector counts beside its words and parts, which have length 1 each


@dataclass(frozen=True, slots=True)
class Pace:
    """How to fit. The defaults are those of the shipped model."""

    passes: int = 12
    step: float = 0.35
    l1: float = 0.0
    l2: float = 1.0
    seed: int = 20_240_613


@compiled
def _pass(
    order: Any, features: Any, known: Any, any_known: Any, weight: Any, columns_of: Any, state: Any, pace: Any
) -> float:
    """One pass over the texts in the given order; returns the summed loss."""
    buckets, begin, words, vectors = features
    heads, singles = columns_of
    w, z, root, near, near_z, near_root, bias, bias_n = state
    step, l1, l2 = pace
    columns = w.shape[1]
    one = np.float32(1.0)
    scores = np.zeros(columns, np.float32)
    slope = np.zeros(columns, np.float32)
    loss = 0.0
    for d in order:
        first, last = begin[d], begin[d + 1]
        size = words[d]
        a = np.float32(1.0 / np.sqrt(max(1, size)))
        b = np.float32(1.0 / np.sqrt(max(1, last - first - size)))
        for c in range(columns):
            scores[c] = bias[c]
            slope[c] = 0
        for i in range(first, last):
            value = a if i - first < size else b
            row = w[buckets[i]]
            for c in range(columns):
                scores[c] += value * row[c]
        vector = vectors[d]
        for k in range(len(vector)):
            for c in range(columns):
                scores[c] += vector[k] * near[k, c]
        active = 0
        for h in range(len(heads)):
            label = known[d, h]
            if label < 0:
                continue
            active = 1
            start, stop = heads[h, 0], heads[h, 1]
            top = scores[start]
            for c in range(start, stop):
                top = max(top, scores[c])
            total = np.float32(0)
            for c in range(start, stop):
                slope[c] = np.exp(scores[c] - top)
                total += slope[c]
            for c in range(start, stop):
                slope[c] /= total
            loss -= np.log(max(slope[start + label], 1e-9)) * weight[d, h]
            slope[start + label] -= 1
            for c in range(start, stop):
                slope[c] *= weight[d, h]
        for k in range(len(singles)):
            label = any_known[d, k]
            if label < 0:
                continue
            active = 1
            c = singles[k]
            p = np.float32(1.0) / (np.float32(1.0) + np.exp(-scores[c]))
            much = weight[d, len(heads) + k]
            loss -= np.log(max(p if label == 1 else 1 - p, 1e-9)) * much
            slope[c] = (p - label) * much
        if active == 0:
            continue
        for c in range(columns):
            g = slope[c]
            if abs(g) < TINY:
                slope[c] = 0
            bias_n[c] += g * g
            bias[c] -= step * g / (1 + np.sqrt(bias_n[c]))
        for i in range(first, last):
            value = a if i - first < size else b
            f = buckets[i]
            zf, rf, wf = z[f], root[f], w[f]
            for c in range(columns):  # without a branch, so that eight columns go at a time
                g = slope[c] * value
                old = rf[c]
                new = np.sqrt(old * old + g * g)
                v = zf[c] + g - (new - old) / step * wf[c]
                zf[c] = v
                rf[c] = new
                cut = min(max(v, -l1), l1)
                wf[c] = (cut - v) / ((one + new) / step + l2)
        for k in range(len(vector)):
            value = vector[k] * NEAR
            zk, rk, wk = near_z[k], near_root[k], near[k]
            for c in range(columns):
                g = slope[c] * value
                old = rk[c]
                new = np.sqrt(old * old + g * g)
                zk[c] += g - (new - old) / step * wk[c] / NEAR
                rk[c] = new
                wk[c] = -NEAR * zk[c] / ((one + new) / step + l2)
    return loss


@dataclass(frozen=True, slots=True)
class Fitted:
    """Weights by bucket and column, before they are rounded."""

    table: NDArray[np.float32]
    near: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Task:
    """Texts, what is known of each (-1: nothing), and how much each counts."""

    features: Features
    one: NDArray[np.int16]
    any_: NDArray[np.int8]
    weight: NDArray[np.float32]


def fit(
    task: Task,
    chosen: Sequence[int] | NDArray[np.int64],
    pace: Pace,
    *,
    heads: NDArray[np.int64] = HEAD_COLUMNS,
    singles: NDArray[np.int64] = SINGLE_COLUMNS,
) -> Fitted:
    """Fit the heads on the chosen texts.

    Args:
        heads: first and last column (not included) of each head that has one answer.
        singles: the columns of the labels that hold or not.
    """
    columns = int(max(heads.max(initial=0), singles.max(initial=-1) + 1))
    w, z, root = (np.zeros((BUCKETS, columns), np.float32) for _ in range(3))
    near, near_z, near_root = (np.zeros((task.features.vectors.shape[1], columns), np.float32) for _ in range(3))
    bias, bias_n = np.zeros(columns, np.float32), np.zeros(columns, np.float32)
    chance = np.random.default_rng(pace.seed)
    order = np.array(chosen, np.int64)
    step, l1, l2 = np.float32(pace.step), np.float32(pace.l1), np.float32(pace.l2)
    some = task.features
    features = (some.buckets, some.begin, some.words, some.vectors)
    state = (w, z, root, near, near_z, near_root, bias, bias_n)
    for _ in range(pace.passes):
        chance.shuffle(order)
        _pass(order, features, task.one, task.any_, task.weight, (heads, singles), state, (step, l1, l2))
    return Fitted(w, near, bias)


@compiled
def _scores(chosen: Any, features: Any, fitted: Any, out: Any) -> None:
    buckets, begin, words, vectors = features
    w, near, bias = fitted
    for k in range(len(chosen)):
        d = chosen[k]
        first, last = begin[d], begin[d + 1]
        a = np.float32(1.0 / np.sqrt(max(1, words[d])))
        b = np.float32(1.0 / np.sqrt(max(1, last - first - words[d])))
        for c in range(w.shape[1]):
            out[k, c] = bias[c]
        for i in range(first, last):
            value = a if i - first < words[d] else b
            for c in range(w.shape[1]):
                out[k, c] += value * w[buckets[i], c]
        for j in range(vectors.shape[1]):
            for c in range(w.shape[1]):
                out[k, c] += vectors[d, j] * near[j, c]


def scores(fitted: Fitted, features: Features, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """The scores of the chosen texts, by column."""
    out = np.zeros((len(chosen), fitted.table.shape[1]), np.float32)
    some = features
    parts = (some.buckets, some.begin, some.words, some.vectors)
    _scores(chosen, parts, (fitted.table, fitted.near, fitted.bias), out)
    return out
