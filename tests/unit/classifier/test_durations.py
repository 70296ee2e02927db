"""How long people say they have waited, and how long they say is left."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classifier.domain.durations import stated_wait, time_left

FRIDAY = datetime(2025, 6, 6, 12, tzinfo=UTC)
HOUR, DAY, WEEK, MONTH = 60, 1_440, 10_080, 43_200


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("45 min d'attente", 45),
        ("ça fait 2h que j'attends", 2 * HOUR),
        ("ca fait 2 heures que jattends", 2 * HOUR),
        ("depuis 3 semaines", 3 * WEEK),
        ("sans nouvelle depuis 3 jours", 3 * DAY),
        ("1h20 au téléphone", 80),
        ("1h 30 d'attente", 90),
        ("une demi-heure d'attente", 30),
        ("j'attends depuis une demi heure", 30),
        ("trois quarts d'heure d'attente", 45),
        ("un quart d'heure que j'attends", 15),
        ("deux heures d'attente", 2 * HOUR),
        ("une heure et demie d'attente", 90),
        ("deux heures et quart dans la file", 135),
        ("quarante-cinq minutes d'attente", 45),
        ("vingt minutes que j'attends", 20),
        ("retard de 40 min", 40),
        ("25 minutes de retard", 25),
        ("toujours rien après 2 mois", 2 * MONTH),
        ("15 jours sans réponse", 15 * DAY),
        ("en ligne depuis 55mn", 55),
        ("J’attends depuis 25 min.", 25),
        ("depuis 48h sans internet", 48 * HOUR),
        ("depuis 9h et il est 11h10", 130),
        ("j'attends une réponse depuis hier", DAY),
        ("on poireaute depuis 1h30", 90),
        ("attendu ma prescription 2h40", 160),
        ("on hold for 50 minutes", 50),
        ("for 2 weeks, still waiting", 2 * WEEK),
        ("3 days and still nothing", 3 * DAY),
        ("half an hour in the queue", 30),
        ("waiting an hour and a half", 90),
        ("waited an hour and 20 minutes", 80),
        ("1 hour and 20 minutes on hold", 80),
        ("90mins on hold", 90),
        ("1h50 on hold", 110),
        ("2 hrs 10 later, same place in the queue", 130),
        ("been waiting two hours", 2 * HOUR),
        ("waiting for fifty-five minutes", 55),
        ("a couple of hours on hold", 2 * HOUR),
        ("three quarters of an hour waiting", 45),
        ("train delayed by 35 minutes", 35),
        ("bus is 20 minutes late", 20),
        ("no reply for 6 weeks", 6 * WEEK),
        ("waiting 2.5 hours", 150),
        ("you said 20 minutes, it's been 2 hours", 2 * HOUR),
        ("10 min on hold yesterday, 40 min on hold today", 40),
        ("waiting since 9am, it's 11:30 now", 150),
        ("on the phone for an hour now", HOUR),
        ("still no bag after 4 days", 4 * DAY),
    ],
)
def test_a_wait_is_read(text: str, minutes: int) -> None:
    assert stated_wait(text) == minutes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "le forfait à 45 euros par mois",
        "j'ai 45 ans",
        "my son is 3 years old",
        "contrat de 24 mois",
        "engagement 12 mois, toujours aussi cher",
        "24 month contract, still expensive",
        "le film dure 2 heures",
        "a 2 hour film",
        "in 20 min",
        "my train leaves in 20 min",
        "le train part dans 40 min",
        "ouvert 24h/24",
        "open 24h",
        "ouvert 7 jours sur 7",
        "réponse sous 48h",
        "we reply within 2 days",
        "5 000 vues en 3 jours",
        "14h30 à la gare",
        "rdv à 9h",
        "waiting since 9am",
        "j'attends depuis 9h",
        "depuis 14h30",
        "garantie 2 ans",
        "30 day free trial",
        "cliente depuis 10 ans",
        "customer for 6 years",
        "il est 16h40",
        "toutes les 10 minutes",
        "every 10 minutes",
        "20 minutes walk from the station",
        "iPhone 15 reçu, merci",
        "since Monday",
        "vidéo vue 3000 fois depuis hier",
        "attestation de retard pour le 7 h 41",
        "ma fille de 2 ans attend",
        "un jour de retard",
        "3 people waiting",
        "50 € de retard",
    ],
)
def test_another_length_of_time_is_no_wait(text: str) -> None:
    assert stated_wait(text) is None


def test_a_day_of_the_week_counts_back_from_the_post() -> None:
    assert stated_wait("pas de réponse depuis mardi", FRIDAY) == 3 * DAY
    assert stated_wait("no answer since Friday", FRIDAY) == 7 * DAY
    assert stated_wait("no answer since Friday") is None


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("train part dans 40 min", 40),
        ("mon train part dans vingt minutes", 20),
        ("mon rdv est dans une heure", HOUR),
        ("Dans 40 min j'ai mon partiel en ligne", 40),
        ("départ dans 10 minutes", 10),
        ("l'embarquement ferme dans 1h30", 90),
        ("plus que 15 min avant le départ", 15),
        ("entretien dans 1h, train bloqué", HOUR),
        ("mon cours commence dans une demi-heure", 30),
        ("boarding in 20", 20),
        ("flight leaves in 2 hours", 2 * HOUR),
        ("you close in 10 min", 10),
        ("exam in half an hour", 30),
        ("20 mins left before kick off", 20),
        ("checkin closes in 25 min", 25),
        ("meeting in 2 hours, train in 30 min", 30),
    ],
)
def test_the_time_left_is_read(text: str, minutes: int) -> None:
    assert time_left(text) == minutes


@pytest.mark.parametrize(
    "text",
    ["", "on hold for 50 minutes", "delivered in 20 min, thanks", "45 min d'attente", "train de 9h10",
     "boarding in 2026",
     "the train took 2 hours", "livré en 3 jours", "flight in 3 weeks"],
)  # fmt: skip
def test_no_time_is_left_where_none_is_stated(text: str) -> None:
    assert time_left(text) is None


@given(st.text(st.characters(exclude_categories=()), max_size=400))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert (stated_wait(text, FRIDAY) or 1) > 0
    assert (time_left(text) or 0) >= 0


@given(
    st.lists(
        st.sampled_from(
            [
                "2",
                "45",
                "1h20",
                "h",
                "min",
                "et",
                "and",
                "half an",
                "une demi",
                "heure",
                "depuis",
                "since",
                "9",
                "il est",
                "11h",
            ]
        )
    )
)
def test_any_row_of_words_of_time_is_read_without_an_error(words: list[str]) -> None:
    stated_wait(" ".join(words), FRIDAY)
    time_left(" ".join(words))


@pytest.mark.parametrize("piece", ["1 ", "an hour and ", "depuis 9h ", "1h2", "deux-", "waiting 5 min ", " ", "9"])
def test_a_hundred_thousand_characters_take_less_than_50_ms(piece: str) -> None:
    text = (piece * 100_000)[:100_000]
    stated_wait(text, FRIDAY)

    begun = time.perf_counter()
    stated_wait(text, FRIDAY)
    time_left(text)

    assert time.perf_counter() - begun < 0.05
