"""What a brand sets up: queues, routing policies, skills, teams, procedures. The shapes of REST and of `guichet apply`.

Each stands under a slug, is versioned, and everything but a name has a default.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from services.router.domain.clocks import DEFAULT_SLA, SlaPolicy
from services.router.domain.hours import ALWAYS, Hours
from services.router.domain.incidents import Incident
from services.router.domain.words import DEFAULT_QUEUE, DEFAULT_TEAM, Urgency

Slug = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Lower-case name, for ever the same")]
Name = Annotated[str, Meta(max_length=200)]
SkillName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-zA-Z0-9:_{}.-]{0,62}$", description="Such as lang:fr or refunds")]
Level = Annotated[int, Meta(ge=1, le=5)]
Seconds = Annotated[int, Meta(ge=0, le=31_536_000)]
Language = Annotated[str, Meta(pattern=r"^[a-zA-Z]{2,8}(-[a-zA-Z0-9]{1,8})*$", description="BCP 47")]


class _Set(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a person writes: an unknown field is a mistake worth telling."""


class Requirement(_Set, frozen=True):
    """A skill at this level or above. With `drop_after_seconds` it is additional: dropped when the item is that old."""

    skill: SkillName  # `{language}` and `{network}` in it stand for the item's own
    level: Level = 1
    drop_after_seconds: Annotated[int, Meta(ge=1, le=31_536_000)] | None = None


class Step(_Set, frozen=True):
    """Whom an item is for, and until when: the earlier of both; without either this step never expires."""

    requires: tuple[Requirement, ...] = ()
    expires_after_seconds: Annotated[int, Meta(ge=1, le=31_536_000)] | None = None
    expires_at_share: Annotated[float, Meta(gt=0, le=10)] | None = None  # of the time to the first response


class When(_Set, frozen=True):
    """Which items a rule is for: all that is written must hold; what is not written holds for all."""

    languages: tuple[Language, ...] = ()
    networks: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()  # at least one of them
    urgencies: tuple[Urgency, ...] = ()
    reasons: tuple[str, ...] = ()  # at least one of them
    flags: tuple[str, ...] = ()  # at least one of them
    private: bool | None = None
    min_followers: Annotated[int, Meta(ge=0)] | None = None


class Rule(_Set, frozen=True):
    """The first rule whose `when` holds says which queue, and in which steps it looks for people there."""

    name: Slug
    queue: Slug
    when: When = When()
    steps: Annotated[tuple[Step, ...], Meta(max_length=10)] = ()
    weight: Annotated[int, Meta(ge=1, le=100)] = 1  # units of capacity
    sla: Slug | None = None  # instead of the queue's


class RoutingPolicy(_Set, frozen=True):
    """The rules of one team, in order. What none of them takes goes to the queue of its language, else the default."""

    slug: Slug = ""
    version: int = 0
    name: Name = ""
    team: Slug = DEFAULT_TEAM
    rules: Annotated[tuple[Rule, ...], Meta(max_length=200)] = ()


class Queue(_Set, frozen=True):
    """An ordered waiting line. With languages it takes those that no rule of a policy sends elsewhere."""

    slug: Slug = ""
    version: int = 0
    name: Name = ""
    team: Slug = DEFAULT_TEAM
    languages: tuple[Language, ...] = ()
    hours: Slug | None = None  # none: always open
    sla: Slug | None = None  # none: the default targets
    dispatch: Literal["pull", "push", "assign"] = "pull"
    reservation_seconds: Annotated[int, Meta(ge=5, le=3600)] = 30
    wrap_up_seconds: Annotated[int, Meta(ge=0, le=3600)] = 0
    first_reply_seconds: Annotated[int, Meta(ge=60, le=86_400)] | None = None  # else an assigned item goes back
    same_agent_seconds: Annotated[int, Meta(ge=0, le=604_800)] = 86_400  # a returning customer finds them again
    overflow: Slug | None = None  # takes what comes outside hours
    on_call: Slug | None = None  # takes what is critical outside hours
    supervisor: Slug | None = None  # takes what everybody declined, and what is at 100 % of its target


