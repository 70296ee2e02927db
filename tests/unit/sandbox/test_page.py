"""The sandbox's page shows strangers' texts as text only, in the reader's language."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sandbox.page import language_of, render
from sandbox.posts import Post

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def post(id_: str = "1001", text: str = "Bonjour", *, received: bool = False, username: str = "jo") -> Post:
    return Post(id_, text, "1", username, NOON, "1001", "" if id_ == "1001" else "1001", received)


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "en"), ("fr-CA,fr;q=0.9,en;q=0.8", "fr"), ("de, en-GB;q=0.7", "en"), ("de", "en"), ("EN, fr", "en")],
)
def test_the_first_language_of_the_reader_that_we_have(header: str, language: str) -> None:
    assert language_of(header) == language


def test_our_answer_stands_under_the_post() -> None:
    page = render([("1001", [post(), post("2001", "On regarde ^Ana", received=True)])], 1, "fr")
    assert page.index("Bonjour") < page.index('class="ours"') < page.index("On regarde ^Ana")
    assert '<html lang="fr">' in page


@pytest.mark.parametrize(
    ("count", "language", "words"),
    [
        (0, "fr", "0 réponse reçue"),
        (1, "fr", "1 réponse reçue"),
        (2, "fr", "2 réponses reçues"),
        (0, "en", "0 replies received"),
        (1, "en", "1 reply received"),
    ],
)
def test_replies_are_counted_in_good_grammar(count: int, language: str, words: str) -> None:
    assert words in render([], count, language)


def test_a_strangers_text_is_text_only() -> None:
    page = render([("1001", [post(text="<script>alert(1)</script>\u202eevil\u200b", username="<b>")])], 0, "en")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "[U+202E]evil[U+200B]" in page
    assert "<b>@" not in page.replace("<b><bdi>", "")


def test_families_stay_together() -> None:
    assert "👨‍👩‍👧" in render([("1001", [post(text="👨‍👩‍👧")])], 0, "en")


def test_what_was_written_elsewhere_is_said_to_be() -> None:
    assert "Post 1001 is not here: written elsewhere, or deleted." in render(
        [("1001", [post("2001", received=True)])], 1, "en"
    )


def test_a_reply_is_called_one_and_not_by_its_colour_alone() -> None:
    page = render([("1001", [post(), post("2001", "On regarde", received=True)])], 1, "fr")
    assert page.count("<small>réponse · <time") == 1
    assert '<section aria-label="Fil de @jo">' in page


def test_an_edited_post_stands_for_its_first_version() -> None:
    edited = replace(post("2001", "Bonsoir"), edit_of="1001")
    page = render([("1001", [edited])], 0, "en")
    assert "<small>edited · <time" in page
    assert "is not here" not in page


def test_nothing_comes_from_elsewhere() -> None:
    page = render([("1001", [post()])], 0, "en")
    assert "http" not in page
    assert "src=" not in page


def test_without_posts_it_says_so() -> None:
    assert "No posts yet." in render([], 0, "en")
