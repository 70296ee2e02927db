"""Three months of a small brand's work, as the router would have told it to the responder; the same each time."""

import math
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, get_args

from libs.common.events import (
    Event,
    MentionAnswered,
    MentionRouted,
    ResponseBreached,
    StoppedClock,
    WorkItemCanceled,
    WorkItemCompleted,
)
from libs.common.events.base import Intent, Sentiment

_HOURS = (1, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 12, 11, 11, 10, 10, 11, 12, 12, 10, 8, 6, 4, 2)  # posts of a usual day
_INTENTS = (30, 20, 25, 8, 10, 7, 0)  # of a hundred, in their order
_NETWORKS = {"x": 70, "mastodon": 10, "bluesky": 20}
_LANGUAGES = {"fr": 60, "en": 40}
_PROMISED = {"fr": ("within the hour", timedelta(hours=1)), "en": ("within 90 minutes", timedelta(minutes=90))}
_TURNS = {1: 70, 2: 22, 3: 8}


def batches(until: datetime, a_day: float, days: int = 90) -> Iterator[Sequence[Event]]:
    """What was told in the days before, a batch for each of them, oldest first."""
    chance, number = random.Random(7), 0
    for ago in range(days, 0, -1):
        told: list[Event] = []
        midnight = until - timedelta(days=ago)
        share = 0.5 if midnight.weekday() >= 5 else 1.0
        for _ in range(round(a_day * share * chance.uniform(0.8, 1.2))):
            begun_at = midnight + timedelta(hours=chance.choices(range(24), _HOURS)[0], minutes=chance.uniform(0, 60))
            number += 1
            told += _Talk(chance, number, begun_at, until, bad=days / 3 < ago < days / 2.5).events()
        yield told


class _Talk:
    """One conversation, as chance has it; `bad`: of days on which there is more to complain about and more to wait."""

    def __init__(self, chance: random.Random, number: int, begun_at: datetime, until: datetime, *, bad: bool) -> None:
        self._chance = chance
        self._number = number
        self._begun_at = begun_at
        self._until = until
        self._slowly = 1.8 if bad else 1.0
        intents = list(_INTENTS)
        intents[0] *= 2 if bad else 1
        self._intent: Any = chance.choices(get_args(Intent), intents)[0]
        self._language = _one_of(chance, _LANGUAGES)
        self._network = _one_of(chance, _NETWORKS)
        self._policy, self._promised = _PROMISED[self._language]
        self._told = 0

    def events(self) -> Iterator[Event]:
        """All that was told about it."""
        if self._intent == "chatter":
            yield self._asks(0, self._begun_at, "set_aside")
            return
        yield self._asks(0, self._begun_at, "opened")
        fate = self._chance.random()
        if fate < 0.04:
            yield WorkItemCompleted(**self._head(), **self._item(), version=2, reason="done")
        elif fate < 0.06:
            yield WorkItemCanceled(**self._head(), **self._item(), version=2, reason="spam")
        elif fate < 0.08:
            yield self._answers(0, self._begun_at, self._begun_at + timedelta(seconds=4), "robot", automatic=True)
        elif fate < 0.11:
            yield from self._misses()
        else:
            yield from self._is_answered()

    def _is_answered(self) -> Iterator[Event]:
        posts, asked_at = 1, self._begun_at
        for turn in range(_one_of(self._chance, _TURNS)):
            if turn:
                asked_at += timedelta(minutes=self._chance.uniform(3, 60))
                if asked_at > self._until:
                    return
                yield self._asks(posts, asked_at, "opened")
                posts += 1
            at_night = 1.0 if 7 <= asked_at.hour < 22 else 3.0
            waited = timedelta(seconds=self._chance.lognormvariate(math.log(900), 0.75) * at_night * self._slowly)
            answered_at, first, own = asked_at + waited, posts - 1, f"o{self._number}-{turn}"
            if answered_at > self._until:
                return
            if self._chance.random() < 0.25:  # they wrote once more before we answered
                yield self._asks(posts, asked_at + waited / 3, "joined")
                yield self._answers(posts, asked_at + waited / 3, answered_at, own)
                yield self._answers(
                    first, asked_at, answered_at, own, how="covered", clock=self._clock(turn, asked_at, answered_at)
                )
                posts += 1
            else:
                yield self._answers(first, asked_at, answered_at, own, clock=self._clock(turn, asked_at, answered_at))
            asked_at = answered_at
        yield WorkItemCompleted(**self._head(), **self._item(), version=3, reason="answered")

    def _misses(self) -> Iterator[Event]:
        due_at = self._begun_at + self._promised
        if due_at < self._until:
            yield ResponseBreached(
                **self._head(), **self._item(), urgency="normal", due_at=due_at, policy=self._policy,
                started_at=self._begun_at,
            )  # fmt: skip

    def _asks(self, post: int, at: datetime, outcome: Any) -> MentionRouted:
        sad = 0.8 if self._intent == "complaint" else 0.2
        mood: Any = self._chance.choices(get_args(Sentiment), (sad, 0.5, 1 - sad))[0]
        waits: dict[str, Any] = (
            {} if outcome == "set_aside" else {name: self._item()[name] for name in ("item_id", "queue")}
        )
        return MentionRouted(
            **self._head(), **self._post(post), **waits, author_id=f"a{self._number}", posted_at=at, urgency="normal",
            outcome=outcome, sentiment="positive" if self._intent == "praise_thanks" else mood,
        )  # fmt: skip

    def _answers(self, post: int, at: datetime, answered_at: datetime, own: str, **more: Any) -> MentionAnswered:
        return MentionAnswered(
            **self._head(), **self._post(post), queue=self._item()["queue"], own_post_id=f"{own}-{self._number}",
            posted_at=at, answered_at=answered_at, **more,
        )  # fmt: skip

    def _clock(self, turn: int, asked_at: datetime, answered_at: datetime) -> StoppedClock:
        due_at = asked_at + self._promised
        kind: Any = "next" if turn else "first"
        return StoppedClock(
            self._item()["item_id"], kind, "normal", asked_at, due_at, met=answered_at <= due_at, policy=self._policy
        )

    def _head(self) -> dict[str, Any]:
        self._told += 1
        return {
            "event_id": f"m{self._number}-{self._told}", "occurred_at": self._begun_at, "key": f"key-m{self._number}",
        }  # fmt: skip

    def _item(self) -> dict[str, Any]:
        return {
            "item_id": f"itm_m{self._number}",
            "conversation_id": f"cnv_m{self._number}",
            "queue": f"rivage-{self._language}",
        }

    def _post(self, post: int) -> dict[str, Any]:
        return {
            "network": self._network, "post_id": f"m{self._number}-{post}", "handle": f"rivage-{self._language}",
            "language": self._language, "intent": self._intent, "conversation_id": self._item()["conversation_id"],
        }  # fmt: skip


def _one_of(chance: random.Random, weights: dict[Any, int]) -> Any:
    return chance.choices(list(weights), list(weights.values()))[0]
