"""What a rehearsal showed: waits, broken promises, idle time, who got what; and what a change changed."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

from msgspec import Struct

from services.router.domain.hours import ALWAYS, open_seconds
from services.router.domain.simulation.floor import Floor
from services.router.domain.simulation.gaps import Gap, gaps_of
from services.router.domain.simulation.lines import Person, Record
from services.router.domain.simulation.traffic import Case, Promise
from services.router.domain.words import URGENCIES

HOUR, HOUR_AND_A_HALF = timedelta(hours=1), timedelta(minutes=90)


class Spread(Struct, frozen=True):
    """By nearest rank. What was never answered waited longest: None where that is reached."""

    p50_seconds: float | None = None
    p80_seconds: float | None = None
    p90_seconds: float | None = None


class Figures(Struct, frozen=True):
    """Of some items. Shares are of those that have a target; silence counts as late."""

    key: str
    items: int
    answered: int
    elapsed: Spread  # from the post to the answer
    opening: Spread  # the same, in opening time of the queue
    waited: Spread  # from the post until somebody began, elapsed
    within_1h: float | None  # of opening time
    within_90min: float | None
    met: int  # answered by their deadline
    breached: int
    in_target: float | None  # met / (met + breached)
    kept: float | None  # share that kept the promise asked about


class AgentFigures(Struct, frozen=True):
    """How one agent spent the time of the traffic."""

    agent: str
    answered: int
    busy_seconds: float  # wrap-up included
    idle_seconds: float
    overtime_seconds: float  # after the end of a shift, for what was begun
    utilisation: float | None  # busy share of the shifts


class Got(Struct, frozen=True):
    """Who got an item, when, and why this one: at_once, same_agent, in_time, fifth_pick, only_late."""

    item: str
    queue: str
    urgency: str
    agent: str
    why: str
    posted_at: datetime
    taken_at: datetime | None
    answered_at: datetime | None
    due_at: datetime | None


class Report(Struct, frozen=True):
    """One run. Hours are of the day in `zone`, by when the post was written."""

    start: datetime
    end: datetime
    zone: str
    agents: tuple[AgentFigures, ...]
    messages: int
    joined: int  # wrote again while they waited
    set_aside: int  # asked for nothing
    total: Figures
    queues: tuple[Figures, ...]
    urgencies: tuple[Figures, ...]
    hours: tuple[Figures, ...]
    waiting_at_end: int  # of the traffic
    gaps: tuple[Gap, ...]
    promise: Promise | None = None
    kept: bool | None = None  # whether the promise was
    got: tuple[Got, ...] = ()


def report_of(floor: Floor, *, promise: Promise | None = None, zone: str = "UTC", with_items: bool = False) -> Report:
    """The figures of a run."""
    case, records = floor.case, floor.records
    place = ZoneInfo(zone)
    hours = {record.item.id: f"{record.item.enqueued_at.astimezone(place).hour:02}" for record in records}
    some = Some(case, promise)
    total = some.figures("all", records)
    return Report(
        start=case.start,
        end=case.end,
        zone=zone,
        agents=tuple(map(_agent, floor.people)),
        messages=len(case.arrivals),
        joined=floor.joined,
        set_aside=floor.set_aside,
        total=total,
        queues=some.by(records, lambda record: record.item.queue, sorted({r.item.queue for r in records})),
        urgencies=some.by(records, lambda record: record.item.urgency, URGENCIES),
        hours=some.by(records, lambda record: hours[record.item.id], [f"{hour:02}" for hour in range(24)]),
        waiting_at_end=floor.backlog,
        gaps=gaps_of(floor),
        promise=promise,
        kept=total.kept >= promise.share if promise is not None and total.kept is not None else None,
        got=tuple(map(_got, records)) if with_items else (),
    )


class Some:
    """Counts items, with what is asked about them."""

    def __init__(self, case: Case, promise: Promise | None) -> None:
        self._case = case
        self._promise = promise

    def by(
        self, records: Sequence[Record], key_of: Callable[[Record], str], keys: Iterable[str]
    ) -> tuple[Figures, ...]:
        """One for each key that has any."""
        groups: dict[str, list[Record]] = {}
        for record in records:
            groups.setdefault(key_of(record), []).append(record)
        return tuple(self.figures(key, groups[key]) for key in keys if key in groups)

    def figures(self, key: str, records: Sequence[Record]) -> Figures:
        """Of all of these."""
        answered = [record for record in records if record.answered_at is not None]
        silent = len(records) - len(answered)
        counted = [record for record in records if record.item.due_at is not None]
        met = sum(in_time(record, record.item.due_at) for record in counted)
        return Figures(
            key=key,
            items=len(records),
            answered=len(answered),
            elapsed=_spread([_seconds(r.item.enqueued_at, r.answered_at) for r in answered], silent),
            opening=_spread([self._opening(r) for r in answered], silent),
            waited=_spread([_seconds(r.item.enqueued_at, r.begun_at) for r in answered], silent),
            within_1h=self._within(counted, HOUR),
            within_90min=self._within(counted, HOUR_AND_A_HALF),
            met=met,
            breached=len(counted) - met,
            in_target=met / len(counted) if counted else None,
            kept=self._within(counted, self._promise.within) if self._promise is not None else None,
        )

    def _opening(self, record: Record) -> float:
        hours = self._case.setup.hours_of(self._case.setup.queues[record.item.queue])
        if hours is ALWAYS or record.answered_at is None:
            return _seconds(record.item.enqueued_at, record.answered_at)
        return open_seconds(hours, record.item.enqueued_at, record.answered_at)

    def _within(self, counted: Sequence[Record], span: timedelta) -> float | None:
        return kept(self._case, counted, span) / len(counted) if counted else None


def kept(case: Case, counted: Iterable[Record], within: timedelta) -> int:
    """How many were answered within so much opening time."""
    return sum(in_time(r, case.promised_at(r.item.queue, r.item.enqueued_at, within)) for r in counted)


def in_time(record: Record, by: datetime | None) -> bool:
    """Equality is in time."""
    return record.answered_at is not None and by is not None and record.answered_at <= by


def _seconds(start: datetime, end: datetime | None) -> float:
    return (end - start).total_seconds() if end is not None else 0.0


def _spread(seconds: list[float], silent: int) -> Spread:
    """Nearest rank: the smallest that so many are not above."""
    seconds.sort()
    ranks = [ceil(share * (len(seconds) + silent)) for share in (0.5, 0.8, 0.9)]
    return Spread(*(round(seconds[rank - 1], 3) if 0 < rank <= len(seconds) else None for rank in ranks))


def _agent(person: Person) -> AgentFigures:
    there = person.busy + person.idle
    return AgentFigures(
        person.slug,
        person.given,
        round(person.busy, 3),
        round(person.idle, 3),
        round(person.overtime, 3),
        person.busy / there if there else None,
    )


def _got(record: Record) -> Got:
    item = record.item
    return Got(
        item=item.id,
        queue=item.queue,
        urgency=item.urgency,
        agent=_slug(record),
        why=record.why,
        posted_at=item.enqueued_at,
        taken_at=record.taken_at,
        answered_at=record.answered_at,
        due_at=item.due_at,
    )


# --- before and after


class Comparison(Struct, frozen=True):
    """The same traffic under two set-ups. `moved`: items that went to another queue, or to another agent."""

    before: Report
    after: Report
    moved_queue: int
    moved_agent: int


def compare(
    before: Floor, after: Floor, *, promise: Promise | None = None, zone: str = "UTC", with_items: bool = False
) -> Comparison:
    """What a change would have changed."""
    was, becomes = (report_of(floor, promise=promise, zone=zone, with_items=with_items) for floor in (before, after))
    held = {record.item.id: record for record in before.records}
    both = [(held[record.item.id], record) for record in after.records if record.item.id in held]
    return Comparison(
        was,
        becomes,
        sum(one.item.queue != other.item.queue for one, other in both),
        sum(_slug(one) != _slug(other) for one, other in both),
    )


def _slug(record: Record) -> str:
    return record.person.slug if record.person else ""
