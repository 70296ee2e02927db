"""Which language a text is in: by its letters, else by what the network says, else nobody knows."""

import re
from collections.abc import Sequence
from functools import lru_cache

from services.classifier.domain.heads import LANGUAGES, UNKNOWN

SURE_FROM = 0.4
SURE_OF_A_WORD_FROM = 0.6  # of one or two words, which many languages share
BY_SCRIPT = 0.95
BY_HINT = 0.6

_PRIMARY = re.compile(r"[a-z]{2,3}(?![a-z])")
_RENAMED = {"in": "id", "iw": "he", "no": "nb"}  # as X still says, and what Norwegians mean by it
_NO_LANGUAGE = re.compile(r"und|zxx|mul|mis|q..|art")


def language_of(probabilities: Sequence[float], words: int, script: str, hint: str) -> tuple[str, float]:
    """The language, BCP 47, and how sure that is.

    Args:
        probabilities: of `LANGUAGES`, which are written in Latin letters.
        words: how many the text has; none tells nothing.
        script: of most letters: `latin`, `other`, or the language that is written so.
        hint: what the network says, BCP 47 or empty.
    """
    told = _told(hint)
    if words == 0:
        return (told, BY_HINT) if told else (UNKNOWN, 0.5)
    if script == "other":
        return (told, BY_HINT) if told else (UNKNOWN, 0.5)
    if script != "latin":
        return (told, BY_SCRIPT) if told and told not in LANGUAGES else (script, BY_SCRIPT)
    p = max(probabilities)
    if p >= (SURE_OF_A_WORD_FROM if words < 3 else SURE_FROM):
        return LANGUAGES[probabilities.index(p)], round(p, 3)
    if told:
        return told, BY_HINT
    return UNKNOWN, round(1 - p, 3)


@lru_cache(maxsize=256)
def _told(hint: str) -> str:
    """The primary language of a hint, or nothing where it names none."""
    if not (match := _PRIMARY.match(hint.lower())) or _NO_LANGUAGE.fullmatch(match[0]):
        return ""
    return _RENAMED.get(match[0], match[0])
