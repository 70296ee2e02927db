"""The baseline on texts written for it, in both languages."""

import time
import tomllib

import pytest

from libs.common.events import Labels
from services.classifier.app import TABLE
from services.classifier.domain import INTENTS, Baseline, rules

TOML = tomllib.loads(TABLE.read_text("utf-8"))
BASELINE = Baseline(rules(TOML))


def labels(text: str, hint: str = "", *, private: bool = False) -> Labels:
    return BASELINE.classify(text, hint, private=private)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("@acme two hours late again and nobody answers, unacceptable", "complaint"),
        ("@acme encore deux heures de retard, c'est honteux", "complaint"),
        ("Merci Acme, encore 2 h de retard", "complaint"),
        ("@acme the app crashes since the update", "complaint"),
        ("@acme l'appli ne marche plus depuis ce matin", "complaint"),
        ("@acme toujours rien reçu, trois semaines !", "complaint"),
        ("@acme not happy with how I was treated", "complaint"),
        ("@acme je ne suis pas contente du tout", "complaint"),
        ("@acme can you please cancel my order 4711?", "assistance_request"),
        ("@acme pouvez-vous annuler ma commande svp ?", "assistance_request"),
        ("@acme I need a copy of my invoice please", "assistance_request"),
        ("@acme j'ai besoin d'un duplicata de mon billet", "assistance_request"),
        ("@acme what time do you open on Sunday?", "information_request"),
        ("@acme vous êtes ouverts dimanche ? quels sont vos horaires ?", "information_request"),
        ("@acme do you ship to Iceland?", "information_request"),
        ("@acme est-ce que vous livrez en Corse ?", "information_request"),
        ("@acme you should add a dark mode to the app", "feedback"),
        ("@acme ce serait bien d'avoir un mode sombre, une idée en passant", "feedback"),
        ("@acme thank you so much, sorted in five minutes!", "praise_thanks"),
        ("@acme un grand merci à l'équipe, vous êtes au top", "praise_thanks"),
        ("@acme merci beaucoup 😊", "praise_thanks"),
        ("Acme announces quarterly results https://news.example/acme", "chatter"),
        ("RT @acme our new store in Lyon", "chatter"),
        ("@acme on the platform", "chatter"),
        ("", "chatter"),
        ("Follow me and click here for a promo code, make money from home", "spam_abuse"),
        ("Cliquez ici, code promo, argent facile", "spam_abuse"),
    ],
)
def test_an_intent_is_read_from_plain_words(text: str, intent: str) -> None:
    assert labels(text).intent == intent


@pytest.mark.parametrize(
    ("text", "urgency", "reasons"),
    [
        ("@acme my train is late again", "high", ("complaint",)),
        ("@acme can you help me change my booking", "normal", ()),
        ("@acme what time do you open?", "low", ()),
        ("@acme you should add a dark mode", "low", ()),
        ("@acme thanks!", "none", ()),
        ("@acme your heater caught fire in our kitchen", "critical", ("safety",)),
        ("@acme il y a une odeur de gaz dans le magasin", "critical", ("safety",)),
        ("@acme my account has been hacked, help", "critical", ("fraud",)),
        ("@acme je me suis fait pirater mon compte", "critical", ("fraud",)),
        ("@acme you will hear from my lawyer", "critical", ("legal",)),
        ("@acme mise en demeure envoyée ce jour", "critical", ("legal",)),
        ("@acme hacked AND you ignore me, my lawyer will call", "critical", ("fraud", "legal")),
        ("Thanks for nothing @acme, a passenger was injured", "critical", ("safety",)),
        ("@acme nobody, not a person, no one injured luckily", "none", ()),
    ],
)
def test_urgency_is_the_intent_s_unless_clear_words_make_it_critical(
    text: str, urgency: str, reasons: tuple[str, ...]
) -> None:
    found = labels(text)
    assert (found.urgency, found.reasons) == (urgency, reasons)


def test_what_is_critical_needs_a_response_whatever_else_it_says() -> None:
    found = labels("Click here, follow me! @acme my account was stolen, been hacked, thanks")
    assert found.urgency == "critical"
    assert found.needs_response
    assert found.decision != "set_aside"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("When is the next train to Lyon and how much is it?", "en"),
        ("À quelle heure part le prochain train pour Lyon ?", "fr"),
        ("bonjour je narrive pas a me connecter a mon compte", "fr"),
        ("¿Cuándo sale el próximo tren y cuánto cuesta?", "es"),
        ("Wann fährt der nächste Zug und was kostet das?", "de"),
        ("Quando parte il prossimo treno e quanto costa?", "it"),
        ("Quando é que sai o próximo comboio e quanto custa?", "pt"),
        ("Hoe laat vertrekt de volgende trein en wat kost het?", "nl"),
        ("注文はいつ届きますか", "und"),
        ("ok", "und"),
        ("", "und"),
        ("@acme https://t.example/x", "und"),
        ("Pizza Margherita", "und"),
    ],
)
def test_a_language_is_told_from_small_words_or_not_at_all(text: str, language: str) -> None:
    assert labels(text).language == language


