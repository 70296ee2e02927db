"""What the demo's screen shows, as one value: asked of the services over REST, rendered elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cli.house import House
from cli.trouble import Trouble
from cli.words import clean, span

URGENCIES = ("critical", "high", "normal", "low", "none")
POSTS = 12  # that came last
SEEN = 40  # that changed last: among them are those

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class QueueView:
    """A waiting line and who works on it."""

    name: str
    depth: Mapping[str, int]  # open items, those in hand among them
    waiting: int  # that nobody has yet
    oldest_seconds: float | None
    overdue: int
    available: int = 0
    at_capacity: int = 0
    away: int = 0

    @property
    def total(self) -> int:
        return sum(self.depth.values())


@dataclass(frozen=True, slots=True)
class PostView:
    """A post, what it is, and where it stands."""

    author: str
    handle: str
    text: str
    posted_at: datetime
    language: str
    intent: str
    urgency: str
    reasons: Sequence[str]
    fate: str  # who has it, or why it waits or does not


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer that went out."""

    author: str
    handle: str
    question: str
    agent: str
    text: str
    took_seconds: float


@dataclass(frozen=True, slots=True)
class AgentView:
    """A simulated agent at this moment."""

    slug: str
    doing: str
    presence: str = "available"


@dataclass(frozen=True, slots=True)
class Latency:
    """Response latency over the answered mentions, nearest rank; None where none was answered."""

    answered: int = 0
    p50_seconds: float | None = None
    p90_seconds: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """Everything on the screen."""

    now: datetime
    queues: Sequence[QueueView] = ()
    posts: Sequence[PostView] = ()
    answers: Sequence[AnswerView] = ()
    agents: Sequence[AgentView] = ()
    latency: Latency = Latency()
    counts: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""


async def look(
    house: House, agents: Sequence[AgentView], answers: Sequence[AnswerView], counts: Mapping[str, int]
) -> Snapshot:
    """Ask the services how things stand. One that is away leaves its part empty, and is named."""
    now = datetime.now(UTC)
    problems: list[str] = []

    async def ask(service: str, path: str, **params: str | int) -> Json:
        try:
            found: Json = await house.ask(service, "GET", path, params=params)
        except Trouble as trouble:
            problems.append(str(trouble))
            return {}
        return found

    queues = await ask("router", "/v1/queues")
    known = await ask("router", "/v1/agents")
    mentions = await ask("router", "/v1/mentions", limit=SEEN, order="newest")
    latency = await ask("responder", "/v1/stats/response-latency")
    views = queues_of(queues.get("items", []), known.get("items", []))
    return Snapshot(
        now=now,
        queues=views,
        posts=[post_of(each, views, now) for each in latest(mentions.get("items", []))],
        answers=answers,
        agents=agents,
        latency=latency_of(latency),
        counts=counts,
        problem=problems[0] if problems else "",
    )


def latest(mentions: Sequence[Json]) -> Sequence[Json]:
    """Those that came last, the newest first."""
    return sorted(mentions, key=lambda each: (each["received_at"], each["post_id"]), reverse=True)[:POSTS]


def queues_of(queues: Sequence[Json], agents: Sequence[Json]) -> list[QueueView]:
    """The queues with their own agents: those who speak one of a queue's languages; all where it names none."""
    views = []
    for queue in queues:
        languages = set(queue.get("languages", []))
        own = [agent for agent in agents if not languages or languages & _languages(agent)]
        views.append(
            QueueView(
                queue["queue"],
                {urgency: int(queue["depth"].get(urgency, 0)) for urgency in URGENCIES},
                int(queue.get("states", {}).get("pending", 0)),
                queue.get("oldest_age_seconds"),
                int(queue.get("overdue", 0)),
                sum(agent["availability"] == "available" for agent in own),
                sum(agent["availability"] == "at_capacity" for agent in own),
                sum(agent["presence"] in ("away", "finishing") for agent in own),
            )
        )
    return views


def _languages(agent: Json) -> set[str]:
    return {skill.removeprefix("lang:") for skill in agent.get("skills", []) if skill.startswith("lang:")}


def post_of(mention: Json, queues: Sequence[QueueView], now: datetime) -> PostView:
    """One mention as a line of the screen."""
    labels = mention.get("labels") or {}
    return PostView(
        clean(mention.get("author_username") or mention.get("author_id") or "?"),
        mention["handle"],
        clean(mention["text"]),
        datetime.fromisoformat(mention["posted_at"]),
        str(labels.get("language", "und")),
        str(labels.get("intent", "")),
        str(labels.get("urgency", "")),
        tuple(labels.get("reasons", ())),
        fate_of(mention, queues, now),
    )


def fate_of(mention: Json, queues: Sequence[QueueView], now: datetime) -> str:
    """Where a mention stands, in a few words."""
    posted_at = datetime.fromisoformat(mention["posted_at"])
    item = mention.get("item") or {}
    if mention.get("answered_at"):
        took = (datetime.fromisoformat(mention["answered_at"]) - posted_at).total_seconds()
        who = item.get("agent") or "the brand"
        return f"{who} answered after {span(took)}"
    if mention["state"] == "set_aside":
        return "set aside: needs no answer"
    if mention["state"] == "deleted":
        return "deleted by its author"
    if item.get("state") == "assigned":
        return f"{item['agent']} has it"
    if item.get("state") == "pending":
        return _why_it_waits(mention, queues, now)
    return "done" if item else str(mention["state"])


def _why_it_waits(mention: Json, queues: Sequence[QueueView], now: datetime) -> str:
    item = mention["item"]
    queue = next((each for each in queues if each.name == mention["queue"]), None)
    before = URGENCIES[: URGENCIES.index(item["urgency"])] if item["urgency"] in URGENCIES else ()
    if queue is not None and any(queue.depth.get(urgency) for urgency in before):
        why = "behind more urgent ones"
    else:
        why = "for a free agent"
    due = item.get("due_at")
    if due is None:
        return f"waits in {mention['queue']} {why}"
    left = (datetime.fromisoformat(due) - now).total_seconds()
    return f"waits in {mention['queue']} {why}, " + (f"due in {span(left)}" if left >= 0 else f"{span(-left)} late")


def latency_of(answer: Json) -> Latency:
    """The response latency of the last day, all together."""
    groups = answer.get("groups") or [{}]
    found: Json = groups[0]
    return Latency(int(found.get("answered", 0)), found.get("p50"), found.get("p90"))
