"""Which conversation a message joins, where it waits, what answers it."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from services.router.domain.policies import queue_for
from services.router.domain.routing import (
    Answered,
    Conversation,
    Joined,
    Message,
    Opened,
    OwnPost,
    Routed,
    SetAside,
    answered_by,
    conversation_of,
    route,
)
from services.router.domain.setup import Queue, Setup
from services.router.domain.waiting import raised
from tests.unit.router.builders import HOUR, MINUTE, NOON, SETUP, conversation, item, message, setup


def routed(
    sent: Message, known: Conversation | None = None, answered_at: datetime | None = None, by: Setup = SETUP
) -> Routed:
    return route(
        sent, known, by, sent.posted_at, answered_at=answered_at, new_conversation_id="cnv_new", new_item_id="itm_new"
    )


@pytest.mark.parametrize(
    ("language", "queue"),
    [("fr", "fr"), ("fr-CA", "fr"), ("en", "en"), ("de", "default"), ("und", "default")],
)
def test_a_message_waits_in_the_queue_of_its_language_or_in_the_default_one(language: str, queue: str) -> None:
    assert queue_for(language, "main", SETUP).slug == queue


def test_two_queues_of_one_language_are_chosen_by_name_so_that_a_replay_finds_the_same() -> None:
    twins = setup(Queue(slug="de-b", languages=("de",)), Queue(slug="de-a", languages=("de",)))

    assert queue_for("de", "main", twins).slug == "de-a"


def test_a_teams_own_queue_comes_before_anothers() -> None:
    known = setup(Queue(slug="nord", team="nord"), Queue(slug="z-fr", languages=("fr",), team="nord"))

    assert queue_for("fr", "nord", known).slug == "z-fr"
    assert queue_for("de", "nord", known).slug == "nord"
    assert queue_for("de", "main", known).slug == "default"


def test_a_queue_that_others_overflow_into_gets_nothing_else() -> None:
    known = setup(Queue(slug="night", team="nord"), Queue(slug="day", team="nord", languages=("nl",), overflow="night"))

    assert queue_for("de", "nord", known).slug == "default"


def test_a_first_message_opens_a_conversation_and_an_item_as_old_as_the_post() -> None:
    opened = routed(message(team="sud"))

    assert isinstance(opened, Opened)
    assert opened.conversation.id == "cnv_new"
    assert (opened.conversation.team, opened.item.team) == ("sud", "sud")
    assert (opened.item.queue, opened.item.state, opened.item.enqueued_at) == ("fr", "pending", NOON)
    assert opened.item.due_at == NOON + 90 * MINUTE


@pytest.mark.parametrize(
    ("urgency", "intent", "target"),
    [
        ("critical", "complaint", 15 * MINUTE),
        ("high", "complaint", HOUR),
        ("normal", "assistance_request", 90 * MINUTE),
        ("low", "information_request", 90 * MINUTE),
        ("low", "feedback", 4 * HOUR),
        ("none", "praise_thanks", None),
    ],
)
def test_the_deadline_follows_from_the_urgency(urgency: str, intent: str, target: timedelta | None) -> None:
    opened = routed(message(urgency=urgency, intent=intent))

    assert isinstance(opened, Opened)
    assert opened.item.due_at == (NOON + target if target else None)


def test_a_departure_within_two_hours_moves_the_deadline_to_half_of_what_is_left() -> None:
    opened = routed(message(urgency="high", event_at=NOON + 40 * MINUTE))

    assert isinstance(opened, Opened)
    assert opened.item.due_at == NOON + 20 * MINUTE


def test_a_message_in_the_same_thread_joins_its_conversation_however_late() -> None:
    old = conversation(last_message_at=NOON - timedelta(days=40))

    assert conversation_of(message(thread_id="t1"), [old]) is old


@pytest.mark.parametrize(("hours", "joins"), [(0, True), (72, True), (72.01, False), (-72, True)])
def test_a_message_in_another_thread_joins_within_72_hours(hours: float, joins: bool) -> None:
    known = conversation(thread_id="other", last_message_at=NOON - timedelta(hours=hours))

    assert conversation_of(message(), [known]) is (known if joins else None)


def test_the_same_thread_wins_over_a_nearer_conversation() -> None:
    near = conversation(id="cnv_near", thread_id="t9")
    same = conversation(id="cnv_same", last_message_at=NOON - 50 * HOUR)

    assert conversation_of(message(), [near, same]) is same


def test_a_further_message_joins_the_item_that_waits() -> None:
    joined = routed(message(posted_at=NOON + MINUTE), conversation(item=item()))

    assert isinstance(joined, Joined)
    assert joined.item.id == "itm_1"
    assert joined.conversation.last_customer_at == NOON + MINUTE


def test_a_more_urgent_message_raises_the_item_and_shortens_its_deadline() -> None:
    joined = routed(message(urgency="critical", posted_at=NOON + MINUTE), conversation(item=item()))

    assert isinstance(joined, Joined)
    assert (joined.item.urgency, joined.item.due_at) == ("critical", NOON + 15 * MINUTE)
    assert joined.item.version == 2


def test_a_calmer_message_never_lowers_the_item() -> None:
    held = item(urgency="high")

    assert raised(held, "low", (), SETUP, NOON) is held


def test_a_further_reason_is_a_step_of_its_own() -> None:
    held = item(urgency="high")

    more = raised(held, "low", ("deadline",), SETUP, NOON)

    assert (more.urgency, more.version, more.routing.reasons) == ("high", 2, ("deadline",))


def test_a_raise_never_moves_a_deadline_backwards() -> None:
    nearly_due = item(urgency="low", due_at=NOON + 5 * MINUTE)

    assert raised(nearly_due, "high", (), SETUP, NOON).due_at == NOON + 5 * MINUTE


def test_a_raise_late_in_the_day_leaves_ten_minutes() -> None:
    old = item(urgency="low", due_at=NOON + 4 * HOUR)

    assert raised(old, "high", (), SETUP, NOON + 2 * HOUR).due_at == NOON + 2 * HOUR + 10 * MINUTE


def test_a_person_may_lower_it_and_its_deadline_moves_out() -> None:
    held = item(urgency="high", due_at=NOON + HOUR)

    lowered = raised(held, "normal", ("manual",), SETUP, NOON, by_a_person=True)

    assert (lowered.urgency, lowered.due_at) == ("normal", NOON + 90 * MINUTE)
    assert lowered.routing.reasons == ("manual",)


def test_thanks_after_an_answer_open_nothing_but_are_kept() -> None:
    talk = conversation(state="waiting_customer", replied_at=NOON)

    aside = routed(message(intent="praise_thanks", sure=0.95, sentiment="positive", urgency="none"), talk)

    assert isinstance(aside, SetAside)
    assert aside.conversation.state == "waiting_customer"


@pytest.mark.parametrize(("sure", "sentiment"), [(0.95, "negative"), (0.8, "positive")])
def test_thanks_that_may_mean_something_else_wait(sure: float, sentiment: str) -> None:
    talk = conversation(state="waiting_customer", replied_at=NOON)

    opened = routed(message(intent="praise_thanks", sure=sure, sentiment=sentiment, urgency="none"), talk)

    assert isinstance(opened, Opened)
    assert (opened.item.urgency, opened.item.routing.followup) == ("low", True)


def test_a_customers_answer_to_us_is_a_followup_whatever_it_looks_like_and_inherits() -> None:
    talk = conversation(state="waiting_customer", replied_at=NOON, urgency="high")

    opened = routed(message(set_aside=True, urgency="none", intent="chatter"), talk)

    assert isinstance(opened, Opened)
    assert (opened.item.urgency, opened.item.routing.followup) == ("high", True)


def test_a_second_unanswered_message_asks_again() -> None:
    later = NOON + 20 * MINUTE

    joined = routed(message(posted_at=later), conversation(item=item()))

    assert isinstance(joined, Joined)
    assert (joined.item.urgency, joined.item.routing.reasons) == ("high", ("repeat_contact",))
    assert joined.item.due_at == NOON + HOUR


def test_a_person_who_goes_on_writing_does_not_ask_again() -> None:
    joined = routed(message(posted_at=NOON + MINUTE), conversation(item=item()))

    assert isinstance(joined, Joined)
    assert joined.item.urgency == "normal"


def test_a_reopened_conversation_is_a_new_cycle_with_a_first_response_of_its_own() -> None:
    talk = conversation(state="resolved", replied_at=NOON, last_customer_at=NOON)

    opened = routed(message(posted_at=NOON + HOUR), talk)

    assert isinstance(opened, Opened)
    assert (opened.conversation.cycle, opened.conversation.replied_at) == (2, None)


def test_a_returning_customer_goes_back_to_the_agent_they_know_for_a_day() -> None:
    talk = conversation(state="waiting_customer", replied_at=NOON, agent="ana", agent_at=NOON)

    soon = routed(message(posted_at=NOON + 23 * HOUR), talk)
    late = routed(message(posted_at=NOON + 25 * HOUR), talk)
    critical = routed(message(posted_at=NOON + HOUR, urgency="critical"), talk)

    assert [opened.returns_to for opened in (soon, late, critical) if isinstance(opened, Opened)] == ["ana", "", ""]


def test_what_needs_no_answer_in_an_open_conversation_joins_its_item() -> None:
    assert isinstance(routed(message(set_aside=True), conversation(item=item())), Joined)


def test_a_mention_whose_answer_came_in_first_waits_for_nobody() -> None:
    answered = routed(message(), answered_at=NOON + MINUTE)

    assert isinstance(answered, Answered)
    assert answered.conversation.state == "waiting_customer"
    assert answered.conversation.last_message_at == NOON + MINUTE


def test_an_unknown_language_takes_the_conversations() -> None:
    opened = routed(message(language="und"), conversation(language="en"))

    assert isinstance(opened, Opened)
    assert opened.item.queue == "en"


def answer(at: datetime, agent: str = "") -> OwnPost:
    return OwnPost("x", "o1", "acme", "m0", "jo", at, agent)


def test_our_answer_completes_what_waits() -> None:
    talk = conversation(item=item())

    after, done = answered_by(talk, answer(NOON + MINUTE, "ana"), SETUP, NOON + MINUTE)

    assert done is not None
    assert (done.id, done.state) == ("itm_1", "completed")
    assert (after.item, after.state, after.last_message_at) == (None, "waiting_customer", NOON + MINUTE)
    assert (after.replied_at, after.agent) == (NOON + MINUTE, "ana")


def test_an_answer_is_followed_by_the_wrap_up_of_the_queue() -> None:
    known = setup(Queue(slug="fr", languages=("fr",), wrap_up_seconds=60))
    talk = conversation(item=item(state="assigned", agent="ana"))

    after, done = answered_by(talk, answer(NOON + MINUTE), known, NOON + 2 * MINUTE)

    assert done is not None
    assert (done.state, done.next_at, after.item) == ("wrapping", NOON + 3 * MINUTE, done)


def test_a_message_during_the_wrap_up_ends_it_and_opens_another_item() -> None:
    talk = conversation(state="waiting_customer", replied_at=NOON, item=item(state="wrapping", agent="ana"))

    opened = routed(message(posted_at=NOON + MINUTE), talk)

    assert isinstance(opened, Opened)
    assert opened.done is not None
    assert (opened.done.state, opened.item.id) == ("completed", "itm_new")


def test_an_answer_older_than_the_latest_message_leaves_it_waiting() -> None:
    talk = conversation(item=item(), last_customer_at=NOON + HOUR)

    after, done = answered_by(talk, answer(NOON + MINUTE), SETUP, NOON + HOUR)

    assert done is None
    assert after is talk


def test_a_holding_reply_gives_the_first_response_and_keeps_the_item_with_its_agent_until_then() -> None:
    talk = conversation(item=item(state="assigned", agent="ana", assigned_at=NOON))
    back_at = NOON + 3 * HOUR

    after, held = answered_by(talk, replace(answer(NOON + MINUTE, "ana"), promised_at=back_at), SETUP, NOON + MINUTE)

    assert held is not None
    assert (held.state, held.agent, held.due_at, held.late) == ("assigned", "ana", back_at, False)
    assert (after.item, after.state, after.replied_at) == (held, "open", NOON + MINUTE)
