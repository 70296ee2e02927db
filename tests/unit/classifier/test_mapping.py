"""A mapping says what the columns of somebody's CSV mean in our words."""

from pathlib import Path

import pytest

from services.classifier.training.mapping import LabelMapping, read_mapping

SENTIMENT = """
text = "tweet"
filter = { lang = "fr", stars = [1, 2] }
[[judge]]
head = "sentiment"
column = "mood"
labels = { neg = "negative", pos = "positive", odd = "" }
"""
COMPLAINT = """
[[judge]]
head = "intent"
label = "complaint"
column = "what"
split = "|"
yes = ["complaint", "bug"]
no = [0]
"""
TOPICS = """
[[judge]]
name = "matter"
head = "topics"
column = "tags"
split = "|"
labels = { Late = "delivery_delay", Money = "billing", Song = "none" }
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "mapping.toml"


def read(file: Path, toml: str) -> LabelMapping:
    file.write_text(toml, "utf-8")
    return read_mapping(file)


def test_a_value_is_one_of_our_labels(written: Path) -> None:
    mapping = read(written, SENTIMENT)
    [judge] = mapping.judges

    assert (mapping.text, judge.name, judge.known) == ("tweet", "sentiment", ("negative", "positive"))
    assert judge.right({"mood": " neg "}) == "negative"
    assert [judge.right({"mood": value}) for value in ("odd", "strange", "", None)] == [None] * 4


def test_a_filter_takes_the_rows_with_its_values(written: Path) -> None:
    mapping = read(written, SENTIMENT)

    assert mapping.takes({"lang": "fr", "stars": "2"})
    assert not mapping.takes({"lang": "fr", "stars": "3"})
    assert not mapping.takes({"lang": "en", "stars": "1"})
    assert not mapping.takes({"lang": None, "stars": "1"})


def test_a_label_holds_or_not(written: Path) -> None:
    [judge] = read(written, COMPLAINT).judges

    assert judge.name == "intent complaint"
    assert judge.right({"what": "comment|bug"}) is True
    assert judge.right({"what": "0"}) is False
    assert judge.right({"what": "comment"}) is None


def test_needs_response_needs_no_label(written: Path) -> None:
    [judge] = read(written, '[[judge]]\nhead = "needs_response"\ncolumn = "a"\nyes = ["1"]\nno = ["0"]').judges

    assert (judge.name, judge.label) == ("needs_response", "yes")


def test_several_labels_hold_at_once(written: Path) -> None:
    [judge] = read(written, TOPICS).judges

    assert judge.right({"tags": "Late|Money"}) == frozenset({"delivery_delay", "billing"})
    assert judge.right({"tags": "Late|Phone"}) == frozenset({"delivery_delay"})
    assert judge.right({"tags": "Song"}) == frozenset()
    assert judge.right({"tags": "Phone"}) is None
    assert judge.known == ("delivery_delay", "billing")


def test_a_column_the_csv_lacks_is_told_with_those_it_has(written: Path) -> None:
    mapping = read(written, SENTIMENT)

    mapping.check(["tweet", "lang", "stars", "mood"], "a.csv")
    with pytest.raises(ValueError, match=r"a\.csv has no column 'mood'.*it has tweet, lang, stars"):
        mapping.check(["tweet", "lang", "stars"], "a.csv")


JUDGE = '[[judge]]\nhead = "sentiment"\ncolumn = "a"\n'


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("= 1", "is not TOML"),
        ('txt = "a"', "txt is not a key; possible are text, filter, judge"),
        ("text = 3", "text is the name of a column"),
        ("filter = 3", r"\[filter\] holds columns"),
        ("[filter]\na = { b = 1 }\n" + JUDGE + 'labels = { a = "neutral" }', "filter.a holds values"),
        ('text = "a"', "nothing to judge"),
        ('[[judge]]\ncolumn = "a"', "judge 1: head is missing; possible are language, intent, sentiment"),
        ('[[judge]]\nhead = "mood"\ncolumn = "a"', "judge 1: head = 'mood'; possible are language"),
        ('[[judge]]\nhead = "intent"', "judge 1: column is missing"),
        (JUDGE, "judge 1: write either labels .* or yes"),
        (
            JUDGE + 'labels = { a = "bad" }',
            r"labels\.a = 'bad' is no label of sentiment; possible are negative, neutral",
        ),
        (JUDGE + 'labels = { a = "" }', "labels leaves out every value"),
        (JUDGE + 'labels = "a"', "labels says what each value"),
        (JUDGE + 'labels = { a = "neutral" }\nyes = ["1"]', "write either labels"),
        (JUDGE + 'labels = { a = "neutral" }\nlabel = "neutral"', "label goes with yes and no"),
        (JUDGE + 'yes = ["1"]', "label = ''; possible for sentiment are negative, neutral, positive"),
        (JUDGE + 'label = "neutral"\nyes = ["1"]\nno = ["1"]', "1 in yes and in no"),
        (JUDGE + 'label = "neutral"\nyes = [true]', "judge 1: yes holds values as the CSV writes them"),
        (JUDGE + 'labels = { a = "neutral" }\nsplit = 1', "split is what stands between"),
        (JUDGE + 'labels = { a = "neutral" }\nlanguage = "fr"', "judge 1: language is not a key; possible are head"),
        (2 * (JUDGE + 'labels = { a = "neutral" }\n'), "two judges are called 'sentiment'"),
    ],
)
def test_a_wrong_mapping_names_the_file_the_key_and_what_is_possible(written: Path, toml: str, says: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){written.name}.*{says}"):
        read(written, toml)


def test_the_mappings_of_the_benchmark_are_mappings() -> None:
    maps = sorted((Path(__file__).parents[3] / "bench" / "classifier" / "maps").glob("*.toml"))

    assert maps
    for file in maps:
        assert read_mapping(file).text == "text"
