"""The coach sees what a careful colleague would see, in the draft's language."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.responder.domain.coach import TRAITS, Advice, Draft, advise, traits
from services.responder.domain.length import Limits
from services.responder.domain.personal import personal_data
from services.responder.domain.wording import flat, language_of
from services.responder.handlers.coach import shipped_wordings

WORDS = shipped_wordings()
GOOD = {
    "fr": "Bonjour Jo, nous sommes désolés du retard : votre colis arrive demain. Bonne journée ^AB",
    "en": "Hello Jo, we are sorry for the delay: your parcel arrives tomorrow. Have a nice day ^AB",
}


def told(text: str, network: str = "x", **more: Any) -> dict[str, Advice]:
    _, advice = advise(Draft(text, network, **more), WORDS, Limits())
    return {each.code: each for each in advice}


def marked(text: str, code: str, **more: Any) -> str:
    span = told(text, **more)[code].span
    assert span is not None
    return text[slice(*span)]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_good_reply_gets_no_advice(language: str) -> None:
    asked = {"fr": "Où est mon colis ?", "en": "Where is my parcel?"}[language]
    more: dict[str, Any] = {
        "intent": "complaint",
        "name": "Jo Martin",
        "asked": asked,
        "signature": "^{initials}",
        "initials": "AB",
    }
    assert advise(Draft(GOOD[language], "x", **more), WORDS, Limits()) == (language, [])


def test_both_languages_look_for_and_say_the_same() -> None:
    assert set(WORDS["fr"].advice) == set(WORDS["en"].advice)
    assert set(WORDS["fr"].patterns) == set(WORDS["en"].patterns)
    assert set(WORDS["fr"].kinds) == set(WORDS["en"].kinds)


@pytest.mark.parametrize(
    ("text", "fallback", "language"),
    [
        ("Votre colis est en route", "en", "fr"),
        ("Your parcel is on its way", "fr", "en"),
        ("OK", "fr-CA", "fr"),
        ("OK", "", "en"),
    ],
)
def test_the_draft_says_in_which_language_it_is(text: str, fallback: str, language: str) -> None:
    assert language_of(flat(text), fallback, WORDS) == language


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("Bonjour, voyez https://acme.fr/aide merci", "link", "https://acme.fr/aide"),
        ("Merci de voir https://acme.fr/aide ^AB", "link_place", "https://acme.fr/aide"),
        ("Merci, suivez #RetardSNCF", "hashtag", "#RetardSNCF"),
        ("Merci !!!", "exclamations", "!!!"),
        ("Thanks, PLEASE CALL US now", "capitals", "PLEASE CALL US"),
        ("Thanks :-)", "smiley", ":-)"),
        ("Merci 😀", "smiley", "😀"),
        ("Bonjour, franchement nous n'y pouvons rien", "opinion", "franchement"),
        ("Hello {author}, thanks", "field_left", "{author}"),
    ],
)
def test_it_shows_the_place(text: str, code: str, place: str) -> None:
    assert marked(text, code) == place


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Merci, voyez https://acme.fr/aide pour le formulaire", "link_place"),
        ("Merci, le train n° #12 part", "hashtag"),
        ("La SNCF et la RATP, merci", "capitals"),
        ("Voir http://a.fr/x :/ non", "exclamations"),
        ("Merci, à 10:00 (demain)", "smiley"),
        ("Bonjour l'été, merci", "capitals"),
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str, code: str) -> None:
    assert code not in told(text)


def test_too_long_says_by_how_much_and_counts_the_signature() -> None:
    advice = told("a" * 278, signature="^{initials}", initials="AB")["too_long"]
    assert (advice.level, advice.span) == ("stop", (278, 278))
    assert "282 of 280" in advice.what
    assert marked("a" * 290, "too_long") == "a" * 10
    assert "too_long" not in told("a" * 290, network="mastodon")
    assert "too_long" in told("é" * 301, network="bluesky")
    assert "too_long" not in told("a" * 290, network="crm")  # nobody knows that network's rule


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Hello, we are looking into it, thanks.", True),
        ("@jo42 Hello, we are looking into it, thanks. https://a.com/12", True),
        ("Hello, your parcel was sent, thanks.", False),  # a word of the question
        ("Hello, it will arrive soon, thanks.", False),
        ("Hello, please write us a DM", False),
        ("Hello, it leaves at 10:42, thanks", False),
    ],
)
def test_a_question_that_nothing_takes_up_is_quoted(text: str, seen: bool) -> None:
    advice = told(text, asked="I ordered last week. Where is my parcel? Angry.")
    assert ("question_unanswered" in advice) is seen
    if seen:
        assert "“Where is my parcel?”" in advice["question_unanswered"].what


def test_who_asked_nothing_needs_no_answer() -> None:
    assert "question_unanswered" not in told("Hello, thanks for that.", asked="Lovely crew today, when we flew home.")


@pytest.mark.parametrize(
    ("text", "more", "code"),
    [
        ("We are on it, thanks", {}, "salutation_missing"),
        ("Hello, we are on it, thanks", {"name": "Jo Martin"}, "salutation_impersonal"),
        ("@jo Hello, we are on it", {"name": "Jo", "username": "jo"}, "salutation_impersonal"),
        ("Bonjour Jo, on regarde, merci", {"name": "jo martin"}, None),
        ("Bonjour, on regarde, merci", {"name": "🎸✨"}, None),
        ("On regarde, merci", {"last": "Bonjour"}, None),
    ],
)
def test_people_are_greeted_by_their_name_once(text: str, more: dict[str, str], code: str | None) -> None:
    assert {each for each in told(text, **more) if each.startswith("salutation")} == ({code} if code else set())


def test_an_apology_is_due_to_who_complains_and_to_nobody_else() -> None:
    assert "apology_missing" in told("Hello, we are on it, thanks", intent="complaint")
    assert "apology_missing" not in told("Hello, we are on it, thanks", intent="information_request")
    assert "apology_missing" not in told("Hello, it is fixed, thanks", intent="complaint", last="We're so sorry!")
    assert "smiley_at_a_complaint" in told("Sorry 😀", intent="complaint")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("your booking reference AB12CD is", "booking_code"),
        ("IBAN FR76 3000 6000 0112 3456 7890 189 chez nous", "iban"),
        ("card 4111 1111 1111 1111 was charged", "card"),
        ("au 06 12 34 56 78", "phone"),
        ("call +44 20 7946 0958", "phone"),
        ("call (212) 555-0142", "phone"),
        ("à jo.martin@example.com", "email"),
    ],
)
def test_personal_data_is_seen_in_public_and_left_in_private(text: str, kind: str) -> None:
    [found] = personal_data(text)
    assert found.kind == kind
    code = "contact_in_public" if kind in ("phone", "email") else "personal_data"
    assert told(text)[code].level == ("stop" if code == "personal_data" else "warn")
    assert code not in told(text, public=False)


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "FR76 3000 6000 0112 3456 7890 188",
        "train 8412 à 10h42",
        "le 12/03/2026",
        "A320",
        "@jo@a.social",
    ],
)
def test_other_numbers_are_no_personal_data(text: str) -> None:
    assert personal_data(text) == []


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Pouvez-vous nous donner votre numéro de dossier ?", True),
        ("Pouvez-vous nous donner votre numéro de dossier en MP ?", False),
        ("Please send us your booking reference.", True),
        ("Please DM us your booking reference.", False),
        ("We found your booking reference, thanks.", False),
    ],
)
def test_personal_data_is_not_asked_for_in_public(text: str, seen: bool) -> None:
    assert ("asks_in_public" in told(text)) is seen
    assert "asks_in_public" not in told(text, public=False)


def test_who_signs_needs_initials() -> None:
    assert "signature_missing" in told("Merci", signature="^{initials}", agent="ana")
    assert "signature_missing" not in told("Merci ^AB", signature="^{initials}")
    assert "signature_missing" not in told("Merci", signature="^{initials}", initials="AB")


def test_the_same_words_again_are_noticed() -> None:
    assert "same_as_last" in told("On regarde,  merci", last="on regarde, MERCI")
    assert "same_as_last" not in told("On a regardé, merci", last="on regarde, merci")


def test_the_gravest_comes_first() -> None:
    _, advice = advise(Draft("HELLO THERE!!! card 4111 1111 1111 1111", "x", intent="complaint"), WORDS, Limits())
    levels = [each.level for each in advice]
    assert levels == sorted(levels, key=["stop", "warn", "hint"].index)


def test_traits_of_what_was_sent() -> None:
    assert traits(GOOD["fr"], "fr", "jo", WORDS) == {"salutation", "name", "courtesy", "apology"}
    assert traits("WE ARE SHOUTING!! :) #ad see acme.com", "en", "", WORDS) == {
        "capitals", "exclamations", "smiley", "hashtag", "link", "link_at_an_end",
    }  # fmt: skip


@given(st.text(max_size=300), st.text(max_size=80), st.sampled_from(["x", "mastodon", "bluesky", "crm"]))
def test_whatever_is_written_every_place_is_one(text: str, asked: str, network: str) -> None:
    _, advice = advise(Draft(text, network, asked=asked, intent="complaint", name=asked), WORDS, Limits())
    assert all(0 <= start <= end <= len(text) for start, end in (each.span for each in advice if each.span))
    assert {each.trait for each in advice if each.trait} <= set(TRAITS)
    assert len(flat(text)) == len(text)
