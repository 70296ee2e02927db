"""Texts with fields: only those of the list, filled in once, and noticed when nobody changed them."""

import pytest

from services.responder.domain.by_hand import answer_url
from services.responder.domain.templates import (
    Template,
    fields_left,
    render,
    signed,
    unknown_fields,
    warnings_about,
)

LATE = Template(
    "late", 3, "main", "Late", {"fr": "Bonjour {author}, {line} a {delay} de retard.", "en": "Hi {author}, {delay}."}
)


def test_an_unknown_field_is_named_with_the_nearest() -> None:
    assert unknown_fields("{author} {autor} {Line} {0.__class__} {}") == {
        "autor": "author",
        "Line": "line",
        "0.__class__": "",
        "": "",
    }


@pytest.mark.parametrize("text", ["{", "}", "a { b", "{{", "100 %", "{author"])
def test_a_brace_alone_is_a_brace(text: str) -> None:
    assert unknown_fields(text) == {}


@pytest.mark.parametrize(("language", "found"), [("fr", "fr"), ("fr-CA", "fr"), ("de", "en"), ("EN", "en")])
def test_the_language_of_the_mention_is_taken_else_the_nearest(language: str, found: str) -> None:
    assert render(LATE, language, {}).language == found


def test_what_is_not_known_stays_and_is_named() -> None:
    rendered = render(LATE, "fr", {"author": "@jo", "delay": "10 min"})
    assert rendered.text == "Bonjour @jo, {line} a 10 min de retard."
    assert rendered.missing == ("line",)


def test_a_value_is_not_read_again() -> None:
    assert render(LATE, "en", {"author": "{delay}", "delay": "2 h"}).text == "Hi {delay}, 2 h."


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("Bonjour @jo, le 13 a 10 min de retard.", ("unadapted",)),
        ("Bonjour  @jo, le 13 a\n10 min de retard.", ("unadapted",)),
        ("Bonjour @jo, {line} a 10 min de retard.", ("unadapted", "unfilled")),
        ("Désolés @jo : le 13 a 10 min de retard.", ()),
        ("Bonjour @jo, le 13 a 10 min de retard. Bus en place.", ()),
        ("Hi @jo, 2 h.", ("unadapted",)),
        ("Hi {jo}", ()),
    ],
)
def test_a_text_that_is_its_template_is_noticed(text: str, warnings: tuple[str, ...]) -> None:
    assert warnings_about(text, LATE) == warnings


def test_without_a_template_only_a_field_is_noticed() -> None:
    assert warnings_about("Hi {author}", None) == ("unfilled",)
    assert fields_left("{x} {link} {link}") == ("link",)


@pytest.mark.parametrize(
    ("text", "signature", "initials", "result"),
    [
        ("Bonjour", "^{initials}", "AB", "Bonjour ^AB"),
        ("Bonjour ^AB", "^{initials}", "AB", "Bonjour ^AB"),
        ("Bonjour ^AB \n", "^{initials}", "AB", "Bonjour ^AB \n"),
        ("Bonjour", "", "AB", "Bonjour"),
        ("Bonjour", "^{initials}", "", "Bonjour"),
    ],
)
def test_a_signature_stands_there_once(text: str, signature: str, initials: str, result: str) -> None:
    assert signed(text, signature, initials) == result


def test_each_network_has_its_own_page_for_an_answer() -> None:
    def url(network: str, post_id: str, *, private: bool = False) -> str | None:
        return answer_url(network, post_id, "a&b", private=private, author_id="22")

    assert url("x", "17") == "https://x.com/intent/post?in_reply_to=17&text=a%26b"
    assert url("x", "17", private=True) == "https://x.com/messages/compose?recipient_id=22&text=a%26b"
    assert url("bluesky", "at://did:plc:b/app.bsky.feed.post/3k") == "https://bsky.app/profile/did%3Aplc%3Ab/post/3k"
    assert url("mastodon", "https://m.example/@jo/1") == "https://m.example/@jo/1"
    assert url("crm", "17") is None
