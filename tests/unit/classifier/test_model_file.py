"""A model file: read as it was written, or refused by name."""

from pathlib import Path

import numpy as np
import pytest

from services.classifier.gateways.model_file import SHIPPED, WORDS, UnusableModel, load, save

MOST_BYTES = 6 * 1024 * 1024


def test_the_model_that_ships_is_small() -> None:
    assert SHIPPED.stat().st_size + WORDS.stat().st_size <= MOST_BYTES


def test_a_model_is_read_as_it_was_written(tmp_path: Path) -> None:
    shipped = load(SHIPPED)
    about = {name: told for name, told in shipped.about.items() if name not in ("format", "layout")}
    sha256 = save(tmp_path / "again.npz", shipped.weights, about)
    again = load(tmp_path / "again.npz")
    assert sha256 == again.sha256 == shipped.sha256
    assert np.array_equal(again.weights.table, shipped.weights.table)


def test_a_changed_weight_is_found_out_and_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "changed.npz"
    with np.load(SHIPPED) as file:
        arrays = dict(file)
    arrays["bias"] = arrays["bias"] + 1
    np.savez(path, **arrays)
    with pytest.raises(UnusableModel, match=r"changed\.npz is damaged or was changed"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 half"])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(UnusableModel, match=r"x\.npz is not a model of Guichet"):
        load(tmp_path / "x.npz")


def test_a_model_that_is_not_there_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnusableModel, match="CLASSIFIER_MODEL"):
        load(tmp_path / "none.npz")


def test_a_model_of_another_layout_is_refused(tmp_path: Path) -> None:
    shipped = load(SHIPPED)
    save(tmp_path / "other.npz", shipped.weights, {**shipped.about, "layout": {"intent": ["yes", "no"]}})
    with pytest.raises(UnusableModel, match="another version"):
        load(tmp_path / "other.npz")
