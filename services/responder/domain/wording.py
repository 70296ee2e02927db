"""A language's words as the coach looks for them, and what it says in it."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.responder.domain.links import Span

LISTS = (
    "common", "greeting", "courtesy", "apology", "question", "answer", "private", "asks_for", "asking", "opinion",
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_]{4,}")


@dataclass(frozen=True, slots=True)
class Wording:
    """One language: its words by list, as patterns over flat text, and its sentences by code."""

    language: str  # fr, en
    patterns: Mapping[str, re.Pattern[str]]
    stop: frozenset[str]
    advice: Mapping[str, Mapping[str, str]]  # code -> what, todo
    kinds: Mapping[str, str]  # of personal data

    def spans(self, name: str, text: str) -> Iterator[Span]:
        """Where words of a list stand in a flat text."""
        return (found.span() for found in self.patterns[name].finditer(text))

    def has(self, name: str, text: str) -> bool:
        return self.patterns[name].search(text) is not None

    def subjects(self, text: str) -> frozenset[str]:
        """The words of a flat text that say what it is about, by their first five letters."""
        return frozenset(word[:5] for word in _WORD.findall(text) if word not in self.stop)


def wording(language: str, table: Mapping[str, Any]) -> Wording:
    """A language from its table.

    Raises:
        KeyError: a list is missing.
    """
    words = table["words"]
    patterns = {name: _pattern(words[name]) for name in LISTS}
    return Wording(language, patterns, frozenset(words["stop"]), table["advice"], table["kind"])


def flat(text: str) -> str:
    """The text in lower case, without accents, character for character: what stands where stays where."""
    return "".join(map(_flat, text))


def language_of(flat_text: str, fallback: str, wordings: Mapping[str, Wording]) -> str:
    """The language whose small words there are most of; on a tie the fallback, else the first there is."""
    main = fallback.lower().partition("-")[0]
    counts = {name: sum(1 for _ in each.spans("common", flat_text)) for name, each in wordings.items()}
    most = max(counts.values())
    tied = [name for name in wordings if counts[name] == most]
    if main in tied or (len(tied) > 1 and main in wordings):
        return main
    return tied[0] if len(tied) == 1 else ("en" if "en" in wordings else tied[0])


def _flat(character: str) -> str:
    if character.isascii():
        return character.lower()
    if character in "’ʼ":
        return "'"
    lower = character.lower()
    base = unicodedata.normalize("NFD", lower)[0]
    return base if len(lower) == 1 else character


def _pattern(phrases: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(_phrase, longest_first))})", re.UNICODE)


def _phrase(phrase: str) -> str:
    written = r"\s+".join(map(re.escape, phrase.removesuffix("*").split()))
    if phrase.endswith("*"):
        return written + r"\w*"
    return written if phrase.endswith("'") else written + r"(?!\w)"
