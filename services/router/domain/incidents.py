"""Incidents: many mentions with one cause. Which belong to one, and what is said about it. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from services.router.domain.texts import in_language, says

State = Literal["proposed", "open", "closed"]
"""`proposed` by a spike or a person and decided by nobody yet; only `open` ones take mentions."""


class Matcher(Struct, frozen=True, omit_defaults=True):
    """Which mentions belong: all that is written must hold, and of each the first that fits is enough."""

    topics: tuple[str, ...] = ()
    keywords: dict[str, tuple[str, ...]] = {}  # by language; a mention in another one is compared with all
    handles: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing is written: every mention of the team would belong."""
        return not (self.topics or any(self.keywords.values()) or self.handles or self.languages or self.intents)


class Spike(Struct, frozen=True):
    """So many mentions of a topic in the ten minutes from `at`, where there should be at most `bound`."""

    topic: str
    at: datetime
    count: int
    expected: float
    bound: float


class Incident(Struct, frozen=True):
    """Many mentions with one cause, handled together. `holding`: what a reply may say until it is over."""

    slug: str
    name: str
    team: str
    state: State
    matcher: Matcher
    since: datetime
    until: datetime | None = None
    holding: dict[str, str] = {}  # by language; {author} is filled in
    banner: dict[str, str] = {}  # by language, for the public page
    spike: Spike | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    version: int = 1
    reason: str = ""  # why it is closed


class Facts(Struct, frozen=True, gc=False):
    """What a matcher may look at."""

    team: str
    handle: str
    language: str  # BCP 47, "und" where nobody could tell
    intent: str
    topics: tuple[str, ...]
    text: str
    posted_at: datetime


def matches(incident: Incident, facts: Facts) -> bool:
    """Whether the mention belongs: of the team, posted while it lasts, and as its matcher says."""
    matcher = incident.matcher
    return (
        incident.team == facts.team
        and incident.since <= facts.posted_at
        and (incident.until is None or facts.posted_at < incident.until)
        and (not matcher.topics or not set(matcher.topics).isdisjoint(facts.topics))
        and (not matcher.handles or facts.handle in matcher.handles)
        and (not matcher.intents or facts.intent in matcher.intents)
        and (not matcher.languages or _speaks(matcher.languages, facts.language))
        and (not matcher.keywords or _names(matcher.keywords, facts))
    )


def incident_of(incidents: Iterable[Incident], facts: Facts) -> str:
    """The first of the open incidents that the mention belongs to; "" where it belongs to none."""
    return next((incident.slug for incident in incidents if matches(incident, facts)), "")


def _speaks(languages: Sequence[str], language: str) -> bool:
    return language in languages or language.partition("-")[0] in languages


def _names(keywords: dict[str, tuple[str, ...]], facts: Facts) -> bool:
    own = keywords.get(facts.language) or keywords.get(facts.language.partition("-")[0])
    wanted = own or [keyword for some in keywords.values() for keyword in some]
    return any(says(facts.text, keyword) for keyword in wanted)


def holding_text(incident: Incident, language: str, author: str) -> str | None:
    """What a holding reply to this person may say, to be adapted; None where nothing is written."""
    text = in_language(incident.holding, language)
    return text.replace("{author}", author) if text else None


def banner_of(incidents: Iterable[Incident], *, team: str, handle: str, language: str, now: datetime) -> str | None:
    """What the public page of a handle says about the open incidents of its team: the first that says something."""
    for incident in incidents:
        lasts = incident.state == "open" and (incident.until is None or now < incident.until)
        here = incident.team == team and (not incident.matcher.handles or handle in incident.matcher.handles)
        if lasts and here and (text := in_language(incident.banner, language)):
            return text
    return None
