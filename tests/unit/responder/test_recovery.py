"""Whether a reply is on our timeline, and what follows when it is not."""

import pytest

from services.responder.domain.posting import GaveUp, Missing, Posted, Postponed
from services.responder.domain.recovery import after_look, find
from tests.unit.responder.builders import MINUTE, NOON, PACE, SECOND, own_post, reply


def test_our_post_under_the_mention_is_our_reply() -> None:
    there = own_post("2001")
    assert find(reply(), [own_post("2002", in_reply_to="9"), there, own_post("2003", in_reply_to="")], ()) == there


def test_a_post_that_is_another_reply_of_ours_is_not_this_one() -> None:
    assert find(reply(), [own_post("2001")], {"2001"}) is None


@pytest.mark.parametrize(
    "text",
    [
        "On regarde ^Ana",
        "@jo On regarde ^Ana",
        "@jo @acme_fr  On regarde\n^Ana",
        "On regarde https://t.co/abc ^Ana",
    ],
)
def test_what_the_network_changes_in_a_text_does_not_hide_it(text: str) -> None:
    asked = reply(text="On regarde https://example.com/x ^Ana" if "t.co" in text else "On regarde ^Ana")
    others = [own_post("2000", text="@jo autre chose"), own_post("2001", text=text)]
    found = find(asked, others, ())
    assert found is not None
    assert found.post_id == "2001"


def test_entities_are_what_they_stand_for() -> None:
    assert find(reply(text="a & b <c>", follow_up_of="rep_0"), [own_post(text="@jo a &amp; b &lt;c&gt;")], ())


def test_any_answer_of_ours_answers_the_mention_the_oldest_first() -> None:
    posts = [own_post("10000", text="par la main"), own_post("9999", text="par la main aussi")]
    found = find(reply(), posts, ())
    assert found is not None
    assert found.post_id == "9999"


def test_a_follow_up_is_only_found_by_its_words() -> None:
    follow_up = reply(text="C'est réglé", follow_up_of="rep_0")
    assert find(follow_up, [own_post("2001", text="@jo On regarde")], ()) is None
    assert find(follow_up, [own_post("2001", text="@jo C'est réglé")], ()) is not None


def test_found_is_posted() -> None:
    assert after_look(reply("unknown"), own_post(), read=True, now=NOON, pace=PACE) == Posted("2001", NOON)


def test_a_timeline_that_was_not_read_says_nothing() -> None:
    unknown = reply("unknown", unknown_since=NOON, missed_at=NOON)
    outcome = after_look(unknown, None, read=False, now=NOON + 5 * MINUTE, pace=PACE)
    assert isinstance(outcome, Missing)
    assert outcome.missed_at == NOON


def test_missing_once_is_looked_for_again_a_minute_later() -> None:
    outcome = after_look(reply("unknown", unknown_since=NOON), None, read=True, now=NOON + 3 * MINUTE, pace=PACE)
    assert outcome == Missing(NOON + 4 * MINUTE, NOON + 3 * MINUTE, "not on our timeline so far")


def test_two_looks_too_near_each_other_are_one() -> None:
    unknown = reply("unknown", unknown_since=NOON, missed_at=NOON + 3 * MINUTE)
    outcome = after_look(unknown, None, read=True, now=NOON + 3 * MINUTE + 59 * SECOND, pace=PACE)
    assert isinstance(outcome, Missing)
    assert outcome.look_at == NOON + 4 * MINUTE


def test_missing_twice_goes_out_again() -> None:
    unknown = reply("unknown", unknown_since=NOON, missed_at=NOON + 3 * MINUTE)
    outcome = after_look(unknown, None, read=True, now=NOON + 4 * MINUTE, pace=PACE)
    assert isinstance(outcome, Postponed)
    assert outcome.not_before == NOON + 4 * MINUTE


@pytest.mark.parametrize("read", [True, False])
def test_after_half_an_hour_a_person_must_look(read: bool) -> None:
    unknown = reply("unknown", unknown_since=NOON, missed_at=NOON + 3 * MINUTE)
    assert isinstance(after_look(unknown, None, read=read, now=NOON + 30 * MINUTE, pace=PACE), GaveUp)
    assert isinstance(after_look(unknown, own_post(), read=True, now=NOON + 99 * MINUTE, pace=PACE), Posted)
