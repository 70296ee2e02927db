"""Posts as what the fit reads: their buckets, and the number of each label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classifier.domain.features import MASK, Scratch, buckets, hash_tokens, split
from services.classifier.domain.heads import ANY_OF, HEADS, ONE_OF, SINGLES
from services.classifier.domain.text import BARE, KINDS, LOWER, code_points
from services.classifier.domain.words import Words, sum_up
from services.classifier.training.corpus import Post

TAUGHT = ONE_OF[1:]  # by the corpus; the language columns before them are taught by lines of words
FIRST_TAUGHT = TAUGHT[0].start
SINGLE_COLUMNS = np.array([c for head in ANY_OF for c in range(head.start, head.stop)], np.int64) - FIRST_TAUGHT
HEAD_COLUMNS = np.array([(head.start, head.stop) for head in TAUGHT], np.int64) - FIRST_TAUGHT


@dataclass(frozen=True, slots=True)
class Features:
    """`buckets[begin[d]:begin[d + 1]]` are those of text `d`; the first `words[d]` of them are words."""

    buckets: NDArray[np.int32]
    begin: NDArray[np.int64]
    words: NDArray[np.int64]
    vectors: NDArray[np.float32]  # of each text


def features_of(texts: Sequence[str], near: Words) -> Features:
    """The buckets of each text, and its vector."""
    pad = Scratch()
    found: list[NDArray[np.int32]] = []
    sizes, words = [], []
    vectors = np.zeros((len(texts), near.vectors.shape[1]), np.float32)
    for d, text in enumerate(texts):
        codes = code_points(text)
        n = split(codes, 0, len(codes), KINDS, LOWER, BARE, pad.low, pad.bare, pad.ends, pad.shapes)
        hash_tokens(n, pad.bare, pad.ends, pad.hashes)
        sum_up(n, pad.hashes, near.keys, near.rows, near.vectors, vectors[d])
        w, p = buckets(n, pad.low, pad.ends, pad.shapes, pad.hashes, MASK, pad.words, pad.parts)
        found += [pad.words[:w].copy(), pad.parts[:p].copy()]
        sizes.append(w + p)
        words.append(w)
    begin = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(sizes, out=begin[1:])
    return Features(np.concatenate(found), begin, np.array(words, np.int64), vectors)


def known(posts: Sequence[Post]) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    """The label's number in each head of `TAUGHT` (text, head), and each single label as 1 or 0 (text, label)."""
    one = np.full((len(posts), len(TAUGHT)), -1, np.int16)
    any_ = np.zeros((len(posts), len(SINGLES)), np.int8)
    place = {label: number for number, label in enumerate(SINGLES)}
    names = [head.name for head in TAUGHT]
    for d, post in enumerate(posts):
        for h, name in enumerate(names):
            label = getattr(post, name)
            if label in HEADS[name].labels:
                one[d, h] = HEADS[name].labels.index(label)
        if post.contact_channel == "none":
            one[d, names.index("channel_sentiment")] = -1  # of no channel
        for label in (*post.reasons, *post.topics):
            if label in place:
                any_[d, place[label]] = 1
        any_[d, place["needs_response"]] = post.needs_response
        any_[d, place["asks_private_contact"]] = post.asks_private_contact
        any_[d, place["is_question"]] = post.is_question
    return one, any_


def balance(one: NDArray[np.int16], evenly: float = 0.5) -> NDArray[np.float32]:
    """How much each text counts in each head: rare labels more, by the power `evenly` of their rarity.

    The single labels count once each: what is rare there stays rare, so that probabilities stay honest.
    """
    weight = np.ones((len(one), one.shape[1] + len(SINGLES)), np.float32)
    for h in range(one.shape[1]):
        labelled = one[:, h] >= 0
        if not labelled.any():
            continue
        counts = np.bincount(one[labelled, h])
        rare = (labelled.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))) ** evenly
        weight[labelled, h] = rare[one[labelled, h]]
    return weight
