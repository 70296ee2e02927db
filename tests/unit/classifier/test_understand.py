"""What the model that ships says of texts, and what the rules make of it."""

from datetime import UTC, datetime, timedelta

import pytest

from libs.common.events import Labels, Reach
from services.classifier.app import understanding
from services.classifier.domain.heads import HEADS, REASONS
from services.classifier.domain.understand import Asked, Understanding
from services.classifier.gateways.model_file import SHIPPED, load

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def understood() -> Understanding:
    return understanding(load(SHIPPED))


def labels(understood: Understanding, text: str, language: str = "", *, private: bool = False) -> Labels:
    [found] = understood.labels([Asked(text, language, private)])
    return found


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("45 min d'attente au téléphone et on me raccroche au nez, toujours pas remboursé @brand", "fr"),
        ("45 min on hold on the phone and then they hang up on me, still not refunded @brand", "en"),
    ],
)
def test_a_wait_on_the_phone_is_told_with_its_reasons(understood: Understanding, text: str, language: str) -> None:
    found = labels(understood, text)
    assert (found.language, found.intent, found.urgency) == (language, "complaint", "high")
    assert found.reasons == ("complaint", "channel_escalation", "wait_loop")
    assert found.stated_wait_minutes == 45
    assert (found.contact_channel, found.blamed_channel, found.channel_sentiment) == ("phone", "phone", "negative")
    assert {"wait_loop", "cancellation_refund"} <= set(found.topics)
    assert "escalated_from_channel" in found.flags


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("@acme two hours late again and nobody answers, unacceptable", "complaint"),
        ("@acme encore deux heures de retard, c'est honteux", "complaint"),
        ("@acme can you please cancel my order 4711? Reference in DM", "assistance_request"),
        ("@acme pouvez-vous annuler ma commande svp ?", "assistance_request"),
        ("@acme what time do you open on Sunday?", "information_request"),
        ("@acme vous êtes ouverts dimanche ? quels sont vos horaires ?", "information_request"),
        ("@acme thank you so much, sorted in five minutes!", "praise_thanks"),
        ("@acme un grand merci à toute l'équipe, vous êtes au top", "praise_thanks"),
        ("Win a free iPhone now!! click here >>> https://t.co/abc follow and RT", "spam_abuse"),
    ],
)
def test_plain_posts_are_what_they_are(understood: Understanding, text: str, intent: str) -> None:
    assert labels(understood, text).intent == intent


@pytest.mark.parametrize("text", ["", "   ", "https://t.co/abc", "😀😀😀", "@acme", "\ud800", "!!!", "1234"])
def test_a_text_without_words_has_no_language(understood: Understanding, text: str) -> None:
    found = labels(understood, text)
    assert found.language == "und"
    assert labels(understood, text, "fr").language == "fr"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Wann kommt mein Paket endlich an? Ich warte seit zwei Wochen", "de"),
        ("¿Cuándo llega mi pedido? Llevo dos semanas esperando", "es"),
        ("Quando arriva il mio pacco? Aspetto da due settimane", "it"),
        ("Onde está a minha encomenda? Estou à espera há duas semanas", "pt"),
        ("Waar blijft mijn pakket? Ik wacht al twee weken", "nl"),
        ("Где моя посылка?", "ru"),
        ("私の荷物はどこですか", "ja"),
        ("أين طلبي؟", "ar"),
    ],
)
def test_another_language_is_named_and_a_person_looks(understood: Understanding, text: str, language: str) -> None:
    found = labels(understood, text)
    assert found.language == language
    assert found.decision == "to_confirm"
    assert found.needs_response


def test_a_private_message_is_never_set_aside(understood: Understanding) -> None:
    text = "lol just listed this on my shop https://t.co/abc"
    assert labels(understood, text).decision == "set_aside"
    assert labels(understood, text, private=True).decision != "set_aside"


def test_what_is_critical_is_never_set_aside_whatever_the_statistics(understood: Understanding) -> None:
    found = labels(understood, "smell of gas in the whole building since this morning https://t.co/abc lol")
    assert (found.urgency, found.decision == "set_aside") == ("critical", False)
    assert "safety" in found.reasons


def test_reach_makes_a_negative_post_critical_and_its_parts_are_kept(understood: Understanding) -> None:
    text = "@acme you lost my bag again, worst airline ever, absolutely disgusting"
    reach = Reach(followers=400_000, reposts=900, quotes=50, likes=4000, verified=True)
    [small, wide] = understood.labels(
        [Asked(text), Asked(text, reach=reach, posted_at=NOON, read_at=NOON + timedelta(minutes=10))]
    )
    assert (small.urgency, small.viral_risk, small.viral_parts) == ("high", 0.0, {})
    assert (wide.urgency, "viral_risk" in wide.reasons) == ("critical", True)
    assert set(wide.viral_parts) == {"followers", "velocity", "negative", "verified"}


def test_the_probabilities_of_a_head_are_one_together(understood: Understanding) -> None:
    [found] = understood.understood([Asked("@acme my train is late, can I get my money back?")])
    for head in (
        "language",
        "intent",
        "sentiment",
        "contact_channel",
        "channel_sentiment",
        "needs_response",
        "urgency",
    ):
        assert sum(found.scores[head].values()) == pytest.approx(1, abs=0.002)
    assert set(found.scores["reasons"]) == set(HEADS["reasons"].labels)
    assert set(found.labels.reasons) <= set(REASONS)


def test_a_batch_says_what_its_texts_say_alone(understood: Understanding) -> None:
    texts = ["@acme merci !", "", "my card was stolen and used, block it now", "où est mon colis ?" * 50]
    together = understood.labels([Asked(text) for text in texts])
    assert together == [labels(understood, text) for text in texts]


def test_the_words_that_weighed_most_come_first(understood: Understanding) -> None:
    assert "unacceptable" in understood.weighed("the 8:15 was on platform four, unacceptable")[:2]
    assert understood.weighed("") == []
