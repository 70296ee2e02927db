"""What people and time do to a conversation: from where each step goes, and what it does to the item."""

from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.conversations import (
    CLOSES_AFTER,
    GOES_FROM,
    Action,
    After,
    Nobody,
    NotFrom,
    covers,
    dismiss,
    has_room,
    hold,
    merge,
    refused,
    reopen,
    resolve,
    resume,
    snooze,
    woken,
)
from services.router.domain.routing import STALE_AFTER, Conversation, OwnPost, answered_by, route
from services.router.domain.setup import Queue
from services.router.domain.waiting import Changed, Item, Routing, back, moved, put_aside, tick
from services.router.domain.words import CONVERSATION_STATES
from tests.unit.router.builders import HOUR, MINUTE, NOON, SETUP, conversation, item, message, setup

QUEUES = SETUP


def held(**changes: Any) -> Item:
    return item(state="assigned", agent="ana", assigned_at=NOON, **changes)


def aside(state: str = "on_hold", **changes: Any) -> Conversation:
    return conversation(state=state, item=put_aside(held(**changes), SETUP, NOON))


def done(step: After | NotFrom | Nobody) -> After:
    assert isinstance(step, After), step
    return step


@pytest.mark.parametrize("action", get_args(Action))
def test_an_action_is_possible_in_the_states_it_names_and_in_no_other(action: Action) -> None:
    possible = [state for state in CONVERSATION_STATES if refused(conversation(state=state), action) is None]

    assert sorted(possible) == sorted(GOES_FROM[action])


def test_a_wrong_step_says_where_it_is_and_from_where_it_goes() -> None:
    assert resume(conversation(state="open"), SETUP, NOON, has_room=True) == NotFrom(
        "resume", "open", ("on_hold", "snoozed")
    )


def test_what_was_merged_away_is_done_with() -> None:
    assert resolve(conversation(merged_into="cnv_2"), NOON, CLOSES_AFTER) == NotFrom(
        "resolve", "merged", GOES_FROM["resolve"]
    )


@pytest.mark.parametrize("state", ["pending", "reserved", "assigned", "wrapping"])
def test_resolving_completes_what_waits_and_closes_after_a_while(state: str) -> None:
    after = done(resolve(conversation(item=item(state=state)), NOON, CLOSES_AFTER))

    assert (after.talk.state, after.talk.item, after.talk.wake_at) == ("resolved", None, NOON + timedelta(days=7))
    assert after.item is not None
    assert (after.item.state, after.item.version, after.item.next_at) == ("completed", 2, None)


@pytest.mark.parametrize("reason", ["spam", "duplicate", "deleted"])
def test_dismissing_cancels_what_waits_and_says_why(reason: Any) -> None:
    after = done(dismiss(conversation(item=held()), reason))

    assert (after.talk.state, after.talk.reason) == ("dismissed", reason)
    assert after.item is not None
    assert after.item.state == "canceled"


def test_on_hold_the_item_stays_its_agents_and_uses_nothing() -> None:
    after = done(hold(conversation(item=held(weight=2)), "the depot", SETUP, NOON))

    assert (after.talk.state, after.talk.reason, after.talk.wake_at) == ("on_hold", "the depot", None)
    assert after.item is not None
    assert (after.item.state, after.item.agent, after.item.weight, after.item.routing.parked) == (
        "assigned", "ana", 0, 2,
    )  # fmt: skip


def test_the_clock_goes_on_while_it_is_on_hold() -> None:
    parked = put_aside(held(), SETUP, NOON)
    late = tick(parked, SETUP, NOON + 2 * HOUR)

    assert parked.due_at is not None
    assert isinstance(late, Changed)
    assert late.happened == ("breached",)


def test_nobody_loses_it_for_want_of_a_reply_while_it_is_put_aside() -> None:
    known = setup(Queue(slug="fr", languages=("fr",), first_reply_seconds=60))
    parked = put_aside(held(due_at=None), known, NOON)

    assert parked.next_at is None
    assert tick(parked, known, NOON + HOUR) == Changed(parked)


