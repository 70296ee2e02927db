"""What a text is, by a table of words: an honest baseline until a trained model takes its place.

One pass over the words of a text. Its confidences are modest, because it understands nothing.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from libs.common.events import Intent, Labels, Sentiment, Urgency

INTENTS: tuple[Intent, ...] = get_args(Intent)  # by precedence: the first wins a tie
REASONS = ("safety", "fraud", "legal")
UNKNOWN = "und"

_CLASSES: tuple[str, ...] = (*INTENTS, "positive", "negative", *REASONS)
_AT = {name: number for number, name in enumerate(_CLASSES)}
_POSITIVE, _NEGATIVE, _COMPLAINT = _AT["positive"], _AT["negative"], _AT["complaint"]
_ASSISTANCE, _INFORMATION = _AT["assistance_request"], _AT["information_request"]
_PRAISE, _CHATTER = _AT["praise_thanks"], _AT["chatter"]
_FIRST_REASON = _AT[REASONS[0]]

_ACCENTS = {ord(letter): unicodedata.normalize("NFD", letter)[0] for letter in "àâäáãåçéèêëíìîïñóòôöõúùûüýÿ"} | {
    ord("œ"): "oe",
    ord("æ"): "ae",
    ord("ß"): "ss",
    ord("’"): "'",
}
_ACCENTS |= dict.fromkeys((0x300, 0x301, 0x302, 0x303, 0x308, 0x327, 0xFE0F), "")  # written apart, or of no sound
_TOKEN = re.compile(r"https?://\S+|@\w+|\w+(?:'(?:t|m|s|d|re|ll|ve)\b)?|[👍😊😍❤👏🥰😀😃😁😡😠🤬👎😤😞😢😭🙄💔]")
_PRIMARY = re.compile(r"[a-z]{2,3}(?![a-z])")
_RENAMED = {"in": "id", "iw": "he"}  # as X still says
_NO_LANGUAGE = re.compile(r"und|zxx|mul|mis|q..|art")

SURE = 1.0  # words a language needs, and how far it must be ahead of the next
AHEAD = 1.3
SET_ASIDE_BELOW = 0.2  # of p(needs_response): not queueing is the dangerous error
CONFIRM_BELOW = 0.5  # of the intent's confidence
NEGATED_WITHIN = 2  # words


@dataclass(frozen=True, slots=True)
class _Term:
    rest: tuple[str, ...]  # the words after the first
    counts: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """The table, ready to be looked up."""

    model: str
    urgency: Mapping[str, Urgency]
    needs_response: Mapping[str, float]
    languages: tuple[str, ...]
    language_words: Mapping[str, tuple[tuple[int, float], ...]]
    marks: Mapping[str, tuple[tuple[int, float], ...]]
    terms: Mapping[str, tuple[_Term, ...]]
    negators: frozenset[str]
    mine: frozenset[str]
    matters: frozenset[str]


def rules(table: Mapping[str, Any]) -> Rules:
    """The rules of a table as `baseline.toml` has it.

    Raises:
        KeyError, ValueError: it is not complete.
    """
    languages = tuple(table["languages"])
    terms: dict[str, list[_Term]] = {}
    for group in table["terms"]:
        counts = tuple((_AT[name], float(weight)) for name, weight in group["counts"].items())
        for text in (group["en"], group["fr"]):
            _add(terms, text, counts)
    for reason in REASONS:
        _add(terms, table["critical"][reason], ((_AT[reason], 1.0), (_COMPLAINT, 2.0), (_NEGATIVE, 1.0)))
    if missing := set(INTENTS) - set(table["urgency"]) or set(INTENTS) - set(table["needs_response"]):
        raise ValueError(f"an intent without urgency or needs_response: {sorted(missing)}")
    return Rules(
        model=table["model"],
        urgency=table["urgency"],
        needs_response=table["needs_response"],
        languages=languages,
        language_words=_shared({name: set(text.split()) for name, text in table["languages"].items()}, languages, 1.0),
        marks=_shared({name: set(text) for name, text in table["marks"].items()}, languages, 0.5),
        terms={word: tuple(sorted(some, key=lambda term: -len(term.rest))) for word, some in terms.items()},
        negators=frozenset(table["words"]["negators"].split()),
        mine=frozenset(table["words"]["mine"].split()),
        matters=frozenset(table["words"]["matters"].split()),
    )


def _add(terms: dict[str, list[_Term]], text: str, counts: tuple[tuple[int, float], ...]) -> None:
    for written in text.split(","):
        words = written.split()
        if not words:
            continue
        same = [term for term in terms.setdefault(words[0], []) if term.rest == tuple(words[1:])]
        for term in same:  # a term of two groups counts for both
            terms[words[0]].remove(term)
            counts = (*term.counts, *counts)
        terms[words[0]].append(_Term(tuple(words[1:]), counts))


def _shared(
    words: Mapping[str, set[str]], languages: Sequence[str], weight: float
) -> dict[str, tuple[tuple[int, float], ...]]:
    """word -> (language, share): a word of three languages counts a third for each."""
    found: dict[str, list[int]] = {}
    for number, language in enumerate(languages):
        for word in words.get(language, ()):
            found.setdefault(word, []).append(number)
    return {word: tuple((number, weight / len(some)) for number in some) for word, some in found.items()}


class Baseline:
    """The model `baseline-1`."""

    def __init__(self, table: Rules) -> None:
        self.rules = table
        self.model = table.model

    def classify(self, text: str, language_hint: str = "", *, private: bool = False) -> Labels:
        """All labels of one text.

        Args:
            language_hint: what the network says, BCP 47; counts where the words do not tell.
            private: a private message is written to us, and never set aside.
        """
        lower = text.lower()
        words = _TOKEN.findall(lower if lower.isascii() else lower.translate(_ACCENTS))
        scores = self._scores(words)
        question = "?" in text
        if question:
            scores[_INFORMATION] += 1.0
        if _is_passed_on(words, lower, scores, question=question):
            scores[_CHATTER] += 1.5
        language, language_sure = self._language(lower, words, language_hint)
        intent, second, intent_sure = _intent(scores)
        p = self._p_needs_response(intent, scores, question=question, private=private, addressed=lower.startswith("@"))
        reasons = tuple(reason for number, reason in enumerate(REASONS, _FIRST_REASON) if scores[number] > 0)
        urgency: Urgency = "critical" if reasons else self.rules.urgency[intent]
        sentiment, sentiment_sure = _sentiment(scores)
        decision: Literal["automatic", "to_confirm", "set_aside"] = "automatic"
        if p < SET_ASIDE_BELOW:
            decision = "set_aside"
        elif intent_sure < CONFIRM_BELOW:
            decision = "to_confirm"
        return Labels(
            language=language,
            intent=intent,
            secondary_intent=second,
            needs_response=p >= 0.5,
            urgency=urgency,
            reasons=reasons or (("complaint",) if intent == "complaint" else ()),
            sentiment=sentiment,
            flags=(("is_question",) if question else ()) + (() if "@" in text or private else ("no_at_mention",)),
            confidence={
                "language": language_sure,
                "intent": intent_sure,
                "needs_response": round(p, 2),
                "sentiment": sentiment_sure,
            },
            decision=decision,
            model=self.model,
        )

    def _scores(self, words: Sequence[str]) -> list[float]:
        """How much of each class the words hold; a longer term hides the shorter ones in it."""
        terms, negators = self.rules.terms, self.rules.negators
        scores = [0.0] * len(_CLASSES)
        negated_at = -NEGATED_WITHIN - 1
        at, end = 0, len(words)
        while at < end:
            word = words[at]
            step = 1
            for term in terms.get(word, ()):
                size = len(term.rest)
                if size and tuple(words[at + 1 : at + 1 + size]) != term.rest:
                    continue
                _count(scores, term.counts, negated=at - negated_at <= NEGATED_WITHIN)
                step += size
                break
            else:
                if word in negators:
                    negated_at = at
            if word in self.rules.matters and at and words[at - 1] in self.rules.mine:
                scores[_ASSISTANCE] += 1.0
            at += step
        return scores

    def _language(self, lower: str, words: Sequence[str], hint: str) -> tuple[str, float]:
        languages = self.rules.languages
        votes = [0.0] * len(languages)
        for word in words:
            for number, share in self.rules.language_words.get(word, ()):
                votes[number] += share
        if not lower.isascii():
            for mark in set(lower):
                for number, share in self.rules.marks.get(mark, ()):
                    votes[number] += share
        best = max(range(len(votes)), key=votes.__getitem__)
        top = votes[best]
        votes[best] = 0.0
        second = max(votes)
        if top >= SURE and top >= AHEAD * second:
            return languages[best], round(min(0.97, (top + 0.5) / (top + second + 1.0)), 2)
        if match := _PRIMARY.match(hint.lower()):
            told = _RENAMED.get(match[0], match[0])
            if not _NO_LANGUAGE.fullmatch(told):
                return told, 0.6
        return UNKNOWN, 0.5

    def _p_needs_response(
        self, intent: Intent, scores: Sequence[float], *, question: bool, private: bool, addressed: bool
    ) -> float:
        """`addressed`: the text begins with whom it is for, as an answer or a call does and news does not."""
        known = self.rules.needs_response
        if intent == "chatter" and scores[_CHATTER] < 1.0:
            p = known["addressed" if addressed else "unclear"]
        else:
            p = known[intent]
        if question and p < 0.5:
            p += 0.1
        if addressed and intent == "chatter":
            p = max(p, known["unclear"])
        return max(p, known["private"]) if private else p


def _count(scores: list[float], counts: Sequence[tuple[int, float]], *, negated: bool) -> None:
    """Add a term's counts. Negated, what pleases displeases, and what is wrong is not."""
    for number, weight in counts:
        if not negated:
            scores[number] += weight
        elif number == _POSITIVE:
            scores[_NEGATIVE] += weight
        elif number == _PRAISE:
            scores[_COMPLAINT] += weight
        elif number not in (_NEGATIVE, _COMPLAINT) and number < _FIRST_REASON:
            scores[number] += weight


