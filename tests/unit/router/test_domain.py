"""Which conversation a message joins, where it waits, what answers it."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from services.router.domain.routing import (
    Answered,
    Conversation,
    Item,
    Joined,
    Message,
    Opened,
    OwnPost,
    Queue,
    Routed,
    SetAside,
    answered_by,
    conversation_of,
    due_at,
    more_urgent,
    queue_for,
    route,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
QUEUES = (Queue("default", (), "main"), Queue("en", ("en",), "main"), Queue("fr", ("fr",), "sud"))


def message(**changes: object) -> Message:
    return replace(
        Message(
            network="x",
            post_id="m1",
            version=1,
            handle="acme",
            author_id="jo",
            author_username="jo",
            thread_id="t1",
            language="fr",
            urgency="normal",
            set_aside=False,
            posted_at=NOON,
            key="k",
        ),
        **changes,
    )


def item(**changes: object) -> Item:
    return replace(
        Item("itm_1", "cnv_1", "fr", "main", "normal", "pending", NOON, NOON + 90 * MINUTE, "", 1, "m0"),
        **changes,
    )


def conversation(**changes: object) -> Conversation:
    return replace(
        Conversation("cnv_1", "x", "jo", "jo", "acme", "main", "k", "t1", "fr", "open", NOON, NOON, NOON, version=1),
        **changes,
    )


def routed(sent: Message, known: Conversation | None = None, answered_at: datetime | None = None) -> Routed:
    return route(sent, known, QUEUES, answered_at=answered_at, new_conversation_id="cnv_new", new_item_id="itm_new")


@pytest.mark.parametrize(
    ("language", "queue"),
    [("fr", "fr"), ("fr-CA", "fr"), ("en", "en"), ("de", "default"), ("und", "default")],
)
def test_a_message_waits_in_the_queue_of_its_language_or_in_the_default_one(language: str, queue: str) -> None:
    assert queue_for(language, "main", QUEUES).slug == queue


def test_two_queues_of_one_language_are_chosen_by_name_so_that_a_replay_finds_the_same() -> None:
    twins = (Queue("fr-b", ("fr",), "main"), Queue("fr-a", ("fr",), "main"), Queue("default", (), "main"))

    assert queue_for("fr", "main", twins).slug == "fr-a"


def test_a_teams_own_queue_comes_before_anothers() -> None:
    queues = (*QUEUES, Queue("nord", (), "nord"), Queue("z-fr", ("fr",), "nord"))

    assert queue_for("fr", "nord", queues).slug == "z-fr"
    assert queue_for("de", "nord", queues).slug == "nord"
    assert queue_for("de", "main", queues).slug == "default"


def test_a_first_message_opens_a_conversation_and_an_item_as_old_as_the_post() -> None:
    opened = routed(message(team="sud"))

    assert isinstance(opened, Opened)
    assert opened.conversation.id == "cnv_new"
    assert (opened.conversation.team, opened.item.team) == ("sud", "sud")
    assert (opened.item.queue, opened.item.state, opened.item.enqueued_at) == ("fr", "pending", NOON)
    assert opened.item.due_at == NOON + 90 * MINUTE


@pytest.mark.parametrize(
    ("urgency", "target"),
    [("critical", 15 * MINUTE), ("high", HOUR), ("normal", 90 * MINUTE), ("low", 4 * HOUR), ("none", None)],
)
def test_the_deadline_follows_from_the_urgency(urgency: str, target: timedelta | None) -> None:
    assert due_at(urgency, NOON) == (NOON + target if target else None)


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
    assert (joined.item.urgency, joined.item.due_at) == ("critical", NOON + 16 * MINUTE)
    assert joined.item.version == 2


def test_a_calmer_message_never_lowers_the_item() -> None:
    held = item(urgency="high")

    assert more_urgent(held, "low", NOON) is held


def test_a_raise_never_moves_a_deadline_backwards() -> None:
    nearly_due = item(urgency="low", due_at=NOON + 5 * MINUTE)

    assert more_urgent(nearly_due, "high", NOON).due_at == NOON + 5 * MINUTE


def test_thanks_after_an_answer_open_nothing_but_are_kept() -> None:
    talk = conversation(state="waiting_customer")

    aside = routed(message(set_aside=True), talk)

    assert isinstance(aside, SetAside)
    assert aside.conversation.state == "waiting_customer"


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


def test_our_answer_completes_what_waits() -> None:
    talk = conversation(item=item())

    after, done = answered_by(talk, OwnPost("x", "o1", "acme", "m0", "jo", NOON + MINUTE))

    assert done == talk.item
    assert (after.item, after.state, after.last_message_at) == (None, "waiting_customer", NOON + MINUTE)


def test_an_answer_older_than_the_latest_message_leaves_it_waiting() -> None:
    talk = conversation(item=item(), last_customer_at=NOON + HOUR)

    after, done = answered_by(talk, OwnPost("x", "o1", "acme", "m0", "jo", NOON + MINUTE))

    assert done is None
    assert after is talk
