"""The coach: what could be better in a draft, by checks that each look for one thing. It advises, refuses nothing."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import regex

from services.responder.domain.length import Limits, Network, measure, too_long
from services.responder.domain.links import Span, links
from services.responder.domain.personal import personal_data
from services.responder.domain.templates import fields_left, signed
from services.responder.domain.wording import Wording, flat, language_of

Level = Literal["stop", "warn", "hint"]

TRAITS = (
    "salutation", "name", "courtesy", "apology", "link", "link_at_an_end", "hashtag", "exclamations", "capitals",
    "smiley", "question_back", "long",
)  # fmt: skip
LONG = 200
"""Code points; a trait, not a check."""
_LOUD = 5  # letters: shorter words in capitals are as a rule names, such as TGV

_HASHTAG = re.compile(r"(?<![\w&/])[#＃](?=\w*[^\W\d_])\w+")
_MARKS = re.compile(r"[!?！？](?:\s?[!?！？]){1,}")
_CAPITALS = regex.compile(r"(?<![\w@#])\p{Lu}{3,}(?:[ '’,-]{1,2}\p{Lu}{2,})++(?!\w)")
_SMILEY = re.compile(
    r"(?<!\w)[:;=][-o']?[)(DPp|\]\[/\\](?!\w|/)|(?<!\w)<3(?!\w)"
    "|[\u2639\u263a\u2764\U0001f600-\U0001f64f\U0001f910-\U0001f92f\U0001f970-\U0001f97a\U0001fae0-\U0001fae8]\ufe0f?"
)
_SENTENCE = re.compile(r"[^.!?…\n]*[.!?…]*\n?")
_GREETED_WITHIN = 60  # code points, a mention and a line before it included
MOST_QUOTED = 140  # code points of the customer's question
_NO_WORDS = re.compile(r"[@＠]\w+|https?://\S+")
_NAME = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody is about to send, and to whom."""

    text: str
    network: str
    public: bool = True
    language: str = ""  # of the conversation; the draft's own counts first
    intent: str = ""  # of what it answers
    asked: str = ""  # what the customer wrote, where the caller told
    name: str = ""  # the customer's, as shown on the network
    username: str = ""
    agent: str = ""
    initials: str = ""
    signature: str = ""  # as the handle signs, {initials} in it; empty: it does not
    last: str = ""  # our last reply in the conversation


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to look at. `span`: from which code point of the text to which; None: the whole."""

    code: str
    level: Level
    what: str
    todo: str
    span: Span | None = None
    trait: str | None = None  # whose effect on our own replies belongs to it


@dataclass(frozen=True, slots=True)
class _Seen:
    draft: Draft
    flat: str
    links: tuple[Span, ...]
    wording: Wording
    limits: Limits

    def advice(
        self, code: str, level: Level, span: Span | None = None, trait: str | None = None, **values: object
    ) -> Advice:
        said = self.wording.advice[code]
        return Advice(code, level, _filled(said["what"], values), _filled(said["todo"], values), span, trait)


def advise(draft: Draft, wordings: Mapping[str, Wording], limits: Limits) -> tuple[str, list[Advice]]:
    """The language of the draft as far as we speak it, and the advice, the gravest first, then by place."""
    seen = _seen(draft, wordings, limits)
    found = [advice for check in _CHECKS for advice in check(seen)]
    rank: dict[Level, int] = {"stop": 0, "warn": 1, "hint": 2}
    found.sort(key=lambda advice: (rank[advice.level], advice.span or (0, 0)))
    return seen.wording.language, found


def traits(text: str, language: str, username: str, wordings: Mapping[str, Wording]) -> frozenset[str]:
    """Which traits a reply has that was sent."""
    seen = _seen(Draft(text, "x", language=language, username=username), wordings, Limits())
    has = {
        "salutation": _greeting(seen) is not None,
        "name": _named(seen),
        "courtesy": seen.wording.has("courtesy", seen.flat),
        "apology": seen.wording.has("apology", seen.flat),
        "link": bool(seen.links),
        "link_at_an_end": any(_at_an_end(seen, link) for link in seen.links),
        "hashtag": _HASHTAG.search(text) is not None,
        "exclamations": _MARKS.search(text) is not None,
        "capitals": any(_loud(text)),
        "smiley": _SMILEY.search(text) is not None,
        "question_back": "?" in text,
        "long": len(text) > LONG,
    }
    return frozenset(name for name in TRAITS if has[name])


def _seen(draft: Draft, wordings: Mapping[str, Wording], limits: Limits) -> _Seen:
    plain = flat(draft.text)
    language = language_of(plain, draft.language, wordings)
    return _Seen(draft, plain, tuple(links(draft.text)), wordings[language], limits)


def _filled(text: str, values: Mapping[str, object]) -> str:
    """Each {name} once; what is filled in is not looked at again."""
    return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), text)


# --- the checks, each on its own


def _length(seen: _Seen) -> Iterator[Advice]:
    network: dict[str, Network] = {"x": "x", "mastodon": "mastodon", "bluesky": "bluesky"}
    if not seen.draft.text.strip():
        yield seen.advice("empty", "stop")
    elif rule := network.get(seen.draft.network):
        whole = signed(seen.draft.text, seen.draft.signature, seen.draft.initials)
        told = measure(whole, rule, seen.limits)
        at = min(told.valid_prefix, len(seen.draft.text))
        if told.fault == "invalid_character":
            yield seen.advice("invalid_character", "stop", (at, at + 1), n=at + 1)
        elif long := too_long(whole, rule, seen.limits, private=not seen.draft.public):
            where = (min(long.valid_prefix, len(seen.draft.text)), len(seen.draft.text))
            yield seen.advice("too_long", "stop", where, "long", length=long.length, limit=long.limit, over=long.over)


def _question(seen: _Seen) -> Iterator[Advice]:
    """Only where nothing speaks for an answer: no word of theirs, answering word, figure, question or private way."""
    words = seen.wording
    written = _blank(seen.flat)
    if words.has("answer", written) or words.has("private", written) or re.search(r"[\d?]", written):
        return
    answered = words.subjects(written)
    for sentence in _SENTENCE.finditer(_blank(flat(seen.draft.asked))):
        text = sentence[0].strip()
        asks = text.endswith("?") or words.patterns["question"].match(text) is not None
        subjects = words.subjects(text)
        if asks and subjects and not subjects & answered:
            quoted = seen.draft.asked[sentence.start() : sentence.end()].strip()
            yield seen.advice("question_unanswered", "hint", question=quoted[:MOST_QUOTED])
            return


def _blank(text: str) -> str:
    """The text with spaces where names and links stand: all else stays where it is."""
    return _NO_WORDS.sub(lambda found: " " * len(found[0]), text)


def _link(seen: _Seen) -> Iterator[Advice]:
    for link in seen.links:
        yield seen.advice("link", "hint", link, "link")
        if _at_an_end(seen, link):
            yield seen.advice("link_place", "hint", link, "link_at_an_end")


def _at_an_end(seen: _Seen, link: Span) -> bool:
    """The signature and the marks after the link are no text."""
    before, after = seen.draft.text[: link[0]], seen.draft.text[link[1] :]
    before = re.sub(r"@\w+", "", before)
    after = re.sub(r"[\^~-]\s?\w{1,12}\s*$", "", after)
    return not re.search(r"\w", before) or not re.search(r"\w", after)


def _hashtag(seen: _Seen) -> Iterator[Advice]:
    for found in _HASHTAG.finditer(seen.draft.text):
        if not any(start <= found.start() < end for start, end in seen.links):
            yield seen.advice("hashtag", "hint", found.span(), "hashtag")


def _salutation(seen: _Seen) -> Iterator[Advice]:
    name = next(iter(_names(seen.draft.name)), "")
    spoken = f" {name.capitalize()}" if name else ""
    greeting = _greeting(seen)
    if greeting is None:
        if not seen.draft.last:  # in a conversation one says hello once
            yield seen.advice("salutation_missing", "hint", (0, 0), "salutation", name=spoken)
    elif name and not _named(seen):
        said = seen.draft.text[slice(*greeting)]
        yield seen.advice("salutation_impersonal", "hint", greeting, "name", greeting=said, name=spoken)


def _greeting(seen: _Seen) -> Span | None:
    return next((span for span in seen.wording.spans("greeting", seen.flat) if span[0] <= _GREETED_WITHIN), None)


def _names(shown: str) -> Iterator[str]:
    return (found[0] for found in _NAME.finditer(flat(shown)))


def _named(seen: _Seen) -> bool:
    """Whether the customer's name stands at the beginning; the @ a reply begins with is no salutation."""
    start = re.sub(r"[@＠]\w+", "", seen.flat[: 2 * _GREETED_WITHIN])
    words = set(_NAME.findall(start))
    return any(name in words for name in (*_names(seen.draft.name), *_names(seen.draft.username)))


