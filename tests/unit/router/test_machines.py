"""What customers say to a survey, and the word that ends such messages."""

import pytest

from services.router.domain.machines import NOTHING, Said, said_to


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("4", Said(4)),
        (" 5 ! ", Said(5)),
        ("5/5", Said(5)),
        ("3 sur 5", Said(3)),
        ("2 out of 5, still no refund", Said(2, "still no refund")),
        ("4 merci beaucoup", Said(4, "merci beaucoup")),
        ("1. Personne ne m'a rappelé", Said(1, "Personne ne m'a rappelé")),
        ("5 👍", Said(5)),
        ("2\ntrop long", Said(2, "trop long")),
        ("4 étoiles", Said(4)),
        ("5/5 rien à redire", Said(5, "rien à redire")),
        ("Stop", Said(stop=True)),
        ("« STOP »", Said(stop=True)),
        ("arrêt.", Said(stop=True)),
    ],
)
def test_what_a_survey_was_answered(text: str, said: Said) -> None:
    assert said_to("survey", text, private=True) == said


@pytest.mark.parametrize(
    "text",
    [
        "3 jours que j'attends",
        "5 minutes to get an answer",
        "5%",
        "4,50 € en trop",
        "2:30 and still waiting",
        "12",
        "6",
        "0",
        "1234567",
        "stop charging me",
        "Toujours rien",
        "",
    ],
)
def test_in_doubt_a_person_reads_it(text: str) -> None:
    assert said_to("survey", text, private=True) == NOTHING


def test_only_what_answers_a_machine_is_read_so() -> None:
    assert said_to("", "4", private=True) == NOTHING
    assert said_to("", "stop", private=True) == NOTHING
    assert said_to("automatic", "4", private=True) == NOTHING
    assert said_to("survey", "4", private=False) == NOTHING
    assert said_to("automatic", "stop", private=False) == Said(stop=True)


def test_a_bare_rating_needs_no_answer_and_a_comment_may() -> None:
    assert said_to("survey", "2", private=True).all
    assert not said_to("survey", "2, still broken", private=True).all