def _is_passed_on(words: Sequence[str], lower: str, scores: Sequence[float], *, question: bool) -> bool:
    """A repost, or words around a link that ask nothing: news, most likely. A bare link may be a picture for us."""
    if lower.startswith("rt @"):
        return True
    linked = "http" in lower and len(words) > 6 and not lower.startswith("@")
    return linked and not question and max(scores[: _AT["feedback"]]) == 0.0


def _intent(scores: Sequence[float]) -> tuple[Intent, Intent | None, float]:
    """The strongest, the next if it is strong too, and a modest confidence."""
    ranked = sorted(range(len(INTENTS)), key=lambda number: -scores[number])  # stable: precedence decides a tie
    first, second = ranked[0], ranked[1]
    if any(scores[_FIRST_REASON:]) and INTENTS[first] in ("praise_thanks", "chatter", "spam_abuse", "feedback"):
        first, second = _COMPLAINT, first  # what is critical is never courtesy
    if scores[first] < 1.0:
        return "chatter", None, 0.35
    sure = scores[first] / (scores[first] + scores[second] + 1.0)
    return INTENTS[first], INTENTS[second] if scores[second] >= 1.0 else None, round(min(sure, 0.85), 2)


def _sentiment(scores: Sequence[float]) -> tuple[Sentiment, float]:
    positive, negative = scores[_POSITIVE], scores[_NEGATIVE]
    if positive == negative:
        return "neutral", 0.5 if positive == 0 else 0.4
    ahead = abs(positive - negative)
    sure = round(min(0.85, 0.45 + 0.2 * ahead), 2)
    return ("positive" if positive > negative else "negative"), sure
