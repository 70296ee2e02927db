"""The words of the router: urgencies, states, presences, and what they are in order."""

from typing import Literal

Urgency = Literal["critical", "high", "normal", "low", "none"]
URGENCIES: tuple[Urgency, ...] = ("critical", "high", "normal", "low", "none")
RANK: dict[str, int] = {urgency: rank for rank, urgency in enumerate(URGENCIES)}

Presence = Literal["offline", "available", "finishing", "away"]
PRESENCES: tuple[Presence, ...] = ("offline", "available", "finishing", "away")
"""What an agent declares; `finishing`: their own follow-ups, nothing new."""

OPEN_STATES = ("pending", "reserved", "assigned", "wrapping")
HELD_STATES = ("reserved", "assigned", "wrapping")
"""States in which an item uses its agent's capacity."""

CONVERSATION_STATES = (
    "open", "waiting_customer", "on_hold", "snoozed", "resolved", "closed", "set_aside", "stale", "dismissed",
)  # fmt: skip

DEFAULT_QUEUE = "default"
"""Takes what no other queue names; always there, and never limited to languages."""

DEFAULT_TEAM = "main"