def _punctuation(seen: _Seen) -> Iterator[Advice]:
    for found in _MARKS.finditer(seen.draft.text):
        yield seen.advice("exclamations", "hint", found.span(), "exclamations")
    for span in _loud(seen.draft.text):
        yield seen.advice("capitals", "hint", span, "capitals")


def _loud(text: str) -> Iterator[Span]:
    """Several words in capitals, one after the other."""
    for found in _CAPITALS.finditer(text):
        if max(map(len, found[0].split())) >= _LOUD:
            yield found.span()


def _smiley(seen: _Seen) -> Iterator[Advice]:
    for found in _SMILEY.finditer(seen.draft.text):
        if seen.draft.intent == "complaint":
            yield seen.advice("smiley_at_a_complaint", "warn", found.span(), "smiley")
        else:
            yield seen.advice("smiley", "hint", found.span(), "smiley")


def _manners(seen: _Seen) -> Iterator[Advice]:
    if not seen.wording.has("courtesy", seen.flat):
        yield seen.advice("courtesy_missing", "hint", trait="courtesy")
    if seen.draft.intent == "complaint" and not seen.wording.has("apology", seen.flat + flat(seen.draft.last)):
        yield seen.advice("apology_missing", "warn", trait="apology")


def _privacy(seen: _Seen) -> Iterator[Advice]:
    if not seen.draft.public:
        return
    for found in personal_data(seen.draft.text):
        grave = found.kind not in ("email", "phone")  # these two are often our own
        kind, span = seen.wording.kinds[found.kind], (found.start, found.end)
        if grave:
            yield seen.advice("personal_data", "stop", span, kind=kind)
        else:
            yield seen.advice("contact_in_public", "warn", span, kind=kind)
    for sentence in _SENTENCE.finditer(seen.flat):
        if seen.wording.has("asking", sentence[0]) and not seen.wording.has("private", seen.flat):
            for start, end in seen.wording.spans("asks_for", sentence[0]):
                yield seen.advice("asks_in_public", "warn", (sentence.start() + start, sentence.start() + end))


def _opinion(seen: _Seen) -> Iterator[Advice]:
    for span in seen.wording.spans("opinion", seen.flat):
        yield seen.advice("opinion", "warn", span)


def _house(seen: _Seen) -> Iterator[Advice]:
    draft = seen.draft
    if draft.signature and not draft.initials:
        start, end = (re.escape(part) for part in draft.signature.split("{initials}", 1))
        if not re.search(rf"{start}\S{{1,10}}{end}\s*$", draft.text):
            yield seen.advice("signature_missing", "warn", agent=draft.agent or "{agent}")
    if draft.last and flat(draft.last).split() == seen.flat.split():
        yield seen.advice("same_as_last", "warn")
    for field in fields_left(draft.text):
        at = draft.text.index(f"{{{field}}}")
        yield seen.advice("field_left", "stop", (at, at + len(field) + 2), field=f"{{{field}}}")


_CHECKS: tuple[Callable[[_Seen], Iterator[Advice]], ...] = (
    _length, _question, _link, _hashtag, _salutation, _punctuation, _smiley, _manners, _privacy, _opinion, _house,
)  # fmt: skip
