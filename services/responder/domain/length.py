"""How long a text is by each network's own rule, and how much of it fits."""

import itertools
import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import regex

from services.responder.domain.links import links

Network = Literal["x", "mastodon", "bluesky"]
Fault = Literal["empty", "invalid_character", "too_long", "too_many_bytes"]

URL_LENGTH = 23
"""What a link counts on X and on Mastodon, whatever its length."""
X_MESSAGE = 10_000
"""Characters of a private message on X."""

_NEVER = regex.compile("[\0\ufffe\ufeff\uffff\ud800-\udfff]")
_GRAPHEME = regex.compile(r"\X")
_PICTURE = (
    r"(?:\p{Emoji_Modifier_Base}\p{Emoji_Modifier}"
    r"|[#*0-9]\uFE0F?\u20E3"
    r"|\p{Extended_Pictographic}[\U000E0020-\U000E007E]++\U000E007F"
    r"|(?![©®])\p{Extended_Pictographic}(?:\uFE0F|(?!\uFE0E))|[©®]\uFE0F)"  # without U+FE0F these two are text
)
_EMOJI = regex.compile(rf"\p{{RI}}\p{{RI}}|{_PICTURE}(?:\u200D{_PICTURE})*+")
_LIGHT = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))  # code points that weigh 1, the last included
_REMOTE_MENTION = regex.compile(r"(?<![/\w])@[a-z0-9_]+(?:[a-z0-9_.-]+[a-z0-9_]+)?(@[\w.-]*\w)", regex.I)


@dataclass(frozen=True, slots=True)
class Limits:
    """What each network takes; X's and Mastodon's depend on the account and the server."""

    x: int = 280  # weighted; more for accounts that pay
    mastodon: int = 500  # graphemes: `configuration.statuses.max_characters` of the server
    bluesky: int = 300  # graphemes
    bluesky_bytes: int = 3000  # of UTF-8


@dataclass(frozen=True, slots=True)
class Length:
    """How long a text is.

    `length` and `limit` are in the network's unit. `valid_prefix` is in code points of the text as it was given
    (not UTF-16 units, not bytes): so many of its first characters fit; it never cuts a link, an emoji or a letter
    from its accent, and never reaches a character that no post can hold. `fault` is None where all of it fits.
    """

    length: int
    limit: int
    valid: bool
    valid_prefix: int
    fault: Fault | None = None


def measure(text: str, network: Network, limits: Limits = Limits()) -> Length:
    """How long a text is on this network, as the network counts."""
    return _RULES[network](text, limits)


def longest(network: str, limits: Limits, *, private: bool) -> int | None:
    """How much this network takes, in its own unit; None: nobody here knows."""
    if network == "x" and private:
        return X_MESSAGE
    known: dict[str, int] = {"x": limits.x, "mastodon": limits.mastodon, "bluesky": limits.bluesky}
    return known.get(network)


@dataclass(frozen=True, slots=True)
class TooLong:
    """By how much a network would refuse a text, in its own unit."""

    length: int
    limit: int
    unit: Literal["characters", "bytes"]
    valid_prefix: int  # code points, as in `Length`

    @property
    def over(self) -> int:
        """How much has to go."""
        return self.length - self.limit


def too_long(text: str, network: str, limits: Limits, *, private: bool) -> TooLong | None:
    """Whether the network would refuse this text for its length; None: it would not, or nobody here knows its rule."""
    if network == "x" and private:
        return TooLong(len(text), X_MESSAGE, "characters", X_MESSAGE) if len(text) > X_MESSAGE else None
    known: dict[str, Network] = {"x": "x", "mastodon": "mastodon", "bluesky": "bluesky"}
    if network not in known:
        return None
    told = measure(text, known[network], limits)
    if told.fault == "too_many_bytes":
        return TooLong(_bytes(text), limits.bluesky_bytes, "bytes", told.valid_prefix)
    return TooLong(told.length, told.limit, "characters", told.valid_prefix) if told.fault == "too_long" else None


def on_x(text: str, limits: Limits) -> Length:
    """X's weighted count.

    A code point weighs 1 or 2 (Latin, Greek, Cyrillic, Arabic and much else 1; Chinese and Japanese 2), a link 23,
    an emoji 2, however many code points it is made of. What is an emoji is asked of Unicode's properties, not of a
    list, so that next year's are too. Leading mentions the network adds to a reply are not in the text and weigh 0.
    Source: twitter-text, config v3, https://github.com/twitter/twitter-text/blob/master/config/v3.json
    """
    return _measured(text, limits.x, _x_parts)


