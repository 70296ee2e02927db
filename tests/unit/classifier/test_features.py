"""The hashed pass: what a token is, and that machine code and plain Python read the same."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classifier.domain import features
from services.classifier.domain.compiled import COMPILED
from services.classifier.domain.features import MASK, Scratch, buckets, hash_tokens, split
from services.classifier.domain.text import BARE, KINDS, LONGEST, LOWER, code_points
from services.classifier.training.corpus import read_corpus

MARKERS = {
    features.URL: "<url>", features.AT: "<at>", features.AT_FIRST: "<first at>", features.HASH: "<hash>",
    features.MAIL: "<mail>", features.LOUD: "<!!>", features.PUZZLED: "<??>", features.UNSAID: "<...>",
    features.HAPPY: "<:)>", features.SAD: "<:(>", features.WINK: "<;)>", features.HEART: "<3>",
}  # fmt: skip


def tokens(text: str) -> list[str]:
    pad = Scratch()
    codes = code_points(text)
    n = split(codes, 0, len(codes), KINDS, LOWER, BARE, pad.low, pad.bare, pad.ends, pad.shapes)
    begins = [0, *pad.ends[: max(n - 1, 0)].tolist()]
    return [
        "".join(MARKERS.get(int(c), chr(c)) for c in pad.bare[begin:end])
        for begin, end in zip(begins[:n], pad.ends[:n].tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        ("Bonjour à tous", ["bonjour", "a", "tous"]),
        ("@acme_fr salut @bob", ["<first at>", "salut", "<at>"]),
        ("voir https://t.co/aB9 et www.acme.fr/x !", ["voir", "<url>", "et", "<url>", "!"]),
        ("write to bob@acme.com", ["write", "to", "bob", "<mail>"]),
        ("don't can't we'll it's", ["dont", "cant", "well", "its"]),
        ("l'appli d’hier", ["l", "appli", "d", "hier"]),
        ("#FailTotal #sncf", ["<hash>", "fail", "total", "<hash>", "sncf"]),
        ("nooooon !!! quoi ?!", ["noon", "<!!>", "quoi", "<??>"]),
        ("45 min, 123456 et 18h30", ["00", "min", "0000", "et", "00h00"]),
        (":) :-( ;) <3 ...", ["<:)>", "<:(>", "<;)>", "<3>", "<...>"]),
        ("👍🏽 ❤️", ["👍", "❤"]),
        ("&amp; <p>hi</p>&nbsp;there", ["hi", "there"]),
        ("ＡＣＭＥ ﬁn", ["acme", "fin"]),
        ("zero\u200bwidth", ["zerowidth"]),
        ("\ud800 lone", ["lone"]),
    ],
)
def test_a_text_is_cut_into_words_and_signs(text: str, wanted: Sequence[str]) -> None:
    assert tokens(text) == wanted


def read(text: str, *, plain: bool) -> tuple[list[int], list[int], list[int]]:
    pad = Scratch()
    codes = code_points(text)
    functions: list[Any] = [getattr(f, "py_func", f) if plain else f for f in (split, hash_tokens, buckets)]
    split_, hash_, buckets_ = functions
    n = split_(codes, 0, len(codes), KINDS, LOWER, BARE, pad.low, pad.bare, pad.ends, pad.shapes)
    hash_(n, pad.bare, pad.ends, pad.hashes)
    w, p = buckets_(n, pad.low, pad.ends, pad.shapes, pad.hashes, MASK, pad.words, pad.parts)
    return pad.hashes[:n].tolist(), pad.words[:w].tolist(), pad.parts[:p].tolist()


@pytest.mark.slow
def test_machine_code_and_plain_python_find_the_same_buckets_in_thousands_of_posts() -> None:
    assert COMPILED, "numba is not installed"
    posts = read_corpus().posts[::6]
    assert len(posts) > 2000
    assert [post.id for post in posts if read(post.text, plain=True) != read(post.text, plain=False)] == []


@given(st.text(st.characters(), max_size=120))
def test_any_text_is_read_and_read_the_same(text: str) -> None:
    assert read(text, plain=True) == read(text, plain=False)


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "a " * 50_000, "😀" * 5_000, "#A" * 9_000, "@" * 9_000, "é" * 9_000, "<" * 9_000]
)
def test_a_long_text_is_read_as_far_as_it_matters(text: str) -> None:
    hashes, words, parts = read(text, plain=False)
    assert len(hashes) <= features.MOST_TOKENS
    assert len(words) <= features.MOST_WORDS
    assert len(parts) <= features.MOST_PARTS
    assert len(code_points(text)) <= LONGEST
    assert np.all(np.array(words + parts) >= 0)