@pytest.mark.parametrize("state", ["pending", "reserved", "wrapping"])
def test_only_what_somebody_has_can_be_put_aside(state: str) -> None:
    assert snooze(conversation(item=item(state=state)), NOON + HOUR, SETUP, NOON) == Nobody(state)
    assert hold(conversation(), "", SETUP, NOON) == Nobody("")


@pytest.mark.parametrize("step", [resume, woken])
def test_back_from_a_snooze_it_is_its_agents_again_where_there_is_room(step: Any) -> None:
    stepped = step(aside("snoozed", weight=2), SETUP, NOON + HOUR, has_room=True)
    after = stepped if isinstance(stepped, After) else stepped.after
    assert after.item is not None

    assert (after.talk.state, after.talk.wake_at) == ("open", NOON + HOUR + STALE_AFTER)
    assert (after.item.state, after.item.agent, after.item.weight, after.item.routing.parked) == (
        "assigned", "ana", 2, None,
    )  # fmt: skip


def test_where_there_is_no_room_it_waits_with_its_age() -> None:
    after = done(resume(aside(weight=2), SETUP, NOON + HOUR, has_room=False))

    assert after.item is not None
    assert (after.item.state, after.item.agent, after.item.weight, after.item.enqueued_at) == ("pending", "", 2, NOON)


def test_whatever_takes_it_from_its_agent_gives_it_its_weight_back() -> None:
    parked = put_aside(held(weight=3), SETUP, NOON)

    assert back(parked, SETUP, NOON).weight == 3
    assert moved(parked, SETUP.queues["en"], SETUP, NOON).weight == 3


@pytest.mark.parametrize(
    ("presence", "used", "room"),
    [
        ("available", 1, True),
        ("finishing", 1, True),
        ("available", 2, False),
        ("away", 0, False),
        ("offline", 0, False),
    ],
)
def test_who_is_there_with_room_goes_on_with_it(presence: str, used: int, room: bool) -> None:
    assert has_room(presence, used, 3, put_aside(held(weight=2), SETUP, NOON)) is room


def test_a_message_of_the_customer_wakes_what_is_put_aside() -> None:
    talk = aside("snoozed")
    later = NOON + MINUTE
    heard = route(
        message(posted_at=later), talk, SETUP, later, answered_at=None, new_conversation_id="c", new_item_id="i"
    )

    assert (heard.conversation.state, heard.conversation.wake_at) == ("open", later)
    assert woken(heard.conversation, SETUP, later, has_room=True).happened == "wanted"


def test_what_waits_in_public_for_a_day_without_a_word_is_stale() -> None:
    opened = route(message(), None, SETUP, NOON, answered_at=None, new_conversation_id="c", new_item_id="i")
    assert opened.conversation.wake_at == NOON + timedelta(hours=24)

    stale = woken(opened.conversation, SETUP, NOON + STALE_AFTER, has_room=False)

    assert (stale.happened, stale.after.talk.state, stale.after.talk.wake_at) == ("stale", "stale", None)
    assert stale.after.item is None, "its item waits as before"


def test_a_private_conversation_is_never_stale() -> None:
    opened = route(message(private=True), None, SETUP, NOON, answered_at=None, new_conversation_id="c", new_item_id="i")

    assert (opened.conversation.private, opened.conversation.wake_at) == (True, None)


def test_what_somebody_has_is_not_stale_and_is_looked_at_again() -> None:
    looked = woken(conversation(item=held(), wake_at=NOON), SETUP, NOON, has_room=False)

    assert (looked.happened, looked.after.talk.state, looked.after.talk.wake_at) == (
        "nothing", "open", NOON + STALE_AFTER,
    )  # fmt: skip
    assert looked.after.talk.version == 1