def on_mastodon(text: str, limits: Limits) -> Length:
    """Mastodon's count: a grapheme is 1, a link with a scheme 23, of `@user@server` only `@user`.

    Source: Mastodon, app/validators/status_length_validator.rb
    """
    return _measured(text, limits.mastodon, _mastodon_parts)


def on_bluesky(text: str, limits: Limits) -> Length:
    """Bluesky's count: graphemes, links in full, and a limit of bytes besides.

    Source: the lexicon app.bsky.feed.post, `maxGraphemes` and `maxLength`.
    """
    return _measured(text, limits.bluesky, _bluesky_parts, limits.bluesky_bytes)


_RULES: dict[Network, Callable[[str, Limits], Length]] = {"x": on_x, "mastodon": on_mastodon, "bluesky": on_bluesky}

Part = tuple[int, int]
"""Where a part ends that is never cut, and what it weighs."""


def _measured(text: str, limit: int, parts_of: Callable[[str], Sequence[Part]], most_bytes: float = math.inf) -> Length:
    composed, starts = _composed(text)
    parts = parts_of(composed)
    length = _weight(parts)
    stop = found.start() if (found := _NEVER.search(composed)) else len(composed)
    fault = _fault(text, stop < len(composed), length > limit, _bytes(text) > most_bytes)
    if fault is None:
        return Length(length, limit, True, len(text))
    totals = itertools.accumulate(weight for _, weight in parts)
    ends = {end for (end, _), total in zip(parts, totals, strict=True) if total <= limit and end <= stop}
    for at, given in reversed(starts):
        if at not in ends:
            continue
        prefix = text[:given]
        # measured by itself: `foo.community` may be cut after `foo.com`, and that is a link
        if _weight(parts_of(_composed(prefix)[0])) <= limit and _bytes(prefix) <= most_bytes:
            return Length(length, limit, False, given, fault)
    return Length(length, limit, False, 0, fault)


def _weight(parts: Sequence[Part]) -> int:
    return sum(weight for _, weight in parts)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _fault(text: str, never: bool, too_long: bool, too_many_bytes: bool) -> Fault | None:
    if not text.strip():
        return "empty"
    if never:
        return "invalid_character"
    if too_long:
        return "too_long"
    return "too_many_bytes" if too_many_bytes else None


def _composed(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text in NFC, and where its graphemes begin, in it and in the text as given; the end is one more.

    Composition never reaches over the end of a grapheme, so each is composed by itself.
    """
    if text.isascii() and "\r" not in text:
        return text, [(at, at) for at in range(len(text) + 1)]
    pieces, starts, at, given = [], [(0, 0)], 0, 0
    for found in _GRAPHEME.finditer(text):
        piece = unicodedata.normalize("NFC", found[0])
        pieces.append(piece)
        at, given = at + len(piece), found.end()
        starts.append((at, given))
    return "".join(pieces), starts


def _x_parts(text: str) -> list[Part]:
    parts: list[Part] = []
    at = 0
    for start, end in [*links(text), (len(text), len(text))]:
        parts += _weights(text, at, start)
        if end > start:
            parts.append((end, URL_LENGTH))
        at = end
    return parts


def _weights(text: str, start: int, end: int) -> Iterator[Part]:
    for found in _EMOJI.finditer(text, start, end):
        yield from _characters(text, start, found.start())
        yield found.end(), 2
        start = found.end()
    yield from _characters(text, start, end)


def _characters(text: str, start: int, end: int) -> Iterator[Part]:
    for at in range(start, end):
        code_point = ord(text[at])
        yield at + 1, 1 if any(first <= code_point <= last for first, last in _LIGHT) else 2


def _mastodon_parts(text: str) -> list[Part]:
    spans = [(start, end, URL_LENGTH) for start, end in links(text, without_scheme=False)]
    spans += [(*found.span(1), 0) for found in _REMOTE_MENTION.finditer(text)]
    parts: list[Part] = []
    at = 0
    for start, end, weight in [*sorted(spans), (len(text), len(text), 0)]:
        if start < at:
            continue  # a mention within a link
        parts += [(found.end(), 1) for found in _GRAPHEME.finditer(text, at, start)]
        if end > start:
            parts.append((end, weight))
        at = end
    return parts


def _bluesky_parts(text: str) -> list[Part]:
    return [(found.end(), 1) for found in _GRAPHEME.finditer(text)]
