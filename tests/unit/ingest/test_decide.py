"""Which handle a post concerns, whether it is ours, and what cannot be taken."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from services.ingest.domain import Handles, Person
from tests.unit.ingest.posts import ACME_HELP, DAY, NOON, OURS, mention, own_post, post, refused


@pytest.mark.parametrize(
    ("text", "handle", "also_named"),
    [
        ("hello", "default", ()),
        ("@acmehelp hello", "acme-help", ()),
        ("hello @ACMEHELP.", "acme-help", ()),
        ("@acmehelp: hello", "acme-help", ()),
        ("(@acmehelp)", "acme-help", ()),
        ("＠acmehelp bonjour", "acme-help", ()),
        (".@acmehelp bonjour", "acme-help", ()),
        ("@acmehelp's late", "acme-help", ()),
        ("@acmehelping hands", "default", ()),
        ("jo@acmehelp.example", "default", ()),
        ("@ acmehelp", "default", ()),
        ("@acme @acme_fr @acmehelp", "acme-help", ("acme-fr", "acme")),
        ("@acme and @acme_fr", "acme-fr", ("acme",)),
        ("@acmecares @acmehelp", "acme-cares", ("acme-help",)),
        ("@acmehelp @acmecares", "acme-help", ("acme-cares",)),
        ("@jo @mia @acme", "acme", ()),
        ("@acme @acme", "acme", ()),
    ],
)
def test_a_post_goes_to_the_handle_it_names_support_first_then_who_is_named_first(
    text: str, handle: str, also_named: tuple[str, ...]
) -> None:
    event = mention(post(text))
    assert (event.handle, event.also_named) == (handle, also_named)


@pytest.mark.parametrize(
    ("network", "text", "handle"),
    [
        ("bluesky", "hi @acme.bsky.social!", "bsky"),
        ("bluesky", "hi @acme.bsky.social.", "bsky"),
        ("bluesky", "hi @acme", "default"),
        ("x", "hi @acme.bsky.social", "acme"),
        ("mastodon", "hi @acme@example.social", "default"),
    ],
)
def test_names_with_dots_are_whole_and_handles_belong_to_their_network(network: str, text: str, handle: str) -> None:
    assert mention(post(text, network=network)).handle == handle


def test_the_network_s_own_list_of_who_is_named_counts_by_id_or_name() -> None:
    assert mention(post("hi", named=[Person("9"), Person("3")])).handle == "acme-help"
    assert mention(post("hi", named=[Person("", "acme_fr")])).handle == "acme-fr"


def test_a_post_that_answers_a_handle_belongs_to_it_and_a_named_one_of_its_purpose_comes_first() -> None:
    assert mention(post("still waiting", answered="3")).handle == "acme-help"
    event = mention(post("@acmecares help", answered="3"))
    assert (event.handle, event.also_named) == ("acme-cares", ("acme-help",))


def test_a_slug_said_by_the_sender_wins_over_the_text() -> None:
    event = mention(post("@acmehelp hi", handle="acme"))
    assert (event.handle, event.also_named) == ("acme", ("acme-help",))


@pytest.mark.parametrize("author", [Person("3"), Person("3", "renamed"), Person("", "ACMEHELP")])
def test_a_post_by_one_of_our_handles_is_our_own(author: Person) -> None:
    assert own_post(post("on its way", author=author)).handle == "acme-help"


@pytest.mark.parametrize(
    ("text", "answered", "named", "person"),
    [
        ("done", "c1", [], "c1"),
        ("@jo done", "c1", [Person("c2", "jo")], "c1"),
        ("2/2", "3", [Person("1", "Acme"), Person("c2", "jo")], "c2"),
        ("2/2 @acme @jo.", "3", [], "jo"),
        ("@jo done", "", [Person("", "jo")], "jo"),
        ("good morning", "", [], ""),
        ("good morning from @acme", "", [], ""),
    ],
)
def test_our_own_post_answers_the_first_person_who_is_not_us(
    text: str, answered: str, named: list[Person], person: str
) -> None:
    event = own_post(post(text, author=Person("3"), answered=answered, named=named))
    assert event.answered_person == person
    assert event.key == f"x:{person or 'p1'}"


def test_a_mention_is_keyed_by_its_author() -> None:
    assert mention(post(answered="3")).key == "x:c1"


def test_the_same_post_is_the_same_event_and_another_version_is_not() -> None:
    assert mention(post("one")).event_id == mention(post("two"), now=NOON + DAY).event_id
    assert mention(post()).event_id != mention(post(version=2)).event_id
    assert mention(post()).event_id != mention(post(network="crm")).event_id


def test_the_time_is_the_network_s_in_utc_and_the_present_where_there_is_none() -> None:
    there = datetime(2025, 6, 2, 14, tzinfo=timezone(timedelta(hours=2)))
    assert mention(post(posted_at=there)).posted_at == NOON
    assert mention(post(posted_at=there)).posted_at.tzinfo is UTC
    assert mention(post(posted_at=None), now=NOON + DAY).posted_at == NOON + DAY


def test_a_time_up_to_a_day_ahead_is_taken_and_more_is_not() -> None:
    assert mention(post(posted_at=NOON + DAY)).posted_at == NOON + DAY
    assert refused(post(posted_at=NOON + DAY + timedelta(seconds=1))).type == "absurd-date"


def test_a_time_before_the_first_post_of_any_network_is_refused() -> None:
    assert mention(post(posted_at=datetime(2006, 3, 21, tzinfo=UTC))).posted_at.year == 2006
    assert refused(post(posted_at=datetime(2006, 3, 20, 23, 59, 59, tzinfo=UTC))).path == "$.posted_at"


def test_a_time_without_a_zone_is_refused_with_the_zone_as_the_fix() -> None:
    answer = refused(post(posted_at=datetime(2025, 6, 2, 12)))
    assert "zone" in answer.detail
    assert "2025-06-02T12:00:00Z" in answer.fix


def test_the_longest_text_is_taken_and_one_character_more_is_not() -> None:
    assert mention(post("é" * 25_000)).text
    assert refused(post("é" * 25_001)).type == "too-long"


def test_a_post_without_text_needs_media() -> None:
    assert refused(post("")).type == "no-text"
    assert mention(post("", media=True)).text == ""


def test_an_unknown_handle_is_refused_with_the_nearest_one_the_sender_may_name() -> None:
    assert refused(post(handle="acme-hlep")).fix == "Did you mean 'acme-help'?"
    ours_only = refused(post(handle="acme-care"), teams=("main",))
    assert "acme-cares" not in ours_only.fix
    assert refused(post(handle="acme-cares"), teams=("main",)).type == "unknown-handle"
    assert mention(post(handle="acme-cares"), teams=("cares",)).handle == "acme-cares"


def test_default_may_always_be_named() -> None:
    assert mention(post("@acmehelp", handle="default"), handles=Handles()).handle == "default"


def test_a_handle_whose_name_is_written_otherwise_is_the_same() -> None:
    assert OURS.of("x", Person("", "aCmEhElP")) is ACME_HELP
    assert OURS.at("x", "acmehelp...") is ACME_HELP
    assert OURS.at("nowhere", "acmehelp") is None


# --- whether it calls us


@pytest.mark.parametrize(
    ("fields", "summoned"),
    [
        ({"text": "@acmehelp hi"}, "named"),
        ({"text": "hi @ACMEHELP."}, "named"),
        ({"text": "hi", "named": [Person("3")]}, "named"),
        ({"text": "@acmehelp hi", "answered": "3"}, "named"),
        ({"text": "@acmehelp @acmehelp hi", "written_from": 10}, "named"),
        ({"text": "@acmehelp still", "written_from": 10}, "implied"),
        ({"text": "@acmehelp still", "written_from": 10, "carried": [Person("3", "AcmeHelp")]}, "implied"),
        ({"text": "@old_name still", "written_from": 10, "carried": [Person("3", "old_name")]}, "implied"),
        ({"text": "still waiting", "answered": "3"}, "implied"),
        ({"text": "look at this", "quoted": "3"}, "quoted"),
        ({"text": "@acmehelp look", "quoted": "3"}, "named"),
        ({"text": "@acmehelp look", "written_from": 10, "quoted": "3"}, "quoted"),
        ({"text": "look at this", "quoted": "c2"}, "not"),
        ({"text": "acme help is slow"}, "not"),
        ({"text": "so is theirs", "answered": "c2", "in_reply_to": "p0"}, "not"),
        ({"text": "acme help is slow", "handle": "acme-help"}, "not"),
        ({"text": "@acme is slow", "handle": "acme-help"}, "not"),
        ({"text": "@acme is slow", "handle": "default"}, "not"),
        ({"text": "so is theirs", "in_reply_to": "p0"}, ""),
        ({"text": "@acmehelp hi", "private": True}, ""),
        ({"text": "@acmehelp hi", "network": "crm"}, ""),
        ({"text": "@acmehelp hi", "network": "bluesky", "handle": "acme-help"}, ""),
        ({"text": "hi", "summoned": "quoted"}, "quoted"),
    ],
)
def test_how_a_post_calls_its_handle(fields: dict[str, Any], summoned: str) -> None:
    assert mention(post(**fields)).summoned == summoned


def test_names_that_a_thread_puts_in_front_are_found_as_before() -> None:
    event = mention(post("@acme @acmehelp still", written_from=16))
    assert (event.handle, event.also_named, event.summoned) == ("acme-help", ("acme",), "implied")
    both = mention(post("@acme thanks to @acmecares", written_from=6))
    assert (both.handle, both.also_named, both.summoned) == ("acme-cares", ("acme",), "named")


def test_a_post_that_quotes_a_handle_belongs_to_it() -> None:
    assert mention(post("look at this", quoted="3")).handle == "acme-help"


def test_our_own_post_answers_whom_the_thread_put_in_front() -> None:
    event = own_post(post("@jo done", author=Person("3"), carried=[Person("c2", "jo")], written_from=4))
    assert event.answered_person == "c2"