def test_a_resolved_conversation_closes() -> None:
    closed = woken(conversation(state="resolved", wake_at=NOON), SETUP, NOON, has_room=False)

    assert (closed.happened, closed.after.talk.state, closed.after.talk.wake_at) == ("closed", "closed", None)


@pytest.mark.parametrize("state", ["resolved", "closed"])
def test_a_post_of_ours_after_it_was_resolved_leaves_it_so(state: str) -> None:
    over = conversation(state=state, wake_at=NOON + HOUR)
    after, item_done = answered_by(over, OwnPost("x", "o1", "acme", "m1", "jo", NOON + MINUTE), SETUP, NOON)

    assert (after.state, after.wake_at, item_done) == (state, over.wake_at, None)


def test_an_answer_ends_a_snooze() -> None:
    after, ended = answered_by(
        aside("snoozed"), OwnPost("x", "o1", "acme", "m1", "jo", NOON + MINUTE, "ana"), SETUP, NOON
    )

    assert (after.state, after.wake_at) == ("waiting_customer", None)
    assert ended is not None
    assert (ended.state, ended.weight) == ("completed", 0)


@pytest.mark.parametrize("state", ["resolved", "closed"])
def test_reopening_what_was_over_is_a_new_cycle_with_a_new_item(state: str) -> None:
    over = conversation(state=state, replied_at=NOON, urgency="high", cycle=2)
    after = done(reopen(over, message(), SETUP, NOON + HOUR, since=NOON + HOUR, new_item_id="itm_2"))

    assert (after.talk.state, after.talk.cycle, after.talk.replied_at) == ("open", 3, None)
    assert after.talk.item is not None
    assert (after.talk.item.id, after.talk.item.urgency, after.talk.item.enqueued_at) == (
        "itm_2", "high", NOON + HOUR,
    )  # fmt: skip
    assert after.talk.item.routing.followup


def test_what_was_set_aside_can_be_found_to_need_an_answer() -> None:
    after = done(
        reopen(conversation(state="set_aside"), message(urgency="none"), SETUP, NOON, since=NOON, new_item_id="itm_2")
    )

    assert after.talk.item is not None
    assert (after.talk.cycle, after.talk.item.urgency, after.talk.item.state) == (1, "low", "pending")


def test_a_stale_conversation_that_is_reopened_keeps_its_item() -> None:
    waiting = item()
    after = done(
        reopen(conversation(state="stale", item=waiting), message(), SETUP, NOON, since=NOON, new_item_id="itm_2")
    )

    assert (after.talk.state, after.talk.item, after.item) == ("open", waiting, None)


# --- merging


def test_of_two_open_items_the_more_urgent_stays_with_the_earlier_deadline() -> None:
    urgent = item(id="itm_a", conversation_id="cnv_1", urgency="critical", due_at=NOON + 50 * MINUTE)
    early = item(id="itm_b", conversation_id="cnv_2", due_at=NOON + 20 * MINUTE)

    merged = merge(conversation(item=urgent), conversation(id="cnv_2", item=early), SETUP, NOON)

    assert merged.stays is not None
    assert (merged.stays.id, merged.stays.urgency, merged.stays.due_at, merged.stays.conversation_id) == (
        "itm_a", "critical", NOON + 20 * MINUTE, "cnv_2",
    )  # fmt: skip
    assert merged.gone is not None
    assert (merged.gone.id, merged.gone.state) == ("itm_b", "canceled")
    assert (merged.source.state, merged.source.reason, merged.source.merged_into) == (
        "dismissed", "duplicate", "cnv_2",
    )  # fmt: skip


def test_what_somebody_has_stays_theirs_and_gets_as_urgent_as_the_other() -> None:
    mine = held(id="itm_a", conversation_id="cnv_2")
    waiting = item(id="itm_b", urgency="critical", routing=Routing(reasons=("safety",)))

    merged = merge(conversation(item=waiting), conversation(id="cnv_2", item=mine), SETUP, NOON)

    assert merged.stays is not None
    assert (merged.stays.id, merged.stays.agent, merged.stays.urgency) == ("itm_a", "ana", "critical")
    assert merged.stays.routing.reasons == ("safety",)


