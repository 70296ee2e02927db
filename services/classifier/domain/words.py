"""What a word is near to: short vectors of frequent words, so that a word never learnt from reads like its kin.

The vectors were drawn once from a multilingual encoder, one word at a time, and shrunk to `SIZE` dimensions
(`training/words.py`); frequent words are shortened, for they tell little. A text's vector is their sum, at length 1.
Source: Arora et al., "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", ICLR 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classifier.domain.compiled import compiled
from services.classifier.domain.features import Ints

SIZE = 64


@dataclass(frozen=True, slots=True)
class Words:
    """`vectors[rows[at]]` is that of the token whose number is `keys[at]`; -1 where free (open addressing)."""

    keys: Ints
    rows: NDArray[np.int32]
    vectors: NDArray[np.int8]


def words(numbers: Sequence[int] | Ints, vectors: NDArray[np.int8]) -> Words:
    """The vectors of tokens, by the tokens' numbers (`features.hash_tokens`); of two of one number, the first."""
    size = 1 << max(4, (2 * len(numbers)).bit_length())
    keys = np.full(size, -1, np.int64)
    rows = np.zeros(size, np.int32)
    for row, number in enumerate(numbers):
        at = int(number) & (size - 1)
        while keys[at] != -1 and keys[at] != number:
            at = (at + 1) & (size - 1)
        if keys[at] == -1:
            keys[at], rows[at] = number, row
    return Words(keys, rows, np.ascontiguousarray(vectors))


NO_WORDS = words([], np.zeros((1, SIZE), np.int8))


@compiled
def sum_up(
    n: int, hashes: Ints, keys: Ints, rows: NDArray[np.int32], vectors: NDArray[np.int8], out: NDArray[np.float32]
) -> None:
    """The vector of a text, of length 1; all 0 where no word is known."""
    mask = len(keys) - 1
    size = len(out)
    for k in range(size):
        out[k] = 0
    for t in range(n):
        h = int(hashes[t])
        at = h & mask
        while keys[at] != -1 and keys[at] != h:
            at = (at + 1) & mask
        if keys[at] == h:
            vector = vectors[rows[at]]
            for k in range(size):
                out[k] += vector[k]
    total = np.float32(0.0)
    for k in range(size):
        total += out[k] * out[k]
    if total > 0:
        short = np.float32(1.0) / np.sqrt(total)
        for k in range(size):
            out[k] *= short
