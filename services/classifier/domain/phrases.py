"""Finding the phrases of a table in the tokens of a text, by number instead of by letter.

A phrase is a row of tokens as `features.split` makes them; all are kept in one hash table by the numbers of their
beginnings, so that a token which begins none costs one look.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from services.classifier.domain import features
from services.classifier.domain.compiled import compiled
from services.classifier.domain.features import Ints
from services.classifier.domain.text import BARE, KINDS, LOWER, code_points

LONGEST_PHRASE = 8
MOST_GROUPS = 60
NEGATED_WITHIN = 3  # tokens before the phrase
NEGATOR = 1 << 61  # a bit no group has
_MORE = 1 << 62  # a longer phrase begins so
_LOW = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Phrases:
    """The table, ready to be searched: open addressing, `keys` 0 where free."""

    keys: Ints
    values: Ints  # the groups whose phrase ends here, as bits; `_MORE`, `NEGATOR`
    negatable: int  # the groups a negation before them silences, as bits


def phrases(groups: Mapping[str, Iterable[str]], negatable: Iterable[str], negators: Iterable[str]) -> Phrases:
    """Put a table of phrases together.

    Args:
        groups: name -> its phrases. Where several words may stand, they are written `a/b/c`; `-` among them
            means that the place may be empty: `no/zero reply/answer yet/-`.

    Raises:
        ValueError: more groups than bits, or a phrase of no or too many tokens.
    """
    names = list(groups)
    if len(names) > MOST_GROUPS:
        raise ValueError(f"{len(names)} groups of phrases; {MOST_GROUPS} fit")
    found: dict[int, int] = {}
    for bit, name in enumerate(names):
        for written in groups[name]:
            for text in _spelled_out(written):
                chain = [token for word in text.split() for token in tokens(word)]
                if not 0 < len(chain) <= LONGEST_PHRASE:
                    raise ValueError(f"{name}: {text!r} has {len(chain)} words; 1 to {LONGEST_PHRASE} are possible")
                key = 0
                for number, token in enumerate(chain):
                    key = step(key, token)
                    found[key] = found.get(key, 0) | (1 << bit if number == len(chain) - 1 else _MORE)
    for word in negators:
        [token] = tokens(word)
        key = step(0, token)
        found[key] = found.get(key, 0) | NEGATOR
    size = 1 << max(10, (4 * len(found)).bit_length())
    keys = np.zeros(size, np.int64)
    values = np.zeros(size, np.int64)
    for key, value in found.items():
        at = key & (size - 1)
        while keys[at]:
            at = (at + 1) & (size - 1)
        keys[at] = key
        values[at] = value
    return Phrases(keys, values, sum(1 << names.index(name) for name in negatable))


def _spelled_out(written: str) -> list[str]:
    places = [[word if word != "-" else "" for word in place.split("/")] for place in written.split()]
    return [" ".join(word for word in words if word) for words in itertools.product(*places)]


@lru_cache(1 << 15)  # the words of a table come again and again
def tokens(text: str) -> Sequence[int]:
    """The numbers of a text's tokens."""
    codes = code_points(text)
    pad = features.Scratch()
    n = features.split(codes, 0, len(codes), KINDS, LOWER, BARE, pad.low, pad.bare, pad.ends, pad.shapes)
    features.hash_tokens(n, pad.bare, pad.ends, pad.hashes)
    return [int(token) for token in pad.hashes[:n]]


def step(key: int, token: int) -> int:
    """The number of a row of tokens, made longer by one; never 0."""
    return (((key * 31 + token + 1) * 16777619) & _LOW) | (1 << 32)


@compiled
def find(n: int, hashes: Ints, keys: Ints, values: Ints, negatable: int) -> int:
    """The groups of which a phrase stands in the text, as bits."""
    mask = len(keys) - 1
    found = 0
    negated_at = -10
    for t in range(n):
        key = 0
        for u in range(t, min(n, t + LONGEST_PHRASE)):
            key = (((key * 31 + int(hashes[u]) + 1) * 16777619) & _LOW) | (1 << 32)
            at = key & mask
            while keys[at] != 0 and keys[at] != key:
                at = (at + 1) & mask
            if keys[at] == 0:
                break
            value = int(values[at])
            bits = value & (NEGATOR - 1)
            if t - negated_at <= NEGATED_WITHIN:
                bits &= ~negatable
            found |= bits
            if u == t and value & NEGATOR:
                negated_at = t
            if not value & _MORE:
                break
    return found


def names_of(found: int, names: Sequence[str]) -> list[str]:
    """The groups of a mask, in the table's order."""
    return [name for bit, name in enumerate(names) if found >> bit & 1]
