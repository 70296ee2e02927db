"""The history played again on a board: who could have had what at each assignment, by the pure functions alone."""

from collections.abc import Iterable
from functools import partial

from msgspec.structs import replace

from services.router.domain.eligibility import Agent, choose, parse_line, surplus, why_not
from services.router.domain.hours import is_open
from services.router.domain.order import Head, pick
from services.router.domain.serving import Counter as Counting
from tests.proof.routing.board import Board, item_of
from tests.proof.routing.history import History, State, Step, Transaction
from tests.proof.routing.office import Profile
from tests.proof.routing.story import Played
from tests.proof.routing.verdict import Verdict

_HELD = ("reserved", "assigned", "wrapping")
_BY_ORDER = ("taken", "dispatched", "offered")
_GIVING = (*_BY_ORDER, "claimed", "accepted", "same_agent")
SETTLED = 1.0  # real seconds that something must have been committed for


class Replay:
    """All promises about who got what, looked at for every single assignment."""

    def __init__(self, history: History, played: Played) -> None:
        setup = history.setup
        self._history, self._setup, self._played = history, setup, played
        self._profiles = {each.slug: each for each in played.people}
        self._board = Board(
            {
                each.slug: replace(each.candidate(setup.hours.get(each.hours)), presence="offline")
                for each in played.people
            }
        )
        self.capacity = Verdict("nobody ever holds more than they have room for")
        self.one_holder = Verdict("nothing is in two hands at once")
        self.explained = Verdict("every assignment says why")
        self.allowed = Verdict("who gets something was there, within hours, in the team, skilled, and had room")
        self.order = Verdict(f"no better-ranked item that they could have had was committed for over {SETTLED:g} s")
        self.agents = Verdict("push and assign choose the least over-qualified, then the least loaded")
        self.picks = Verdict("each queue counted what it gave")

    def run(self, picks: dict[str, int]) -> list[Verdict]:
        """Through all of it; `picks`: what the table of that name says at the end."""
        for done in self._history.transactions:
            self._transaction(done)
        for queue in {*picks, *self._board.picks}:
            counted, given = picks.get(queue, 0), self._board.picks[queue]
            self.picks.look(counted == given, f"{queue} counted {counted}, gave {given}")
        return [
            self.one_holder, self.capacity, self.explained, self.allowed, self.order, self.agents, self.picks,
        ]  # fmt: skip

    def _transaction(self, done: Transaction) -> None:
        board = self._board
        for declared in done.declared:
            person = board.people[declared.agent]
            person.agent = replace(person.agent, presence=declared.presence, capacity=declared.capacity)
            person.since = done.committed
        for state in done.states:
            board.weights[state.id] = state.weight
        for step in done.steps:
            if step.reason in _GIVING:
                self._gives(step, done)
            self._moves(step, done.committed)
        for state in done.states:
            board.stands(state, done.committed)

    def _moves(self, step: Step, committed: float) -> None:
        """Whose hands it is in after this step."""
        board = self._board
        held = step.state in _HELD
        holder, _ = board.holder.get(step.item_id, ("", 0))
        if held:
            self.one_holder.look(
                holder in ("", step.agent), f"{step.item_id} of {holder} to {step.agent} ({step.reason})"
            )
        units = board.weights[step.item_id]
        used = board.holds(step.item_id, step.agent if held else "", units, committed)
        if held:
            room = board.people[step.agent].agent.capacity
            self.capacity.look(
                used <= room, f"{step.agent} holds {used} of {room} after {step.item_id} ({step.reason})"
            )

    def _gives(self, step: Step, done: Transaction) -> None:
        self._explains(step)
        if step.reason == "accepted":
            return
        board, agent = self._board, self._board.people[step.agent].agent
        # as it was when it was chosen: the timers may have moved it between that and the commit
        state = next(each for each in reversed(done.states) if each.id == step.item_id)
        self._is_allowed(step, agent, state)
        if step.reason in _BY_ORDER:
            asked = self._played.clock.real(step.at).timestamp()
            until = min(asked, done.committed) - SETTLED
            if step.reason == "taken":
                self._taken(step, agent, state, until)
            else:
                self._given(step, agent, state, until)
            board.picks[state.queue] += 1
        board.leaves(step.item_id)

    def _explains(self, step: Step) -> None:
        why = step.why
        if step.reason == "accepted":
            holder, _ = self._board.holder.get(step.item_id, ("", 0))
            self.explained.look(holder == step.agent, f"{step.item_id}: {step.agent} accepted, {holder} was asked")
            return
        self.explained.look(bool(why), f"{step.item_id} {step.reason}: {why}")
        if step.reason == "taken" and why:
            used = self._board.people[step.agent].agent.used
            self.capacity.look(used == why["used"], f"{step.agent} held {used}, and {why['used']} when it was decided")

    # --- who

    def _is_allowed(self, step: Step, agent: Agent, state: State) -> None:
        queue = self._setup.queues[state.queue]
        _, _, needs = parse_line(state.line)
        whose = {state.team, queue.team}
        if step.reason == "claimed":  # this very one, by a person's word: only whether they are there and have room
            reasons = [
                why_not(replace(agent, team="*"), queue="*", team="*", needs=(), weight=state.weight, now=step.at)
            ]
            if agent.queues:
                reasons = [why_not(replace(agent, team="*", queues=frozenset()), queue="*", team="*", needs=(),
                                   weight=state.weight, now=step.at)]  # fmt: skip
        else:
            asked = partial(
                why_not, agent, weight=state.weight, now=step.at, declined_by=state.declined_by, queue=state.queue
            )
            reasons = [asked(team=team, needs=needs) for team in whose]
            if step.reason == "taken" and state.late and queue.supervisor:  # its supervisors get what is late
                reasons += [
                    why_not(agent, queue=queue.supervisor, team=team, needs=(), weight=state.weight, now=step.at)
                    for team in whose
                ]
        opened = step.reason in ("claimed", "same_agent") or is_open(self._setup.hours_of(queue), step.at)
        self.allowed.look(
            None in reasons and opened,
            f"{step.item_id} to {step.agent} ({step.reason}): {reasons[0] if opened else 'the queue is closed'}",
        )

    # --- which

    def _taken(self, step: Step, agent: Agent, state: State, until: float) -> None:
        """Take-next: asked again with what was there for sure, the counter must give the same."""
        profile: Profile = self._profiles[step.agent]
        asks = set(profile.asks) or set(self._setup.queues)
        board = self._board
        overseen = {slug for slug, queue in self._setup.queues.items() if queue.supervisor in asks}

        def fits(other: State) -> bool:
            return other.weight <= agent.room and agent.slug not in other.declined_by

        heads = [board.first(lane, until, fits) for lane in board.in_queues(asks | overseen)]
        items = {head.id: item_of(head) for head in heads if head is not None} | {state.id: item_of(state)}
        served = Counting(items.values(), dict(board.picks), self._setup, step.at).serve(agent, asks, {"*"})
        if served is None:
            self.order.look(False, f"{step.item_id}: {step.agent} could have had nothing")
            return
        other = served.item
        better = other.queue == state.queue or other.rank // 2 < state.rank // 2
        # of another queue's items of the same class the first may be a younger one: there only the class is compared
        self.order.look(other.id == state.id or not better, _told(step, state, other.id, board))

    def _given(self, step: Step, agent: Agent, state: State, until: float) -> None:
        """Push and assign: the first that this agent could have had; and nobody fitter was there for it."""
        board, queue = self._board, self._setup.queues[state.queue]

        def able(who: Agent, what: State) -> bool:
            _, _, needs = parse_line(what.line)
            return any(
                why_not(who, queue=what.queue, team=team, needs=needs, weight=what.weight, now=step.at,
                        declined_by=what.declined_by) is None
                for team in (what.team, queue.team)
            )  # fmt: skip

        heads = [board.first(lane, until, partial(able, agent)) for lane in board.in_queues({state.queue})]
        found = {head.id: _head(head) for head in (*heads, state) if head is not None}
        picked = pick(
            [head for head in found.values() if not head.late], [head for head in found.values() if head.late],
            board.picks[state.queue],
        )  # fmt: skip
        assert picked is not None
        self.order.look(picked[0].id == state.id, _told(step, state, picked[0].id, board))
        _, _, needs = parse_line(state.line)
        others: Iterable[Agent] = (
            person.agent for person in board.people.values() if person.since <= until and able(person.agent, state)
        )
        fitter = [other for other in others if _fit(other, needs) < _fit(agent, needs)]
        best = choose(fitter, needs)
        self.agents.look(best is None, f"{step.item_id} to {step.agent}, not to {best.slug if best else ''}")


def _fit(agent: Agent, needs: tuple[tuple[str, int], ...]) -> tuple[int, float]:
    return surplus(agent, needs), agent.used / agent.capacity


def _head(state: State) -> Head:
    return Head(state.rank, state.late, state.sort_at, state.enqueued_at, state.id)


def _told(step: Step, state: State, other: str, board: Board) -> str:
    if other not in board.waiting:
        return ""
    better = board.waiting[other].state
    return (
        f"{step.agent} got {state.id} ({state.queue}, rank {state.rank}, late {state.late}, {step.reason}), "
        f"and {better.id} waited ({better.queue}, rank {better.rank}, late {better.late})"
    )
