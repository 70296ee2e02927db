"""Teaching the heads of the second look: the same heads each time, and the ones that ship."""

import zlib
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from libs.common.bus_local import LocalBus
from libs.common.keys import create_key
from services.classifier.app import build
from services.classifier.domain.cascade import EncoderHeads
from services.classifier.domain.heads import COLUMNS, HEADS, INTENTS
from services.classifier.domain.model import Floats
from services.classifier.gateways.cascade_file import E5, ENCODER, installed, load_second, save_second
from services.classifier.gateways.model_file import SHIPPED, load
from services.classifier.settings import ClassifierSettings
from services.classifier.training import cascade
from services.classifier.training.corpus import read_corpus
from tests.builders import PARTITIONS
from tests.integration.classifier.world import World

INTENT = slice(HEADS["intent"].start, HEADS["intent"].stop)
needs_the_encoder = pytest.mark.skipif(not installed(), reason="the extra `cascade` is not installed")
BELOW = np.linspace(0, 1, 101, dtype=np.float32)


class Words:
    """An encoder that knows words and nothing of their meaning."""

    def vector(self, text: str) -> Floats:
        found = np.zeros(256, np.float32)
        for word in text.lower().split():
            found[zlib.crc32(word.encode()) % 256] += 1
        return np.asarray(found / max(1.0, float(np.linalg.norm(found))), np.float32)


def test_the_same_posts_teach_the_same_heads_and_these_have_learnt(tmp_path: Path) -> None:
    posts = cascade.sample(read_corpus(), 600)
    said: list[float] = []

    def once(name: str) -> tuple[EncoderHeads, dict[str, dict[str, float]], str]:
        read = cascade.vectors(posts, Words(), lambda _what, share: said.append(share))
        heads, scores = cascade.teach(posts, read, BELOW)
        return heads, scores, save_second(tmp_path / name, heads, {"scores": scores})

    (heads, scores, first), (*_, second) = once("first.npz"), once("second.npz")
    assert first == second
    assert said == sorted(said[: len(said) // 2]) * 2
    assert heads.near.shape == (256, COLUMNS)
    assert all(scores[language]["intent_macro_f1"] > 0.2 for language in ("en", "fr"))  # by chance: .1
    told = [heads.probabilities(Words().vector(post.text), 0)[INTENT].argmax() for post in posts]
    right = [INTENTS.index(post.intent) for post in posts]
    assert np.mean(np.array(told) == np.array(right)) > 0.6


def test_no_two_samples_differ() -> None:
    corpus = read_corpus()
    assert cascade.sample(corpus, 50) == cascade.sample(corpus, 200)[:50]


@needs_the_encoder
async def test_switched_on_every_post_is_read_again_and_the_model_says_so(tmp_path: Path) -> None:
    settings = ClassifierSettings(
        data=tmp_path,
        port=0,
        secret=SecretStr("a secret of the tests"),
        keys=tmp_path / "keys.toml",
        cascade_share=1,
        cascade_budget=timedelta(seconds=60),
    )
    key = create_key(settings.keys, name="asks", role="service", scopes=["classify"])
    bus = LocalBus(":memory:", PARTITIONS)
    service = build(settings, bus)
    world = World(service, bus, asks=key, other="", operator="")
    posts = {"posts": [{"id": str(n), "text": "@acme hm, that thing again"} for n in range(3)]}
    [model] = (await world.call("GET", "/v1/models")).json()["items"]
    answers = (await world.call("POST", "/v1/classify", json=posts)).json()["items"]
    counted = (await world.call("GET", "/metrics")).text
    await service.close()
    await bus.close()
    assert model["cascade"] == {"state": "on", "model": ENCODER, "share": 1, "budget": 60}
    assert [one["id"] for one in answers] == ["0", "1", "2"]
    assert 'second_looks_total{outcome="taken"} 3.0' in counted


@pytest.mark.slow
@pytest.mark.training
@needs_the_encoder
def test_the_corpus_gives_heads_as_good_as_those_that_ship() -> None:
    """Not the same file: the encoder's own arithmetic differs from one processor to the next."""
    corpus, shipped, second = read_corpus(), load(SHIPPED), load_second()
    chosen = cascade.sample(corpus)
    below = cascade.first_look(corpus, shipped.words, shipped.weights.sharpness)
    heads, scores = cascade.teach(chosen, cascade.vectors(chosen, E5(), lambda _what, _share: None), below)
    assert second.about["corpus"] == {"posts": len(chosen), "sha256": corpus.sha256}
    assert np.array_equal(heads.below, second.heads.below)
    for language, known in second.about["scores"].items():
        assert scores[language] == pytest.approx(known, abs=0.01)
