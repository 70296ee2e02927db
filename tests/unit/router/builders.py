"""Values of the router's decisions, with defaults for what a test does not care about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from services.router.domain.eligibility import Agent
from services.router.domain.policies import Subject
from services.router.domain.routing import Conversation, Message
from services.router.domain.setup import Queue, Requirement, RoutingPolicy, Rule, Setup, Step
from services.router.domain.waiting import Item, Routing, arrange, plan_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def setup(*queues: Queue, policies: tuple[RoutingPolicy, ...] = (), **more: Any) -> Setup:
    """These queues beside a default one, an English one, and a French one of the team sud."""
    ours = (Queue(slug="default"), Queue(slug="en", languages=("en",)), Queue(slug="fr", languages=("fr",), team="sud"))
    return Setup(
        queues={queue.slug: queue for queue in (*ours, *queues)},
        policies={policy.slug: policy for policy in policies},
        **more,
    )


SETUP = setup()


def message(**changes: Any) -> Message:
    return replace(
        Message(
            network="x",
            post_id="m1",
            version=1,
            handle="acme",
            author_id="jo",
            author_username="jo",
            thread_id="t1",
            language="fr",
            urgency="normal",
            set_aside=False,
            posted_at=NOON,
            key="k",
        ),
        **changes,
    )


def item(at: datetime = NOON, known: Setup = SETUP, **changes: Any) -> Item:
    """A pending item, arranged at this moment."""
    routing = Routing(target_seconds=5400, language="fr", network="x", intent="assistance_request")
    due_at = NOON + 90 * MINUTE
    made = Item("itm_1", "cnv_1", "fr", "main", "normal", "pending", NOON, due_at, "", 1, "m0", routing=routing)
    waiting = replace(made, **changes)
    return arrange(waiting, plan_of(waiting, known), known, at) if waiting.state == "pending" else waiting


def conversation(**changes: Any) -> Conversation:
    return replace(
        Conversation("cnv_1", "x", "jo", "jo", "acme", "main", "k", "t1", "fr", "open", NOON, NOON, NOON, version=1),
        **changes,
    )


def subject(**changes: Any) -> Subject:
    return replace(Subject("main", "fr", "x", "acme", "complaint", "high"), **changes)


def agent(slug: str = "ana", **changes: Any) -> Agent:
    return replace(Agent(slug), **changes)


def step(*skills: str, after: int | None = None, share: float | None = None) -> Step:
    """Requires these skills, each "name" or "name=level"; ends after so many seconds, or at that share."""
    requires = tuple(
        Requirement(skill=name, level=int(level or 1)) for name, _, level in (skill.partition("=") for skill in skills)
    )
    return Step(requires=requires, expires_after_seconds=after, expires_at_share=share)


def policy(*rules: Rule, slug: str = "main", team: str = "main") -> RoutingPolicy:
    return RoutingPolicy(slug=slug, version=3, team=team, rules=rules)
