"""Incidents and consultations: told by the router on `work.items`."""

from typing import ClassVar, Literal

from libs.common.events.base import WORK_ITEMS, Event, Utc


class _OfIncident(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Which incident, whose, and until when it is thought to last; the key is the incident's."""

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)

    incident: str
    name: str
    version: int
    since: Utc
    until: Utc | None = None
    team: str = "main"


class IncidentProposed(_OfIncident, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: more mentions of one topic than there should be at this hour; a person decides whether it is one."""

    type: ClassVar[str] = "incident.proposed.v1"

    topic: str = ""  # none: a person proposed it
    count: int = 0  # in ten minutes
    expected: float = 0.0
    bound: float = 0.0  # which the count is above


class IncidentOpened(_OfIncident, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: these mentions have one cause; from now on they are handled together, and no machine writes to them."""

    type: ClassVar[str] = "incident.opened.v1"


class IncidentClosed(_OfIncident, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: it is over; what is still open of it stays grouped."""

    type: ClassVar[str] = "incident.closed.v1"

    reason: Literal["closed", "dismissed", "ended", "expired"]  # by a person; a proposal by a person; at its end


class _OfConsultation(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A question about a conversation to someone who helps. What is asked and answered stays with the router."""

    topics: ClassVar[tuple[str, ...]] = (WORK_ITEMS,)

    consultation_id: str
    conversation_id: str
    to: str  # who is asked
    by: str  # who asked, or who answered
    team: str = "main"


class ConsultationAsked(_OfConsultation, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: somebody is asked who does not answer the customer; the time to the first response goes on."""

    type: ClassVar[str] = "consultation.asked.v1"


class ConsultationAnswered(_OfConsultation, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """router: the question is answered; the conversation goes on when it was the last one."""

    type: ClassVar[str] = "consultation.answered.v1"