@pytest.mark.parametrize(
    ("hint", "language"),
    [("fr", "fr"), ("pt-BR", "pt"), ("ja", "ja"), ("in", "id"), ("und", "und"), ("zxx", "und"), ("qme", "und"),
     ("", "und"), ("!", "und"), ("french", "und")],
)  # fmt: skip
def test_the_network_s_word_counts_where_the_text_is_too_short(hint: str, language: str) -> None:
    assert labels("ok super", hint).language == language


def test_the_text_counts_more_than_the_network_s_word() -> None:
    assert labels("When is the next train to Lyon?", "fr").language == "en"


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("what an awful day @acme", "negative"),
        ("quelle honte @acme", "negative"),
        ("love it @acme, great job", "positive"),
        ("bravo @acme, rapide et efficace", "positive"),
        ("@acme on the platform", "neutral"),
        ("@acme 😡", "negative"),
        ("@acme ❤️", "positive"),
        ("@acme not good", "negative"),
        ("@acme pas de problème", "neutral"),
    ],
)
def test_sentiment_weighs_the_words_and_minds_a_no_before_them(text: str, sentiment: str) -> None:
    assert labels(text).sentiment == sentiment


@pytest.mark.parametrize(
    "text",
    [
        "@acme on the platform",
        "@acme https://t.example/screenshot",
        "@acme see what I got this morning when the van came by https://t.example/screenshot",
        "@acme thanks a lot",
        "no words we know",
        "@acme lol",
    ],
)
def test_what_is_not_clear_is_never_set_aside(text: str) -> None:
    assert labels(text).decision != "set_aside"


def test_news_and_promotion_are_set_aside_but_no_private_message_is() -> None:
    news = "Acme announces quarterly results, shares of the group rise https://news.example/acme"
    assert labels(news).decision == "set_aside"
    assert labels("Follow me, promo code, click here").decision == "set_aside"
    assert labels(news, private=True).decision != "set_aside"
    assert labels(news, private=True).needs_response


def test_a_weak_guess_asks_to_be_confirmed() -> None:
    assert labels("@acme on the platform").decision == "to_confirm"
    assert labels("@acme unacceptable, the worst, late again").decision == "automatic"


def test_two_strong_intents_are_both_told() -> None:
    found = labels("@acme your app is broken, can you please refund me?")
    assert {found.intent, found.secondary_intent} == {"complaint", "assistance_request"}


def test_confidences_are_modest_probabilities_and_the_model_signs() -> None:
    for text in ("", "thanks", "unacceptable unacceptable unacceptable worst awful", "Where is my bag?"):
        found = labels(text)
        assert found.model == "baseline-1"
        assert set(found.confidence) == {"language", "intent", "needs_response", "sentiment"}
        assert all(0.0 <= each <= 0.97 for each in found.confidence.values())


def test_flags_say_what_is_seen() -> None:
    assert labels("where is it?").flags == ("is_question", "no_at_mention")
    assert labels("@acme it is here").flags == ()
    assert labels("it is here", private=True).flags == ()


def test_accents_and_case_make_no_difference() -> None:
    assert labels("C'EST INADMISSIBLE").intent == labels("c'est inadmissible").intent == "complaint"
    assert labels("j'ai ete DÉÇU").intent == labels("j’ai été déçu").intent == "complaint"


def test_every_intent_has_an_urgency_and_a_probability() -> None:
    assert set(INTENTS) == set(TOML["urgency"])
    assert set(INTENTS) < set(TOML["needs_response"])


def test_a_table_that_lacks_an_intent_is_refused() -> None:
    with pytest.raises(ValueError, match="chatter"):
        rules({**TOML, "urgency": {k: v for k, v in TOML["urgency"].items() if k != "chatter"}})


def test_a_hostile_text_takes_no_longer_than_its_length() -> None:
    begun = time.perf_counter()
    for text in ("@" * 25_000, "a" * 25_000, "http://" * 3_500, "'t" * 12_500, "not " * 6_000, "😡" * 25_000):
        labels(text)
    assert time.perf_counter() - begun < 2.0
