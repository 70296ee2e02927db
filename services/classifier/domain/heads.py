"""What is asked of a text, and where its answers stand in the weights: one column a label.

A head of `ONE_OF` has exactly one answer; the labels of `ANY_OF` hold or not, each for itself.
"""

from dataclasses import dataclass
from typing import get_args

from libs.common.events import Channel, Intent, Sentiment, Urgency

INTENTS: tuple[Intent, ...] = get_args(Intent)  # by precedence: the first wins a tie
SENTIMENTS: tuple[Sentiment, ...] = get_args(Sentiment)
CHANNELS: tuple[Channel, ...] = get_args(Channel)
URGENCIES: tuple[Urgency, ...] = get_args(Urgency)  # the most urgent first
UNKNOWN = "und"

# Told apart by their letters; scripts of one language (Greek, Thai ...) are told by the script alone.
LANGUAGES = (
    "en", "fr", "es", "de", "it", "pt", "nl", "ca", "cs", "da", "fi", "hu", "id", "nb", "pl", "ro", "sv", "tr",
)  # fmt: skip
SUPPORTED = ("en", "fr")  # in which the other heads have learnt anything

BASE_URGENCY: dict[Intent, Urgency] = {
    "complaint": "high",
    "assistance_request": "normal",
    "information_request": "low",
    "feedback": "low",
    "praise_thanks": "none",
    "chatter": "none",
    "spam_abuse": "none",
}
CRITICAL = ("safety", "fraud", "legal", "press", "viral_risk")
PRESSING = ("deadline", "repeat_contact", "channel_escalation", "wait_loop")  # high
REASONS = (*CRITICAL, "complaint", *PRESSING)  # in the order they are told
LEARNT_REASONS = tuple(reason for reason in REASONS if reason not in ("wait_loop", "complaint"))

EXPERIENCE = (
    "wait_loop",
    "unreliable_service",
    "no_help_received",
    "unfriendly_staff",
    "service_unavailable",
    "incompetent_answer",
    "no_reply_on_channel",
)
CONDUCT = (
    "dishonesty",
    "rudeness",
    "false_claims",
    "unfair_treatment",
    "employee_treatment",
    "lack_of_transparency",
    "political_content",
    "bad_product_experience",
)
POSITIVE = ("fast", "friendly", "competent")
BUSINESS = (
    "booking_order",
    "delivery_delay",
    "cancellation_refund",
    "billing",
    "account_access",
    "product_defect",
    "lost_property",
    "loyalty",
    "price_offer",
    "opening_hours",
    "privacy_data",
    "outage",
)
TOPICS = (*EXPERIENCE, *CONDUCT, *POSITIVE, *BUSINESS)
FLAGS = (
    "escalated_from_channel",
    "contains_personal_data",
    "asks_private_contact",
    "second_contact",
    "no_at_mention",
    "is_question",
)


@dataclass(frozen=True, slots=True)
class Head:
    """Columns `start` to `stop` (not included) of the weights, one for each label."""

    name: str
    labels: tuple[str, ...]
    start: int

    @property
    def stop(self) -> int:
        return self.start + len(self.labels)


def _in_a_row(start: int, **labels: tuple[str, ...]) -> tuple[Head, ...]:
    heads = []
    for name, some in labels.items():
        heads.append(Head(name, some, start))
        start += len(some)
    return tuple(heads)


ONE_OF = _in_a_row(
    0,
    language=LANGUAGES,
    intent=INTENTS,
    sentiment=SENTIMENTS,
    contact_channel=CHANNELS,
    channel_sentiment=SENTIMENTS,
)
ANY_OF = _in_a_row(
    ONE_OF[-1].stop,
    needs_response=("needs_response",),
    reasons=LEARNT_REASONS,
    topics=TOPICS,
    flags=("asks_private_contact", "is_question"),
)
HEADS = {head.name: head for head in (*ONE_OF, *ANY_OF)}
SINGLES = tuple(label for head in ANY_OF for label in head.labels)
FIRST_SINGLE = ANY_OF[0].start
COLUMNS = ANY_OF[-1].stop


def urgency_of(intent: Intent, reasons: tuple[str, ...] | list[str]) -> Urgency:
    """What the intent and the reasons make of it; a reason raises and never lowers."""
    if any(reason in CRITICAL for reason in reasons):
        return "critical"
    if any(reason in PRESSING for reason in reasons):
        return "high"
    return BASE_URGENCY[intent]
