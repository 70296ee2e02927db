"""What the language columns are fitted on: made-up lines of frequent words.

A word-frequency list says which letters a language writes; lines of a few words drawn by frequency teach the
columns as well as sentences do, for any language that has a list.
"""

import random
from collections.abc import Sequence

from services.classifier.domain.heads import LANGUAGES

LINES = 8_000  # a language
WORDS = 30_000  # of each list
MORE_LIKELY = 1.5  # added to the scores of `MAIN`: what the corpus of a language is, its readers are
MAIN = ("en", "fr", "es", "de", "it", "pt", "nl")  # seen most, and so taught most


def lines_of_words(seed: int = 1) -> tuple[Sequence[str], Sequence[str]]:
    """Lines, and the language of each.

    Raises:
        ImportError: the lists are not installed.
    """
    from wordfreq import top_n_list, word_frequency  # the extra `train`

    chance = random.Random(seed)  # noqa: S311 - chance for data, not for secrets
    texts: list[str] = []
    languages: list[str] = []
    for language in LANGUAGES:
        words = [w for w in top_n_list(language, WORDS) if not any(letter.isdigit() for letter in w)]
        weights = [word_frequency(word, language) ** 0.8 for word in words]
        total = LINES * (2 if language in MAIN else 1)
        for size in chance.choices(range(1, 16), k=total):
            texts.append(" ".join(chance.choices(words, weights, k=size)))
            languages.append(language)
    return texts, languages
