"""What simulated agents say."""

from cli.demo.cast import LONGEST, Answer, Cast, Player, answer, thinking_seconds

ANA = Player("ana", "Ana Ferrol", "^Ana", ("lang:fr", "vip"), 5, 6.0)
CAST = Cast(
    [ANA],
    [
        Answer("complaint", "fr", "Pardon {name}."),
        Answer("complaint", "fr", "Désolée {name}."),
        Answer("feedback", "fr", "Merci {name}."),
        Answer("complaint", "en", "Sorry {name}."),
    ],
)


def say(language: str = "fr", intent: str = "complaint", seed: str = "i", written: frozenset[str] = frozenset()) -> str:
    return answer(CAST, ANA, {"language": language, "intent": intent}, "Zoé", "zoe", seed, written)


def test_an_answer_fits_intent_and_language_and_is_signed() -> None:
    assert say(intent="feedback") == "@zoe Merci Zoé. ^Ana"
    assert say(language="en-GB") == "@zoe Sorry Zoé. ^Ana"


def test_where_nothing_fits_the_nearest_is_taken() -> None:
    assert say(language="pt") == "@zoe Sorry Zoé. ^Ana"
    assert say(intent="chatter").endswith("^Ana")


def test_the_same_item_gets_the_same_answer() -> None:
    assert {say(seed="itm_1") for _ in range(5)} == {say(seed="itm_1")}


def test_no_text_is_written_twice() -> None:
    written: set[str] = set()
    for _ in range(6):
        text = say(written=frozenset(written))
        assert text not in written
        assert len(text) <= LONGEST
        written.add(text)
        if len(written) == 2:
            break
    assert say(written=frozenset(written)) not in written


def test_a_player_speaks_the_languages_among_its_skills() -> None:
    assert ANA.languages == {"fr"}


def test_thinking_takes_the_players_pace_give_or_take() -> None:
    assert all(4.2 <= thinking_seconds(ANA, str(n)) <= 7.8 for n in range(50))
    assert thinking_seconds(ANA, "x", haste=2) == thinking_seconds(ANA, "x") / 2
