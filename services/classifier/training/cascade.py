"""`guichet train --cascade`: linear heads over an encoder's vectors, taught by a sample of the corpus.

They are fitted, and their confidences set right, as the model's are; the encoder is taken as it is.
"""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.classifier.domain.cascade import AGAIN, LONGEST, Encoder, EncoderHeads
from services.classifier.domain.heads import COLUMNS, FIRST_SINGLE, HEADS, SINGLES
from services.classifier.domain.model import KINDS_OF_CONFIDENCE, Floats
from services.classifier.domain.words import Words
from services.classifier.training import calibrate, fit
from services.classifier.training.build import Say
from services.classifier.training.corpus import Corpus, Post
from services.classifier.training.examples import (
    FIRST_TAUGHT,
    HEAD_COLUMNS,
    SINGLE_COLUMNS,
    TAUGHT,
    Features,
    balance,
    features_of,
    known,
)
from services.classifier.training.score import auroc, macro_f1

SAMPLE = 8_000  # posts: twice as many take twice as long and change little
SEED = 7
PACE = fit.Pace(passes=12, step=0.1)
LONG = 5.0  # how long the centred vectors are made: what a step of the fit is for
_INTENT = HEADS["intent"]
_ONE = [number for number, head in enumerate(TAUGHT) if head.name in AGAIN]
_ANY = [SINGLES.index(name) for name in AGAIN if name in SINGLES]


def sample(corpus: Corpus, most: int = SAMPLE) -> list[Post]:
    """The posts the encoder reads: the same ones each time."""
    order = list(range(len(corpus.posts)))
    random.Random(SEED).shuffle(order)  # noqa: S311 -- nothing secret
    return [corpus.posts[at] for at in order[:most]]


def vectors(posts: Sequence[Post], encoder: Encoder, say: Say) -> Floats:
    """The vector of each post (post, dimension)."""
    found = []
    for number, post in enumerate(posts):
        if number % 50 == 0:
            say(f"{number} of {len(posts)} read", 0.9 * number / len(posts))
        found.append(encoder.vector(post.text[:LONGEST]))
    return np.stack(found)


def teach(posts: Sequence[Post], read: Floats, below: Floats) -> tuple[EncoderHeads, dict[str, Any]]:
    """Heads from the posts' vectors, and how good they are alone, on five held-out folds, by language and head."""
    one, any_ = known(posts)
    middle = read.mean(axis=0)
    told = balance(one)
    task = fit.Task(
        _alone(((read - middle) * LONG).astype(np.float32)),
        one[:, _ONE],
        any_[:, _ANY],
        np.hstack([told[:, _ONE], told[:, [one.shape[1] + k for k in _ANY]]]),
    )
    folds = np.array([calibrate.fold_of(post) for post in posts])
    unseen = np.zeros((len(posts), COLUMNS - FIRST_TAUGHT), np.float32)
    for fold in range(calibrate.FOLDS):
        outside = np.flatnonzero(folds == fold)
        fitted = _fitted(task, np.flatnonzero(folds != fold))
        unseen[outside, : len(fitted.bias)] = fit.scores(fitted, task.features, outside)
    sharp = calibrate.sharpness(unseen, one, any_, [post.language for post in posts])
    fitted = _fitted(task, np.arange(len(posts)))
    near, bias = np.zeros((read.shape[1], COLUMNS), np.float16), np.zeros(COLUMNS, np.float32)
    filled = slice(FIRST_TAUGHT, FIRST_TAUGHT + len(fitted.bias))
    near[:, filled] = fitted.near * LONG
    bias[filled] = fitted.bias
    bias -= middle @ near.astype(np.float32)
    heads = EncoderHeads(near.astype(np.float32), bias, sharp, below)
    return heads, _scores(np.hstack([np.zeros((len(posts), FIRST_TAUGHT), np.float32), unseen]), one, any_, posts)


def first_look(corpus: Corpus, near: Words, sharpness: Floats, pace: fit.Pace | None = None) -> Floats:
    """`below[k]`: the confidence in the intent under which k per cent of a fold's posts are, unseen by the model."""
    one, any_ = known(corpus.posts)
    task = fit.Task(features_of([post.text for post in corpus.posts], near), one, any_, balance(one))
    outside = np.array([calibrate.fold_of(post) == 0 for post in corpus.posts])
    fitted = fit.fit(task, np.flatnonzero(~outside), pace or fit.Pace())
    scores = fit.scores(fitted, task.features, np.flatnonzero(outside))
    kinds = _kinds([post for post, out in zip(corpus.posts, outside, strict=True) if out])
    x = scores[:, _INTENT.start - FIRST_TAUGHT : _INTENT.stop - FIRST_TAUGHT]
    p = _softmax(x * sharpness[kinds, _INTENT.start : _INTENT.stop])
    below: Floats = np.percentile(p.max(axis=1), np.arange(101)).astype(np.float32)
    return below


def _fitted(task: fit.Task, chosen: NDArray[np.int64]) -> fit.Fitted:
    return fit.fit(task, chosen, PACE, heads=HEAD_COLUMNS[_ONE], singles=SINGLE_COLUMNS[_ANY])


def _alone(read: Floats) -> Features:
    """Vectors as features: no bucket of any word beside them."""
    none = np.zeros(len(read), np.int64)
    return Features(np.zeros(0, np.int32), np.zeros(len(read) + 1, np.int64), none, np.ascontiguousarray(read))


def _scores(
    scores: Floats, one: NDArray[np.int16], any_: NDArray[np.int8], posts: Sequence[Post]
) -> dict[str, dict[str, float]]:
    kinds = _kinds(posts)
    found: dict[str, dict[str, float]] = {}
    for kind, language in enumerate(KINDS_OF_CONFIDENCE[:2]):
        of_kind = kinds == kind
        by_head: dict[str, float] = {}
        for name in AGAIN:
            head = HEADS[name]
            x = scores[of_kind, head.start : head.stop]
            if head.start >= FIRST_SINGLE:
                right = any_[of_kind, SINGLES.index(name)] == 1
                by_head[f"{name}_auroc"] = round(auroc(x[:, 0], right), 4)
            else:
                told, meant = x.argmax(axis=1), one[of_kind, [h.name for h in TAUGHT].index(name)]
                by_head[f"{name}_macro_f1"] = round(macro_f1(told, meant), 4)
        found[language] = by_head
    return found


def _kinds(posts: Sequence[Post]) -> NDArray[np.int64]:
    return np.array([("en", "fr").index(p.language) if p.language in ("en", "fr") else 2 for p in posts], np.int64)


def _softmax(x: Floats) -> Floats:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True), np.float32)
