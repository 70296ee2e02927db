"""The judge of the routing story catches planted mistakes; else its silence would mean nothing."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.router.domain.setup import Queue, Setup
from tests.proof.routing.history import Declared, History, State, Step, Transaction
from tests.proof.routing.office import Profile
from tests.proof.routing.replaying import Replay
from tests.proof.routing.story import Played, Wanted
from tests.proof.routing.tape import BEGINS, StoryClock
from tests.proof.routing.verdict import Verdict

SECOND = timedelta(seconds=1)
STARTED = datetime.fromisoformat("2026-11-22T20:00:00Z")
WHY = {"used": 0, "order": "in_time"}


def at(second: float) -> float:
    return (STARTED + second * SECOND).timestamp()


def profile(slug: str, **more: Any) -> Profile:
    values: dict[str, Any] = {
        "team": "main",
        "teams": (),
        "skills": {},
        "queues": (),
        "capacity": 1,
        "hours": "",
        "asks": ("fr",),
    }
    return Profile(slug=slug, **values | more)


def state(id_: str, version: int = 1, now: str = "pending", *, rank: int = 5, **more: Any) -> State:
    due = BEGINS + timedelta(hours=1)
    values: dict[str, Any] = {
        "queue": "fr",
        "team": "main",
        "line": "fr main",
        "urgency": "normal",
        "late": False,
        "sort_at": due,
        "enqueued_at": BEGINS,
        "weight": 1,
        "declined_by": (),
    }
    return State(seq=0, id=id_, version=version, state=now, rank=rank, **values | more)


def step(id_: str, agent: str, second: float, version: int = 2, reason: str = "taken", why: Any = WHY) -> Step:
    return Step(0, id_, version, "assigned", reason, "key", agent, BEGINS + second * SECOND, why)


def there(*slugs: str) -> Transaction:
    return Transaction(at(0), [], [], [Declared(0, slug, 2, "available", 1, "declared") for slug in slugs])


def opened(second: float, *states: State) -> Transaction:
    return Transaction(at(second), list(states), [], [])


def took(second: float, *pairs: tuple[State, Step]) -> Transaction:
    return Transaction(at(second), [state for state, _ in pairs], [step for _, step in pairs], [])


def judged(*done: Transaction, people: tuple[Profile, ...] = (profile("ana"),), picks: int = 1) -> dict[str, Verdict]:
    setup = Setup(queues={"fr": Queue(slug="fr"), "default": Queue(slug="default")})
    played = Played(Wanted(speed=1), StoryClock(STARTED, 1), BEGINS, 0.0, frozenset(), 0, list(people), Counter(), [])
    replay = Replay(History(list(done), [], setup), played)
    replay.run({"fr": picks})
    return {name: verdict for name, verdict in vars(replay).items() if isinstance(verdict, Verdict)}


def broken(*done: Transaction, **more: Any) -> set[str]:
    return {name for name, verdict in judged(*done, **more).items() if verdict.broken}


def test_what_is_in_order_is_in_order() -> None:
    done = (
        there("ana"),
        opened(1, state("urgent", rank=1), state("other")),
        took(9, (state("urgent", 2, "assigned", rank=1), step("urgent", "ana", 9))),
    )
    assert broken(*done) == set()
    assert judged(*done)["order"].looked_at == 1


@pytest.mark.parametrize(
    ("second", "wrong"), [(1, {"order"}), (8.5, set())], ids=["long before", "less than a second before"]
)
def test_a_better_item_that_waited_is_seen(second: float, wrong: set[str]) -> None:
    done = (
        there("ana"),
        opened(0.5, state("other")),
        opened(second, state("urgent", rank=1)),
        took(9, (state("other", 2, "assigned"), step("other", "ana", 9))),
    )
    assert broken(*done) == wrong


def test_a_better_item_that_is_too_heavy_or_was_declined_is_no_better_one() -> None:
    done = (
        there("ana"),
        opened(1, state("heavy", rank=1, weight=2), state("declined", rank=1, declined_by=("ana",)), state("other")),
        took(9, (state("other", 2, "assigned"), step("other", "ana", 9))),
    )
    assert broken(*done) == set()


def test_one_too_many_is_seen() -> None:
    both = [(state(id_, 2, "assigned"), step(id_, "ana", 9)) for id_ in ("a", "b")]
    assert {"capacity", "allowed"} <= broken(there("ana"), opened(1, state("a"), state("b")), took(9, *both), picks=2)


def test_an_item_in_two_hands_is_seen() -> None:
    done = (
        there("ana", "bob"),
        opened(1, state("a")),
        took(5, (state("a", 2, "assigned"), step("a", "ana", 5))),
        took(9, (state("a", 3, "assigned"), step("a", "bob", 9, 3, reason="claimed"))),
    )
    assert broken(*done, people=(profile("ana"), profile("bob"))) == {"one_holder"}


def test_an_assignment_without_a_reason_and_one_to_somebody_away_are_seen() -> None:
    taken = (state("a", 2, "assigned"), step("a", "ana", 9, why=None))
    assert broken(opened(1, state("a")), took(9, taken)) == {"explained", "allowed"}


def test_a_miscounted_queue_is_seen() -> None:
    done = (there("ana"), opened(1, state("a")), took(9, (state("a", 2, "assigned"), step("a", "ana", 9))))
    assert broken(*done, picks=7) == {"picks"}


def test_an_expert_who_is_chosen_although_another_would_do_is_seen() -> None:
    people = (profile("expert", skills={"lang:fr": 5}), profile("ana"))
    given = (state("a", 2, "assigned"), step("a", "expert", 9, reason="dispatched"))
    assert broken(there("ana", "expert"), opened(1, state("a")), took(9, given), people=people) == {"agents"}
