"""Posts as X writes them, in its old words and its new ones."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from libs.common.events import Reach
from services.ingest.domain import Person, Post
from services.ingest.gateways import x

SNOWFLAKE = "1900000000000000001"
ITS_TIME = datetime(2025, 3, 13, 1, 44, 34, 949000, tzinfo=UTC)  # (id >> 22) + 1288834974657 ms


def read(fields: dict[str, Any]) -> Post:
    return x.read(msgspec.Raw(msgspec.json.encode(fields)))


def bare(**fields: Any) -> dict[str, Any]:
    return {"id": "19", "text": "hi", "author_id": "222", **fields}


def test_a_bare_post_needs_only_id_text_and_author() -> None:
    post = read(bare())
    assert (post.network, post.id, post.version, post.text, post.author) == ("x", "19", 1, "hi", Person("222"))
    assert (post.in_reply_to, post.thread_id, post.answered, list(post.named)) == ("", "", "", [])


def test_every_field_we_use_is_read() -> None:
    post = read(
        bare(
            lang="fr",
            conversation_id="10",
            in_reply_to_user_id="111",
            referenced_tweets=[{"type": "quoted", "id": "8"}, {"type": "replied_to", "id": "18"}],
            entities={"mentions": [{"start": 0, "end": 5, "username": "acme", "id": "111"}, {"username": "jo"}]},
            public_metrics={"retweet_count": 1, "quote_count": 2, "like_count": 3, "reply_count": 4},
        )
    )
    assert (post.language, post.thread_id, post.answered, post.in_reply_to) == ("fr", "10", "111", "18")
    assert list(post.named) == [Person("111", "acme"), Person("", "jo")]
    assert post.reach == Reach(None, None, 1, 2, 3, 4)


@pytest.mark.parametrize("word", ["tweet", "post"])
def test_old_and_new_words_say_the_same(word: str) -> None:
    post = read(
        bare(
            id="21",
            **{
                f"referenced_{word}s": [{"type": "replied_to", "id": "18"}],
                f"edit_history_{word}_ids": ["19", "20", "21"],
                f"note_{word}": {"text": "the whole long text", "entities": {"mentions": [{"username": "acme"}]}},
            },
        )
    )
    assert (post.id, post.version, post.in_reply_to) == ("19", 3, "18")
    assert post.text == "the whole long text"
    assert list(post.named) == [Person("", "acme")]


def test_an_edit_history_that_does_not_name_the_post_gives_its_last_version() -> None:
    post = read(bare(id="30", edit_history_tweet_ids=["19", "20"]))
    assert (post.id, post.version) == ("19", 2)


def test_a_delivery_brings_what_is_known_of_its_author() -> None:
    users = [
        {"id": "111", "username": "acme"},
        {"id": "222", "username": "jo", "verified": True, "public_metrics": {"followers_count": 12}},
    ]
    post = read({"data": bare(), "includes": {"users": users}, "matching_rules": [{"id": "1"}]})
    assert post.author == Person("222", "jo")
    assert (post.reach.followers, post.reach.verified) == (12, True)


def test_a_delivery_may_include_nothing() -> None:
    assert read({"data": bare()}).author == Person("222")


def test_a_bare_post_that_speaks_of_data_is_still_bare() -> None:
    assert read(bare(text='{"data": 1}', kind="data")).id == "19"


def test_nulls_and_what_we_do_not_know_are_passed_over() -> None:
    names = ("lang", "entities", "public_metrics", "referenced_tweets", "edit_history_tweet_ids", "created_at")
    assert read(bare(_meta={"inbound": True}, geo={"place": []}, **dict.fromkeys(names))).text == "hi"


@pytest.mark.parametrize(
    ("written", "typed"),
    [("a &amp; b", "a & b"), ("&lt;3", "<3"), ("&amp;lt;", "&lt;"), ("&eacute; & co", "&eacute; & co"), ("&", "&")],
)
def test_the_text_is_as_it_was_typed(written: str, typed: str) -> None:
    assert read(bare(text=written)).text == typed


def test_the_id_gives_the_milliseconds_where_it_agrees_with_the_time() -> None:
    assert x.posted_at(SNOWFLAKE, None) == ITS_TIME
    assert x.posted_at(SNOWFLAKE, ITS_TIME.replace(microsecond=0)) == ITS_TIME


@pytest.mark.parametrize("id_", ["19", SNOWFLAKE, "A-17", "٣" * 19])
def test_where_the_id_does_not_agree_the_time_told_stands(id_: str) -> None:
    told = datetime(2024, 1, 1, tzinfo=UTC)
    assert x.posted_at(id_, told) == told


def test_an_id_that_is_no_snowflake_gives_no_time() -> None:
    assert x.posted_at("19", None) is None


@pytest.mark.parametrize("fields", [{"id": "1", "text": "a"}, {"text": "a", "author_id": "2"}, {"data": {"id": "1"}}])
def test_a_post_without_id_or_author_is_not_one(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(fields)


NAMES = [{"start": 0, "end": 5, "username": "acme", "id": "111"}, {"start": 10, "end": 13, "username": "jo"}]


def test_the_names_that_a_reply_only_carries_stand_apart() -> None:
    post = read(bare(text="@acme and @jo", display_text_range=[6, 13], entities={"mentions": NAMES}))
    assert (list(post.carried), list(post.named)) == ([Person("111", "acme")], [Person("", "jo")])
    assert post.text[post.written_from :] == "and @jo"


@pytest.mark.parametrize("shown", [None, [], [0, 13], [-5, 13]])
def test_without_a_word_on_what_is_shown_all_names_are_the_author_s(shown: list[int] | None) -> None:
    post = read(bare(display_text_range=shown, entities={"mentions": NAMES}))
    assert (list(post.carried), len(post.named), post.written_from) == ([], 2, 0)


@pytest.mark.parametrize(
    ("word", "author", "quoted"), [("tweet", "111", "111"), ("post", "111", "111"), ("post", None, "")]
)
def test_who_is_quoted_is_known_where_the_post_is_included(word: str, author: str | None, quoted: str) -> None:
    references = {f"referenced_{word}s": [{"type": "replied_to", "id": "8"}, {"type": "quoted", "id": "18"}]}
    beside = [{"id": "8", "author_id": "333", "text": "other"}, {"id": "18", "author_id": author}]
    assert read({"data": bare(**references), "includes": {f"{word}s": beside}}).quoted == quoted
    assert read({"data": bare(**references), "includes": {"users": []}}).quoted == ""
    assert read(bare(**references)).quoted == ""
