"""What a network's answer means: the table, row by row. What is not plainly a refusal is unknown."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.responder.domain.posting import (
    Answered,
    ByHand,
    Exchange,
    Lost,
    NotSent,
    Outcome,
    Pace,
    Posted,
    Postponed,
    Refused,
    Unknown,
    classify,
)
from tests.unit.responder.builders import MINUTE, NOON, PACE, SECOND


def meaning(exchange: Exchange, tries: int = 1, chance: float = 0.0) -> Outcome:
    return classify(exchange, tries=tries, now=NOON, pace=PACE, chance=chance)


def said(status: int, detail: str = "", **headers: str) -> Answered:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answered(status, names, {"title": "Some title", "status": status, "type": "about:blank", "detail": detail})


def at(seconds: float) -> str:
    return str(int(NOON.timestamp() + seconds))


TABLE: list[tuple[Exchange, type]] = [
    (Answered(201, {}, {"data": {"id": "23", "text": "a"}}), Posted),
    (Answered(200, {}, {"data": {"id": "23"}}), Posted),
    (Answered(201, {}, {"data": {}}), Unknown),
    (Answered(201, {}, {"data": {"id": None}}), Unknown),
    (Answered(201, {}, None), Unknown),
    (Answered(204, {}, None), Unknown),
    (said(307), Unknown),
    (said(429), Postponed),
    (said(402, "does not have any credits"), Postponed),
    (said(403, "You are not allowed to create a Tweet with duplicate content."), Unknown),
    (said(403, "Reply to this conversation is not allowed because you have not been mentioned"), ByHand),
    (said(403, "You can only reply to or quote posts where you are mentioned or are the author"), ByHand),
    (said(403, "not been mentioned or otherwise engaged by the author"), ByHand),
    (said(403, "attempted to reply to a Tweet that is deleted or not visible to you"), Refused),
    (said(403, "Your account is temporarily restricted"), Refused),
    (said(403), Refused),
    (said(400, "Tweet text is too long"), Refused),
    (said(401, "Unauthorized"), Refused),
    (said(404), Refused),
    (said(408), Unknown),
    (said(413), Refused),
    (said(422), Refused),
    (said(500), Unknown),
    (said(502), Unknown),
    (said(503), Unknown),
    (said(504), Unknown),
    (NotSent("ConnectError"), Postponed),
    (Lost("ReadTimeout"), Unknown),
]


@pytest.mark.parametrize(("exchange", "kind"), TABLE)
def test_each_answer_means_what_the_table_says(exchange: Exchange, kind: type) -> None:
    assert isinstance(meaning(exchange), kind)


def test_the_networks_own_words_are_the_reason() -> None:
    assert meaning(said(400, "Tweet text is too long")) == Refused("the network said 400: Tweet text is too long")
    assert meaning(Answered(400, {}, {"errors": [{"message": "bad id"}], "title": "Invalid"})) == Refused(
        "the network said 400: bad id"
    )
    assert meaning(Answered(400, {}, "<html>")) == Refused("the network said 400")


def test_a_limit_holds_until_the_networks_reset() -> None:
    outcome = meaning(said(429, x_rate_limit_reset=at(600)))
    assert outcome == Postponed("the network takes no more posts for now", NOON + 10 * MINUTE + SECOND)


@pytest.mark.parametrize("seconds", [0, -1, -19])
def test_a_limit_that_ended_while_the_answer_came_is_no_reason_to_wait(seconds: int) -> None:
    outcome = meaning(said(429, x_rate_limit_reset=at(seconds)))
    assert outcome == Postponed("the network takes no more posts for now", NOON + SECOND)


def test_the_longest_window_that_is_used_up_wins() -> None:
    used_up = said(
        429,
        x_rate_limit_reset=at(600),
        x_user_limit_24hour_remaining="0",
        x_user_limit_24hour_reset=at(7200),
        x_app_limit_24hour_remaining="5",
        x_app_limit_24hour_reset=at(9000),
    )
    outcome = meaning(used_up)
    assert isinstance(outcome, Postponed)
    assert outcome.not_before == NOON + timedelta(hours=2) + SECOND


@pytest.mark.parametrize("reset", ["", "soon", "-5", at(-60), at(90 * 3600), "9" * 11, "²"])
def test_a_reset_that_cannot_be_is_a_minute_doubling(reset: str) -> None:
    waits = [meaning(said(429, x_rate_limit_reset=reset), tries) for tries in (1, 2, 3, 99)]
    assert [w.not_before - NOON for w in waits if isinstance(w, Postponed)] == [n * MINUTE for n in (1, 2, 4, 5)]


def test_a_failure_to_connect_waits_twice_as_long_each_time() -> None:
    waits = [meaning(NotSent("ConnectError"), tries) for tries in (1, 2, 3, 10_000)]
    assert [w.not_before - NOON for w in waits if isinstance(w, Postponed)] == [
        SECOND,
        2 * SECOND,
        4 * SECOND,
        5 * MINUTE,
    ]


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "id", "errors", "detail", "title", "message"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(
    status=st.integers(100, 599),
    body=_JSON,
    reset=st.text(max_size=14),
    tries=st.integers(1, 10**6),
    chance=st.floats(0, 1),
)
def test_whatever_the_network_says_has_a_meaning(status: int, body: Any, reset: str, tries: int, chance: float) -> None:
    outcome = meaning(Answered(status, {"x-rate-limit-reset": reset}, body), tries, chance)
    assert not isinstance(outcome, Posted) or 200 <= status < 300
    assert not isinstance(outcome, Refused | ByHand) or 400 <= status < 500
    if isinstance(outcome, Postponed):
        assert status in (402, 429)
        assert outcome.not_before > NOON


def test_a_pace_at_which_we_would_look_while_sending_is_refused() -> None:
    with pytest.raises(ValueError, match="recover_after"):
        Pace(send_within=5 * SECOND, post_limit=20 * SECOND, recover_after=25 * SECOND)


def test_the_times_of_the_protocol_nest() -> None:
    frozen_pod = 90 * SECOND  # liveness 30 s and grace 60 s
    assert PACE.send_within + PACE.post_limit + frozen_pod < PACE.recover_after
    assert PACE.recover_after + 2 * PACE.look_again < PACE.give_up_after
