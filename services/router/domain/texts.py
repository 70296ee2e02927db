"""Texts people write in several languages: which one a reader gets, and words compared as people hear them. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")

FALLBACK = "en"

_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""


def in_language(texts: Mapping[str, T], language: str) -> T | None:
    """What is written for this language, else for its main part, in English, or in the first there is; None: nothing.

    What is empty counts as not written.
    """
    written = {tag.lower(): text for tag, text in texts.items() if text}
    for tag in (language.lower(), language.lower().partition("-")[0], FALLBACK):
        if tag in written:
            return written[tag]
    return written[min(written)] if written else None


@lru_cache(maxsize=16)  # one message is compared with every open incident
def folded(text: str) -> str:
    """Its words, with a space before, between and after: without case, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return f" {' '.join(_WORD.findall(''.join(c for c in plain if not unicodedata.combining(c))))} "


def says(text: str, keyword: str) -> bool:
    """Whether the words of the keyword stand in the text, next to each other: "ligne 13" in "#Ligne13 à l'arrêt".

    A star at its end takes every ending ("retard*"). A keyword without a letter or digit stands nowhere.
    """
    said = folded(text)
    return any(needle in said for needle in _needles(keyword))


@lru_cache(maxsize=4096)
def _needles(keyword: str) -> tuple[str, ...]:
    words = folded.__wrapped__(keyword).strip()
    if not words:
        return ()
    if _UNSPACED.search(words):
        return (words,)
    end = "" if keyword.rstrip().endswith("*") else " "
    return tuple(dict.fromkeys((f" {words}{end}", f" {words.replace(' ', '')}{end}")))
