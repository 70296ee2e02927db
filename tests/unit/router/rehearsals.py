"""Traffic and people for rehearsals, with defaults for what a test does not care about."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from libs.common.events import Labels
from services.router.domain.eligibility import Agent
from services.router.domain.setup import Setup
from services.router.domain.simulation.floor import Floor
from services.router.domain.simulation.rehearsed import Things, rehearsed
from services.router.domain.simulation.traffic import Arrival, Case, Handling, Worker, heard

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
NOON = MONDAY + timedelta(hours=12)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DESK = {"week": {"mon-fri": ["09:00-18:00"]}}


def arrival(
    number: int,
    at: datetime = NOON,
    *,
    urgency: str = "normal",
    language: str = "fr",
    work: float = 300,
    author: str = "",
    topics: tuple[str, ...] = (),
    set_aside: bool = False,
) -> Arrival:
    """A message of an author of its own."""
    labels = Labels(
        language=language,
        intent="assistance_request",
        needs_response=not set_aside,
        urgency=urgency,  # type: ignore[arg-type]
        topics=topics,
        decision="set_aside" if set_aside else "automatic",
    )
    post = heard(
        labels,
        Handling(work, 0),
        network="x",
        post_id=f"{number:06}",
        handle="acme",
        author_id=author or f"author {number}",
        thread_id=f"thread {author or number}",
        posted_at=at,
    )
    return msgspec.structs.replace(post, work_seconds=work)


def agent(slug: str, capacity: int = 1, *, shift: tuple[datetime, datetime] | None = None, **skills: int) -> Worker:
    """Always there, unless a shift is given."""
    named = {name.replace("_", ":"): level for name, level in skills.items()}
    return Worker(Agent(slug=slug, capacity=capacity, skills=named), (shift,) if shift else None)


def set_up(changes: Mapping[str, Things]) -> Setup:
    return rehearsed(Setup(), (), changes, MONDAY)[0]


def ran(
    arrivals: Iterable[Arrival], workers: Sequence[Worker], setup: Setup | None = None, end: datetime | None = None
) -> Floor:
    floor = Floor(Case(setup or Setup(), list(arrivals), end=end), workers)
    floor.run()
    return floor


def taken(floor: Floor) -> list[tuple[str, str]]:
    """Who took what, in the order they began."""
    begun = sorted((r for r in floor.records if r.begun_at), key=lambda r: (r.begun_at or NOON, r.item.id))
    return [(r.item.id.removeprefix("x/0000"), r.person.slug if r.person else "") for r in begun]