class Skill(_Set, frozen=True):
    """A named ability: a language, a topic, a product, a network."""

    slug: Annotated[str, Meta(pattern=r"^[a-z0-9][a-zA-Z0-9:_.-]{0,62}$")] = ""
    version: int = 0
    name: Name = ""
    team: Slug = DEFAULT_TEAM


class Team(_Set, frozen=True):
    """Owns handles, queues and people."""

    slug: Slug = ""
    version: int = 0
    name: Name = ""

    @property
    def team(self) -> str:
        """A team is its own."""
        return self.slug


class BusinessHours(_Set, frozen=True):
    """When people are there: slots of a week, dated exceptions, public holidays; in the wall time of a zone."""

    slug: Slug = ""
    version: int = 0
    name: Name = ""
    team: Slug = DEFAULT_TEAM
    zone: str = "UTC"  # IANA
    week: dict[str, tuple[str, ...]] = {}  # "mon-fri" -> ("09:00-12:30", "13:30-18:00")
    exceptions: dict[str, tuple[str, ...]] = {}  # date -> slots of that day; none: closed
    holidays: str = ""  # country, or country and region: FR, FR-57, CA-QC


class Targets(_Set, frozen=True):
    """How soon a first answer is due, by urgency, in opening or in elapsed time; critical is always elapsed."""

    slug: Slug = ""
    version: int = 0
    name: Name = ""
    team: Slug = DEFAULT_TEAM
    basis: Literal["business", "elapsed"] = "business"
    critical_seconds: Seconds = 900
    high_seconds: Seconds = 3600
    normal_seconds: Seconds = 5400
    information_seconds: Seconds = 5400
    feedback_seconds: Seconds = 14_400
    resolution_seconds: Seconds | None = None
    promise_seconds: Seconds = 7200
    warn_at: Annotated[tuple[Annotated[float, Meta(gt=0, le=10)], ...], Meta(max_length=10)] = (0.5, 0.75, 1.0)


class Procedure(_Set, frozen=True):
    """Per topic: what an agent does, which template, whom to ask, and where in the brand's own tools."""

    slug: Slug = ""
    version: int = 0
    name: Name = ""
    team: Slug = DEFAULT_TEAM
    topics: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()
    steps: dict[str, tuple[str, ...]] = {}  # by language
    template: Slug | None = None
    ask: tuple[str, ...] = ()  # whom a consultation goes to
    links: dict[str, str] = {}  # label -> address; {author_id}, {post_id} and {conversation_id} are filled in


class Setup(Struct, frozen=True):
    """All of it at one moment, by slug. `revision` rises with every change."""

    revision: int = 0
    queues: dict[str, Queue] = msgspec.field(default_factory=lambda: {DEFAULT_QUEUE: Queue(slug=DEFAULT_QUEUE)})
    policies: dict[str, RoutingPolicy] = {}
    hours: dict[str, Hours] = {}
    slas: dict[str, SlaPolicy] = {}
    skills: dict[str, Skill] = {}
    teams: dict[str, Team] = {}
    procedures: dict[str, Procedure] = {}
    incidents: tuple[Incident, ...] = ()  # the open ones, the oldest first
    by_language: dict[tuple[str, str], Queue] = {}  # (team, language): what was found once
    by_team: dict[str, list[RoutingPolicy]] = {}  # likewise

    def hours_of(self, queue: Queue) -> Hours:
        """When the queue is open; always, where nothing is written."""
        return self.hours.get(queue.hours, ALWAYS) if queue.hours else ALWAYS

    def sla_of(self, queue: Queue, named: str | None = None) -> SlaPolicy:
        """The targets of a rule's, else of the queue's policy, else of the one called `default`, else our own."""
        return self.slas.get(named or queue.sla or DEFAULT_SLA.slug, DEFAULT_SLA)
