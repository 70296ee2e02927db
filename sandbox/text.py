"""What the network reads in a text: names, tags, links, and how long it is."""

import re
import unicodedata
from functools import cache

import regex
from publicsuffixlist import PublicSuffixList

LINK_LENGTH = 23

MENTION = re.compile(r"(?<![\w@/.])@(\w{1,50})")
HASHTAG = re.compile(r"(?<![\w&/])#(\w*[^\W\d_]\w*)")
CASHTAG = re.compile(r"(?<![\w$])\$([A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?)\b")
URL = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)]", re.I)

_NAMED_LINK = regex.compile(
    r"(?<![\w@$#./-])(?:https?://)?((?:[\w](?:[\w-]*\w)?\.)+[^\W\d_]{2,})(?::\d+)?(?:/\S*)?", regex.I
)
_GRAPHEME = regex.compile(r"\X")
_EMOJI = regex.compile(r"\p{Emoji_Presentation}|\p{RI}\p{RI}|\uFE0F|\u20E3")
_LIGHT = ((0, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))


def mentioned(text: str) -> list[str]:
    """The names written in it, in lower case."""
    return [name.lower() for name in MENTION.findall(text)]


def weighted_length(text: str) -> int:
    """X's count, made anew here so that a client's own count has something to be wrong against.

    Source: twitter-text, configuration 3.
    """
    composed = unicodedata.normalize("NFC", text)
    links = [found for found in _NAMED_LINK.finditer(composed) if _tlds().publicsuffix(found[1].lower())]
    rest = composed
    for found in reversed(links):
        rest = rest[: found.start()] + rest[found.end() :]
    return LINK_LENGTH * len(links) + sum(map(_weight, _GRAPHEME.findall(rest)))


def _weight(grapheme: str) -> int:
    if _EMOJI.search(grapheme):
        return 2
    return sum(1 if any(low <= ord(each) <= high for low, high in _LIGHT) else 2 for each in grapheme)


@cache
def _tlds() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)
