"""The model that ships is what the corpus gives."""

from pathlib import Path

import pytest

from services.classifier.gateways.model_file import SHIPPED, load, load_words, save
from services.classifier.training.build import build
from services.classifier.training.corpus import read_corpus


@pytest.mark.slow
@pytest.mark.training
def test_training_on_the_corpus_gives_the_model_that_ships(tmp_path: Path) -> None:
    shipped = load(SHIPPED)
    built = build(read_corpus(), shipped.name, *load_words())
    assert save(tmp_path / "again.npz", built.weights, built.about) == shipped.sha256
