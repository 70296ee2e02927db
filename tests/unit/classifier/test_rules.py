"""The explicit rules: every example of their table, and what a table may not be."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import services.classifier
from services.classifier.domain.heads import REASONS
from services.classifier.domain.phrases import find, tokens
from services.classifier.domain.rules import rules

TABLES = Path(services.classifier.__file__).parent / "tables"
TABLE = tomllib.loads((TABLES / "reasons.toml").read_text("utf-8"))
TOPIC = tomllib.loads((TABLES / "topics.toml").read_text("utf-8"))["topic"]
RULES = rules(TABLE | {"topic": TOPIC})
EXAMPLES = [(name, each) for name, rule in (TABLE["reason"] | TOPIC).items() for each in rule["examples"]]


def fired(text: str) -> tuple[str, ...]:
    hashes = np.array(tokens(text), np.int64)
    table = RULES.phrases
    return RULES.names(int(find(len(hashes), hashes, table.keys, table.values, table.negatable)))


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{n}: {e['text']}" for n, e in EXAMPLES])
def test_an_example_of_the_table_fires_as_it_says(name: str, example: dict[str, Any]) -> None:
    assert (name in fired(example["text"])) is example["fires"]


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", TABLE["reason"])
def test_every_rule_has_a_dozen_examples_in_each_language_half_of_them_silent(name: str, language: str) -> None:
    mine = [each["fires"] for each in TABLE["reason"][name]["examples"] if each["language"] == language]

    assert len(mine) >= 12
    assert mine.count(False) >= 6
    assert mine.count(True) >= 6


def test_reasons_come_in_the_order_of_the_heads_and_flags_last() -> None:
    told = fired("Please DM me, on hold for 45 minutes and there is a gas leak, my lawyer knows")

    assert told == ("safety", "legal", "wait_loop", "asks_private_contact")
    assert [name for name in REASONS if name in told] == list(told[:-1])


def test_an_idiom_silences_its_own_reason_only() -> None:
    assert fired("mort de rire, mon avocat vous écrira, odeur de gaz") == ("legal",)


def test_accents_case_and_typographic_apostrophes_change_nothing() -> None:
    assert fired("FUITE DE GAZ") == fired("fuite de gaz") == ("safety",)
    assert fired("mediateur saisi") == fired("Médiateur saisi") == ("legal",)
    assert fired("45 min d’attente") == fired("45 min d'attente") == ("wait_loop",)


def table(**changes: Any) -> dict[str, Any]:
    rule = {"negatable": True, "en": ["gas leak"], "fr": ["fuite de gaz"], "unless_en": [], "unless_fr": []}
    return {"words": {"negators": ["no", "pas"]}, "reason": {"safety": rule | changes}}


def test_a_negator_before_silences_only_where_the_rule_says_so() -> None:
    def says(negatable: bool, text: str) -> tuple[str, ...]:
        made = rules(table(negatable=negatable))
        hashes = np.array(tokens(text), np.int64)
        bits = find(len(hashes), hashes, made.phrases.keys, made.phrases.values, made.phrases.negatable)
        return made.names(int(bits))

    assert says(True, "no gas leak") == ()
    assert says(True, "pas de fuite de gaz") == ()
    assert says(False, "no answer, gas leak") == ("safety",)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"words": {}, "reason": {"weather": table()["reason"]["safety"]}}, "weather"),
        (table(fr=[]), "'fr'"),
        (table(en=["one two three four five six seven eight nine"]), "nine"),
        (table(unless_en=["one two three four five six seven eight nine"]), "safety unless"),
    ],
)
def test_a_wrong_table_is_refused_and_the_fault_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        rules(wrong)


@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert set(fired(text)) <= {*TABLE["reason"]}
