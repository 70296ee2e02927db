"""Labels a person may set right, and what a correction makes of a mention's. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from msgspec.structs import replace

from libs.common.events import Channel, Intent, Labels, Sentiment, Urgency

CORRECTABLE = (
    "intent", "secondary_intent", "needs_response", "urgency", "sentiment", "topics", "reasons", "contact_channel",
    "channel_sentiment", "language", "flags",
)  # fmt: skip
MANUAL = "manual"  # the reason of an urgency that a person chose

ONE_OF: Mapping[str, tuple[str, ...]] = {
    "intent": get_args(Intent),
    "secondary_intent": get_args(Intent),
    "urgency": get_args(Urgency),
    "sentiment": get_args(Sentiment),
    "contact_channel": get_args(Channel),
    "channel_sentiment": get_args(Sentiment),
}
ANY_OF: Mapping[str, tuple[str, ...]] = {  # in the order they are told
    "topics": (
        "wait_loop", "unreliable_service", "no_help_received", "unfriendly_staff", "service_unavailable",
        "incompetent_answer", "no_reply_on_channel", "dishonesty", "rudeness", "false_claims", "unfair_treatment",
        "employee_treatment", "lack_of_transparency", "political_content", "bad_product_experience", "fast",
        "friendly", "competent", "booking_order", "delivery_delay", "cancellation_refund", "billing",
        "account_access", "product_defect", "lost_property", "loyalty", "price_offer", "opening_hours",
        "privacy_data", "outage",
    ),
    "reasons": (
        "safety", "fraud", "legal", "press", "viral_risk", "complaint", "deadline", "repeat_contact",
        "channel_escalation", "wait_loop", MANUAL,
    ),
    "flags": (
        "escalated_from_channel", "contains_personal_data", "asks_private_contact", "second_contact",
        "no_at_mention", "is_question",
    ),
}  # fmt: skip
LANGUAGE = r"^[a-zA-Z]{2,8}(-[a-zA-Z0-9]{1,8})*$"  # BCP 47, "und" where nobody can tell


@dataclass(frozen=True, slots=True)
class Corrected:
    """The labels after a correction, and the names of those it changed."""

    labels: Labels
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The mention has these labels already."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A label or a value that does not exist; what could stand in its place, the nearest apart."""

    path: str
    detail: str
    known: tuple[str, ...] = ()
    nearest: str | None = None


def correct(labels: Labels, wanted: Mapping[str, Any]) -> Corrected | Unchanged | Wrong:
    """What a person's word makes of the labels.

    What follows from a corrected label follows: the blamed channel; no second intent that is the first one; the
    reason `manual` for another urgency. A confidence in what the model said and nobody sees any more goes.

    Args:
        labels: the mention's as they are now.
        wanted: label -> value; what is not named stays. What the mention has already is known, whatever it is.
    """
    given: dict[str, Any] = {}
    for name, value in wanted.items():
        read = _read(name, value, labels)
        if isinstance(read, Wrong):
            return read
        given[name] = read
    after = replace(labels, **given)
    if after.secondary_intent == after.intent:
        after = replace(after, secondary_intent=None)
    if after.urgency != labels.urgency and MANUAL not in after.reasons:
        after = replace(after, reasons=(*after.reasons, MANUAL))
    if {"contact_channel", "channel_sentiment"} & given.keys():
        blamed = after.contact_channel if after.channel_sentiment == "negative" else "none"
        after = replace(after, blamed_channel=blamed)
    changed = tuple(name for name in CORRECTABLE if not _same(getattr(labels, name), getattr(after, name)))
    if not changed:
        return Unchanged()
    confidence = {head: p for head, p in after.confidence.items() if head not in changed}
    return Corrected(replace(after, confidence=confidence), changed)


def shown(labels: Labels) -> dict[str, Any]:
    """All labels that can be corrected, those with their defaults too."""
    return {name: getattr(labels, name) for name in CORRECTABLE}


def _read(name: str, value: Any, labels: Labels) -> Any:
    path = f"$.labels.{name[:80]}"
    if name not in CORRECTABLE:
        return Wrong(path, "there is no such label", CORRECTABLE, _nearest(name, CORRECTABLE))
    if name in ANY_OF:
        return _read_many(path, value, tuple(dict.fromkeys((*ANY_OF[name], *getattr(labels, name)))))
    if name == "needs_response":
        return value if isinstance(value, bool) else Wrong(path, "it is true or false", ("true", "false"))
    if name == "language":
        if isinstance(value, str) and re.fullmatch(LANGUAGE, value):
            return value
        return Wrong(path, "it is a BCP 47 code", ("fr", "pt-BR", "und"))
    if value is None and name == "secondary_intent":
        return None
    return value if value in ONE_OF[name] else _wrong_value(path, value, ONE_OF[name])


def _read_many(path: str, value: Any, known: tuple[str, ...]) -> tuple[str, ...] | Wrong:
    if not isinstance(value, list):
        return Wrong(path, "it is a list", known)
    for number, one in enumerate(value):
        if one not in known:
            return _wrong_value(f"{path}[{number}]", one, known)
    return tuple(one for one in known if one in value)


def _wrong_value(path: str, value: Any, known: tuple[str, ...]) -> Wrong:
    return Wrong(path, f"{str(value)[:80]!r} is not one of its values", known, _nearest(value, known))


def _nearest(word: Any, known: Sequence[str]) -> str | None:
    near = get_close_matches(word[:80], known, n=1, cutoff=0.5) if isinstance(word, str) else []
    return near[0] if near else None


def _same(one: Any, other: Any) -> bool:
    """Lists are sets here."""
    return set(one) == set(other) if isinstance(one, tuple) else bool(one == other)
