"""The encoder of the extra `cascade`, where it is installed: what the second look counts on."""

import numpy as np
import pytest

from services.classifier.gateways.cascade_file import E5, installed

pytestmark = pytest.mark.skipif(not installed(), reason="the extra `cascade` is not installed")


@pytest.fixture(scope="module")
def encoder() -> E5:
    return E5()


def test_a_vector_has_length_one_and_is_the_same_each_time(encoder: E5) -> None:
    one, again = (encoder.vector("@acme where is my parcel?") for _ in range(2))
    assert one.shape == (384,)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-3)
    assert np.array_equal(one, again)


def test_the_same_thing_in_both_languages_is_nearer_than_another(encoder: E5) -> None:
    asked, demande, other = (
        encoder.vector(text)
        for text in ("where is my parcel?", "où est mon colis ?", "what a lovely evening by the sea")
    )
    assert asked @ demande > asked @ other


@pytest.mark.parametrize("text", ["", " ", "a\0b", "\ud83d alone", "🙂" * 250, "x" * 500])
def test_whatever_is_posted_has_a_vector(encoder: E5, text: str) -> None:
    assert np.isfinite(encoder.vector(text)).all()
