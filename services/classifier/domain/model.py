"""The weights, and what they say of a batch of texts: from code points to probabilities in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.classifier.domain.compiled import compiled
from services.classifier.domain.features import MASK, Ints, Scratch, buckets, hash_tokens, split
from services.classifier.domain.heads import ONE_OF
from services.classifier.domain.phrases import Phrases, find
from services.classifier.domain.text import BARE, KINDS, LOWER, code_points
from services.classifier.domain.words import Words, sum_up

Floats = NDArray[np.float32]

# Scripts that name their language, by their code points; the languages above share the Latin one.
SCRIPTS = ("latin", "ru", "el", "ar", "he", "hi", "th", "ko", "ja", "zh", "other")
KINDS_OF_CONFIDENCE = ("en", "fr", "other")  # temperatures are set right by language
_ONE_OF = np.array([(head.start, head.stop) for head in ONE_OF], np.int64)


@dataclass(frozen=True, slots=True)
class Weights:
    """A model.

    `table[bucket, column]` times `scale[column]` is a weight; `sharpness[k, column]` is one by the temperature of
    the column's head in language `KINDS_OF_CONFIDENCE[k]`; `thresholds[column]` is where a single label begins to hold.
    """

    table: NDArray[np.int8]
    scale: Floats
    nearness: Floats  # of each dimension of a text's vector, by column
    bias: Floats
    sharpness: Floats
    thresholds: Floats


@dataclass(frozen=True, slots=True)
class Read:
    """What the pass found in each text of a batch, in its order."""

    probabilities: Floats  # by column
    best: NDArray[np.int64]  # the answer of each head of `ONE_OF`
    holds: NDArray[np.int64]  # the single labels over their thresholds, as bits from the first single column
    phrases: NDArray[np.int64]  # the groups of phrases found, as bits
    words: NDArray[np.int64]  # how many words: a text may have none
    script: NDArray[np.int64]  # of most of its letters, in `SCRIPTS`


class Reader:
    """Reads texts with a model. Not for two threads at once: it keeps its room between batches."""

    def __init__(self, weights: Weights, words: Words, table: Phrases) -> None:
        self.weights = weights
        self._words = words
        self._phrases = table
        self._vector = np.zeros(len(weights.nearness), np.float32)
        self._pad = Scratch()

    def read(self, texts: Sequence[str]) -> Read:
        """Read a batch."""
        codes = [code_points(text) for text in texts]
        offsets = np.zeros(len(codes) + 1, np.int64)
        np.cumsum([len(some) for some in codes], out=offsets[1:])
        n = len(codes)
        weights, pad = self.weights, self._pad
        found = Read(
            np.zeros((n, weights.table.shape[1]), np.float32),
            np.zeros((n, len(_ONE_OF)), np.int64),
            np.zeros(n, np.int64),
            np.zeros(n, np.int64),
            np.zeros(n, np.int64),
            np.zeros(n, np.int64),
        )
        _read(
            np.concatenate(codes) if codes else np.zeros(0, np.uint32),
            offsets,
            (KINDS, LOWER, BARE),
            (pad.low, pad.bare, pad.ends, pad.shapes, pad.hashes, pad.words, pad.parts, self._vector),
            (weights.table, weights.scale, weights.nearness, weights.bias, weights.sharpness, weights.thresholds),
            (self._words.keys, self._words.rows, self._words.vectors),
            (self._phrases.keys, self._phrases.values, self._phrases.negatable),
            _ONE_OF,
            (found.probabilities, found.best, found.holds, found.phrases, found.words, found.script),
        )
        return found


@compiled
def _script(n: int, low: Ints, ends: Ints, shapes: Ints, counts: Ints) -> int:
    """The script of most letters; kana anywhere makes it Japanese."""
    for s in range(len(counts)):
        counts[s] = 0
    start = 0
    for t in range(n):
        stop = int(ends[t])
        if shapes[t] != 0:
            for i in range(start, stop):
                c = int(low[i])
                if c < 0x250 or 0x1E00 <= c < 0x1F00:
                    counts[0] += 1 if c > 64 else 0
                elif c < 0x370:
                    counts[10] += 0
                elif c < 0x400:
                    counts[2] += 1
                elif c < 0x530:
                    counts[1] += 1
                elif 0x590 <= c < 0x600:
                    counts[4] += 1
                elif 0x600 <= c < 0x780:
                    counts[3] += 1
                elif 0x900 <= c < 0x980:
                    counts[5] += 1
                elif 0xE00 <= c < 0xE80:
                    counts[6] += 1
                elif 0xAC00 <= c < 0xD7B0 or 0x1100 <= c < 0x1200:
                    counts[7] += 2
                elif 0x3040 <= c < 0x3100:
                    counts[8] += 100
                elif 0x4E00 <= c < 0xA000 or 0x3400 <= c < 0x4DC0:
                    counts[9] += 2
                else:
                    counts[10] += 1
        start = stop
    best = 0
    for s in range(1, len(counts)):
        if counts[s] > counts[best]:
            best = s
    return best


@compiled
def _read(
    texts: Any, offsets: Ints, letters: Any, pad: Any, weights: Any, near: Any, phrases: Any, heads: Ints, out: Any
) -> None:
    kinds, lower, bare_of = letters
    low, bare, ends, shapes, hashes, words, parts, vector = pad
    table, scale, nearness, bias, sharpness, thresholds = weights
    word_keys, word_rows, word_vectors = near
    keys, values, negatable = phrases
    probabilities, best, holds, found, word_counts, scripts = out
    columns = table.shape[1]
    by_words = np.zeros(columns, np.int32)
    by_parts = np.zeros(columns, np.int32)
    counts = np.zeros(11, np.int64)
    for d in range(len(offsets) - 1):
        n = split(texts, offsets[d], offsets[d + 1], kinds, lower, bare_of, low, bare, ends, shapes)
        hash_tokens(n, bare, ends, hashes)
        found[d] = find(n, hashes, keys, values, negatable)
        w, p = buckets(n, low, ends, shapes, hashes, MASK, words, parts)
        spoken = 0
        for t in range(n):
            spoken += 1 if shapes[t] != 0 else 0
        word_counts[d] = spoken
        scripts[d] = _script(n, low, ends, shapes, counts)
        for c in range(columns):
            by_words[c] = 0
            by_parts[c] = 0
        for i in range(w):
            row = table[words[i]]
            for c in range(columns):
                by_words[c] += row[c]
        for i in range(p):
            row = table[parts[i]]
            for c in range(columns):
                by_parts[c] += row[c]
        a = np.float32(1.0 / np.sqrt(max(1, w)))
        b = np.float32(1.0 / np.sqrt(max(1, p)))
        sum_up(n, hashes, word_keys, word_rows, word_vectors, vector)
        scores = probabilities[d]
        for c in range(columns):
            scores[c] = bias[c] + scale[c] * (a * by_words[c] + b * by_parts[c])
        for k in range(len(vector)):
            near_row = nearness[k]
            for c in range(columns):
                scores[c] += vector[k] * near_row[c]
        kind = 2
        for h in range(len(heads)):  # the language comes first: it says how sure the others may be
            start, stop = heads[h, 0], heads[h, 1]
            top = start
            for c in range(start, stop):
                scores[c] *= sharpness[kind, c]
                if scores[c] > scores[top]:
                    top = c
            high = scores[top]
            total = np.float32(0.0)
            for c in range(start, stop):
                scores[c] = np.exp(scores[c] - high)
                total += scores[c]
            for c in range(start, stop):
                scores[c] /= total
            best[d, h] = top - start
            if h == 0 and top < 2:
                kind = top
        mask = 0
        bit = 1
        for c in range(heads[-1, 1], columns):
            scores[c] = np.float32(1.0) / (np.float32(1.0) + np.exp(-scores[c] * sharpness[kind, c]))
            if scores[c] >= thresholds[c]:
                mask |= bit
            bit <<= 1
        holds[d] = mask