def test_one_open_item_goes_along_and_opens_the_target() -> None:
    merged = merge(conversation(item=item()), conversation(id="cnv_2", state="waiting_customer"), SETUP, NOON)

    assert (merged.target.state, merged.gone) == ("open", None)
    assert merged.stays is not None
    assert merged.stays.conversation_id == "cnv_2"


def test_a_merge_changes_nothing_about_a_target_that_gains_no_item() -> None:
    target = aside("snoozed")
    merged = merge(conversation(id="cnv_2", state="waiting_customer"), target, SETUP, NOON)

    assert (merged.target.state, merged.stays, merged.gone) == ("snoozed", target.item, None)


def test_a_question_that_comes_into_a_snoozed_conversation_wakes_it() -> None:
    asked = item(id="itm_2", conversation_id="cnv_2")
    merged = merge(conversation(id="cnv_2", item=asked), aside("snoozed"), SETUP, NOON)

    assert (merged.target.state, merged.target.wake_at) == ("open", NOON)


def test_of_one_in_its_wrap_up_the_time_ends() -> None:
    wrapping, waiting = item(id="itm_1", state="wrapping", agent="ana"), item(id="itm_2", conversation_id="cnv_2")
    merged = merge(conversation(item=wrapping), conversation(id="cnv_2", item=waiting), SETUP, NOON)

    assert merged.stays == waiting
    assert merged.gone is not None
    assert (merged.gone.id, merged.gone.state) == ("itm_1", "completed")


STATES = st.sampled_from(["pending", "reserved", "assigned", "wrapping"])
URGENCIES = st.sampled_from(["critical", "high", "normal", "low", "none"])


@st.composite
def items(draw: st.DrawFn, id_: str, talk: str) -> Item | None:
    if draw(st.booleans()):
        return None
    state = draw(STATES)
    made = item(
        id=id_, conversation_id=talk, state=state, urgency=draw(URGENCIES), agent="" if state == "pending" else "ana",
        due_at=draw(st.none() | st.integers(-90, 90).map(lambda n: NOON + n * MINUTE)),
    )  # fmt: skip
    return put_aside(made, SETUP, NOON) if state == "assigned" and draw(st.booleans()) else made


@given(items("itm_1", "cnv_1"), items("itm_2", "cnv_2"))
def test_whatever_is_merged_at_most_one_item_stays_open_and_nothing_gets_later(
    one: Item | None, other: Item | None
) -> None:
    merged = merge(conversation(item=one), conversation(id="cnv_2", item=other), SETUP, NOON)

    both = [kept for kept in (one, other) if kept is not None]
    assert (merged.stays is not None) == bool(both)
    assert (merged.gone is not None) == (len(both) == 2)
    if merged.gone is not None:
        assert merged.gone.state in ("completed", "canceled")
    waiting = [kept for kept in both if kept.state != "wrapping"]
    if merged.stays is not None and waiting:
        assert merged.stays.conversation_id == "cnv_2"
        due = [kept.due_at for kept in waiting if kept.due_at is not None]
        assert merged.stays.due_at == min(due, default=None)
        assert merged.stays.version <= (merged.was.version if merged.was else 0) + 1


# --- direct and covered


def test_a_reply_covers_what_came_before_it_and_nobody_answered() -> None:
    reply_at = NOON + HOUR
    unanswered: dict[str, Any] = {"direct_at": None, "covered_at": None}

    assert covers(reply_at, posted_at=NOON, **unanswered)
    assert covers(reply_at, posted_at=reply_at, **unanswered)
    assert not covers(reply_at, posted_at=reply_at + MINUTE, **unanswered)
    assert not covers(reply_at, posted_at=NOON, direct_at=NOON + MINUTE, covered_at=None)
    assert covers(reply_at, posted_at=NOON, direct_at=None, covered_at=reply_at + MINUTE), "this one was earlier"
