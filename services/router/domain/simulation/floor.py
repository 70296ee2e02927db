"""A rehearsal: the decisions of the router over traffic, with virtual agents and a virtual clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count

from msgspec.structs import replace

from services.router.domain.eligibility import Agent, choose, surplus
from services.router.domain.hours import is_open
from services.router.domain.hours import next_change as next_opening
from services.router.domain.order import best, pick
from services.router.domain.routing import Conversation, Joined, Opened, OwnPost, answered_by, conversation_of
from services.router.domain.simulation.lines import Line, Person, Record, Waiting, profiles_of
from services.router.domain.simulation.traffic import Case, Worker
from services.router.domain.waiting import Item, Released, back, given, tick

_DONE, _FREED, _OFF, _ON, _HOURS, _TICK = range(6)
"""What happens at the same moment happens in this order; messages come last."""

_AT_LEAST = timedelta(milliseconds=1)
"""Time moves: what is to be looked at again is not looked at in the same moment for ever."""


class Floor:
    """One run. What became of every item stands in `records`, of every agent in `people`."""

    def __init__(self, case: Case, workers: Sequence[Worker]) -> None:
        self.case = case
        self.records: list[Record] = []
        self.joined = self.set_aside = 0
        self.backlog = 0  # waiting when the last message came
        workers = sorted(workers, key=lambda worker: worker.agent.slug)
        self.profiles, numbers = profiles_of(worker.agent for worker in workers)
        self.people = [
            Person(worker.agent, number, case.start) for worker, number in zip(workers, numbers, strict=True)
        ]
        self.queues = {slug: Waiting(queue) for slug, queue in case.setup.queues.items()}
        self.now = case.start
        self._by_slug = {person.slug: person for person in self.people}
        self._of_profile: list[list[Person]] = [[] for _ in self.profiles]
        for person in self.people:
            self._of_profile[person.profile].append(person)
        self._free: list[dict[Person, None]] = [{} for _ in self.profiles]  # at work and on nothing, longest first
        self._talks: dict[tuple[str, str, str], dict[str, Conversation]] = {}
        self._open: dict[str, Record] = {}  # by item
        self._waits = 0
        self._number = count()
        self._events: list[tuple[datetime, int, int, Person | Record | Waiting, int]] = []
        for person, worker in zip(self.people, workers, strict=True):
            for on, off in case.shifts_of(worker):
                if off > case.start and on < case.until:
                    self._plan(max(on, case.start), _ON, person)
                    self._plan(off, _OFF, person)
        for queue in self.queues.values():
            hours = case.setup.hours_of(queue.queue)
            queue.open = is_open(hours, case.start)
            if (change := next_opening(hours, case.start)) is not None:
                self._plan(change, _HOURS, queue)

    def run(self) -> None:
        """All messages, and then until everything is answered or seven days have passed."""
        case, events = self.case, self._events
        for number, arrival in enumerate(case.arrivals):
            at = arrival.message.posted_at
            while events and events[0][0] <= at:
                self._happens()
            self.now = at
            self._arrives(number)
        while events and events[0][0] <= case.end:
            self._happens()
        self.backlog = self._waits
        while events and self._open and events[0][0] <= case.until:
            self._happens()
        for person in self.people:
            person.spent(case.end, case.end)

    # --- what happens

    def _plan(self, at: datetime, kind: int, what: Person | Record | Waiting, token: int = 0) -> None:
        heappush(self._events, (at, kind, next(self._number), what, token))

    def _happens(self) -> None:
        self.now, kind, _, what, token = heappop(self._events)
        if isinstance(what, Record):
            if kind == _DONE:
                self._done(what)
            elif kind == _FREED:
                self._freed(what)
            elif what.token == token:
                self._ticks(what)
        elif isinstance(what, Person):
            if kind == _ON:
                self._comes(what)
            else:
                self._goes(what)
        else:
            self._opens(what)

    def _arrives(self, number: int) -> None:
        arrival = self.case.arrivals[number]
        message = arrival.message
        key = (message.network, message.author_id, message.handle)
        talks = self._talks.setdefault(key, {})
        known = conversation_of(message, talks.values()) if talks else None
        if known is not None and known.item is not None and (held := self._open.get(known.item.id)) is not None:
            known = replace(known, item=held.item)  # as time and people have made it since
        routed = self.case.routed(number, known)
        talk = routed.conversation
        talks[talk.id] = talk
        match routed:
            case Opened():
                if routed.done is not None and (old := self._open.get(routed.done.id)) is not None:
                    self._freed(old)
                record = Record(routed.item, key, arrival.work_seconds)
                self.records.append(record)
                self._open[record.item.id] = record
                if not self._returns(record, routed.returns_to):
                    self._waits_now(record)
            case Joined():
                self.joined += 1
                self._heard_again(self._open[routed.item.id], routed.item)
            case _:
                self.set_aside += 1

    def _heard_again(self, record: Record, item: Item) -> None:
        record.messages += 1
        if item is record.item:
            return
        waits = record.person is None
        if waits:
            self._leaves(record)
        record.item = item
        if waits:
            self._waits_now(record)

    def _ticks(self, record: Record) -> None:
        """Time says something about an item: it is lifted, late, for more people; or lies there too long."""
        ticked = tick(record.item, self.case.setup, self.now)
        if isinstance(ticked, Released):
            self._given_back(record)
            return
        item = ticked.item
        if record.person is not None:
            record.item = item
            self._plan_tick(record)
            return
        self._leaves(record)
        record.item = item
        self._waits_now(record)

    def _opens(self, queue: Waiting) -> None:
        hours = self.case.setup.hours_of(queue.queue)
        queue.open = is_open(hours, self.now)
        if (change := next_opening(hours, self.now)) is not None and change < self.case.until:
            self._plan(change, _HOURS, queue)
        if queue.open and queue.waiting:
            for person in self.people:
                self._serve(person)

    # --- people

    def _comes(self, person: Person) -> None:
        person.spent(self.now, self.case.end)
        person.on = True
        person.idle_since = self.now
        if person.current is None:
            self._free[person.profile][person] = None
        self._serve(person)

    def _goes(self, person: Person) -> None:
        """Who goes ends what they are writing; what they have not begun goes back."""
        person.spent(self.now, self.case.end)
        person.on = False
        self._free[person.profile].pop(person, None)
        for record in list(person.todo):
            self._given_back(record)

    def _serve(self, person: Person) -> None:
        """The next items by the order, as long as there is room."""
        while self._waits and person.on and person.used < person.capacity:
            offers = []
            for queue in self.queues.values():
                if queue.waiting and queue.open and not (queue.pull and person.current is not None):
                    in_time, late = queue.heads(person.profile, person.capacity - person.used)
                    if (offer := pick(in_time, late, queue.picks)) is not None:
                        offers.append(offer)
            if (offered := best(offers)) is None:
                return
            self._take(self._open[offered[0].id], person, offered[1])

    def _begin(self, person: Person, record: Record) -> None:
        person.spent(self.now, self.case.end)
        person.current = record
        self._free[person.profile].pop(person, None)
        record.begun_at = self.now
        record.token += 1
        self._plan(self.now + timedelta(seconds=record.work), _DONE, record)

    def _done(self, record: Record) -> None:
        """The answer is out."""
        person = record.person
        assert person is not None
        person.spent(self.now, self.case.end)
        record.answered_at = self.now
        talk = self._talks[record.talk][record.item.conversation_id]
        post = OwnPost(talk.network, "", talk.handle, "", talk.author_id, self.now, person.slug)
        talk, item = answered_by(replace(talk, item=record.item), post, self.case.setup, self.now)
        self._talks[record.talk][talk.id] = talk
        person.current = None
        if item is not None and item.state == "wrapping" and item.next_at is not None:
            record.item = item
            person.wrapping.add(record)
            self._plan(item.next_at, _FREED, record)
        else:
            person.used -= record.item.weight
            del self._open[record.item.id]
        self._goes_on(person)

    def _goes_on(self, person: Person) -> None:
        if person.current is not None or not person.on:
            return
        if person.todo:
            self._begin(person, person.todo.popleft())
        elif person not in self._free[person.profile]:
            person.idle_since = self.now
            self._free[person.profile][person] = None
        self._serve(person)

    def _freed(self, record: Record) -> None:
        """The wrap-up is over, by time or because the customer wrote again."""
        person = record.person
        if person is None or record not in person.wrapping:
            return
        person.spent(self.now, self.case.end)
        person.wrapping.remove(record)
        person.used -= record.item.weight
        del self._open[record.item.id]
        talk = self._talks[record.talk][record.item.conversation_id]
        if talk.item is not None and talk.item.id == record.item.id:
            self._talks[record.talk][talk.id] = replace(talk, item=None)
        if person.current is None:
            self._goes_on(person)
        else:
            self._serve(person)

    # --- items

    def _returns(self, record: Record, slug: str) -> bool:
        """To the agent this person knows, if they are there and have room; else to the queue at once."""
        person = self._by_slug.get(slug)
        item = record.item
        if person is None or not person.on or person.capacity - person.used < item.weight:
            return False
        line = self._line_of(record)
        if not line.queue.open or person.profile not in line.profiles:
            return False
        self._take(record, person, "same_agent")
        return True

    def _waits_now(self, record: Record) -> None:
        """Somebody who is free gets it at once; else it stands in its line until somebody is, or time changes it."""
        line = self._line_of(record)
        if line.queue.open and (person := self._somebody(line, record.item)) is not None:
            self._take(record, person, "at_once")
            return
        (line.late if record.item.late else line.in_time).put(record)
        line.waiting += 1
        line.queue.waiting += 1
        self._waits += 1
        record.line = line
        self._plan_tick(record)

    def _plan_tick(self, record: Record) -> None:
        if record.item.next_at is not None:
            self._plan(max(record.item.next_at, self.now + _AT_LEAST), _TICK, record, record.token)

    def _leaves(self, record: Record) -> None:
        record.token += 1
        if record.line is not None:
            record.line.waiting -= 1
            record.line.queue.waiting -= 1
            self._waits -= 1
            record.line = None

    def _line_of(self, record: Record) -> Line:
        return self.queues[record.item.queue].line(record.item.line, self.profiles)

    def _somebody(self, line: Line, item: Item) -> Person | None:
        """Who gets an item that somebody has been waiting for: who waited longest, or whom we choose."""
        weight = item.weight
        profiles = [*line.profiles, *line.helpers] if item.late else line.profiles
        if line.queue.pull:
            firsts = []
            for number in profiles:
                for person in self._free[number]:
                    if person.capacity - person.used >= weight:
                        firsts.append(person)
                        break
            return min(firsts, key=lambda person: (person.idle_since, person.slug), default=None)
        by_surplus: dict[int, list[Agent]] = {}
        for number in profiles:
            there = [
                _as_seen(person)
                for person in self._of_profile[number]
                if person.on and person.capacity - person.used >= weight
            ]
            if there:
                by_surplus.setdefault(surplus(there[0], line.needs), []).extend(there)
        if not by_surplus:
            return None
        chosen = choose(by_surplus[min(by_surplus)], line.needs)
        return self._by_slug[chosen.slug] if chosen is not None else None

    def _take(self, record: Record, person: Person, why: str) -> None:
        self._leaves(record)
        queue = self.queues[record.item.queue]
        if why != "same_agent":
            queue.picks += 1
        record.item = given(record.item, person.slug, self.case.setup, self.now)
        record.person = person
        record.taken_at = self.now
        record.why = why
        person.used += record.item.weight
        person.given += 1
        if person.current is None:
            self._begin(person, record)
            return
        person.todo.append(record)
        if queue.queue.first_reply_seconds is not None:
            self._plan_tick(record)

    def _given_back(self, record: Record) -> None:
        """Not begun, and back in its queue with its age."""
        person = record.person
        assert person is not None
        person.todo.remove(record)
        person.used -= record.item.weight
        person.given -= 1
        record.person = record.taken_at = None
        record.item = back(record.item, self.case.setup, self.now)
        record.token += 1
        self._waits_now(record)
        self._serve(person)


def _as_seen(person: Person) -> Agent:
    agent = person.agent
    return Agent(
        slug=agent.slug,
        team=agent.team,
        teams=agent.teams,
        skills=agent.skills,
        queues=agent.queues,
        capacity=agent.capacity,
        used=person.used,
        idle_since=person.idle_since if not person.used else None,
    )
