"""A text as code points, and what each of them is: what the hashed pass reads."""

import html
import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

LONGEST = 2_000  # code points read of one text; a longer one has said what it is about by then
_TABLE = 0x3100  # beyond it: emoji by range, signs without a sound by range, and letters

SPACE, LETTER, DIGIT, UPPER, MARK, SKIP, APOSTROPHE, EMOJI = range(8)
MARKS = "!?#@$€£%\"&+=:;…»«)(/*<>_-.,'"

_TAG = re.compile(r"<(?:/?(?:p|a|span|br|div|b|i|strong|em)\b[^<>]{0,200}|!--[^<>]{0,200})>", re.IGNORECASE)


def code_points(text: str) -> NDArray[np.uint32]:
    """The text as the pass reads it: entities and tags resolved, compatible forms composed (NFKC), cut at `LONGEST`."""
    text = text[: 4 * LONGEST]
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return np.frombuffer(text[:LONGEST].encode("utf-32-le", "surrogatepass"), np.uint32)


def _kind(letter: str) -> int:
    category = unicodedata.category(letter)
    if letter in "'’‘ʼ`´":
        return APOSTROPHE
    if letter == "_" or category[0] == "L" or category in ("Mn", "Mc", "Nl"):
        return UPPER if category == "Lu" else LETTER
    if category == "Nd":
        return DIGIT
    if category in ("Cf", "Cs", "Me"):
        return SKIP
    if "☀" <= letter <= "➿" or "⬀" <= letter <= "⯿":
        return EMOJI
    return MARK if letter in MARKS else SPACE


def _tables() -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """By code point below `_TABLE`: what it is, itself in lower case, and that without its accent."""
    kinds = np.zeros(_TABLE, np.uint8)
    lower = np.arange(_TABLE, dtype=np.int64)
    bare = lower.copy()
    for point in range(_TABLE):
        letter = chr(point)
        kinds[point] = _kind(letter)
        low = letter.lower()
        if len(low) == 1:
            lower[point] = ord(low)
        stem = unicodedata.normalize("NFD", chr(int(lower[point])))[0]
        bare[point] = ord(stem) if stem.isalpha() else lower[point]
    kinds[0x300:0x370] = SKIP  # accents NFKC could not join to a letter
    return kinds, lower, bare


KINDS, LOWER, BARE = _tables()
