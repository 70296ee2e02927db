"""A model on disk: one `.npz` without pickles, whose content must have the checksum it says it has."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.common.errors import Misconfigured
from services.classifier.domain.heads import COLUMNS, HEADS
from services.classifier.domain.model import Weights
from services.classifier.domain.words import Words, words

FORMAT = 1
SHIPPED = Path(__file__).parent.parent / "models" / "guichet-1.npz"
WORDS = Path(__file__).parent.parent / "models" / "words-1.npz"
_ARRAYS = {
    "table": np.int8,
    "scale": np.float32,
    "nearness": np.float32,
    "bias": np.float32,
    "sharpness": np.float32,
    "thresholds": np.float32,
}


class UnusableModel(Misconfigured):
    """The file cannot be used; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that was read: its weights, what it says of itself, and the checksum of both."""

    weights: Weights
    words: Words
    about: Mapping[str, Any]
    sha256: str

    @property
    def name(self) -> str:
        """As every label names it."""
        return str(self.about["name"])


def layout() -> Mapping[str, list[str]]:
    """The heads and their labels, in the order of the columns: a model of another layout is of another version."""
    return {head.name: list(head.labels) for head in HEADS.values()}


def save(path: Path, weights: Weights, about: Mapping[str, Any]) -> str:
    """Write a model; the same content gives the same checksum, which is given back."""
    told = json.dumps({"format": FORMAT, "layout": layout(), **about}, sort_keys=True, ensure_ascii=False).encode()
    arrays = {name: np.ascontiguousarray(getattr(weights, name), kind) for name, kind in _ARRAYS.items()}
    sha256 = _checksum(told, arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    with beside.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            about=np.frombuffer(told, np.uint8),
            sha256=np.frombuffer(sha256.encode(), np.uint8),
            **arrays,
        )
    beside.replace(path)  # a reader sees the old file or the new one
    return sha256


def load(path: Path) -> Model:
    """Read a model.

    Raises:
        UnusableModel: no such file, not a model, of another version, or not what its checksum says.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            told = file["about"].tobytes()
            written = file["sha256"].tobytes().decode()
            arrays = {name: np.ascontiguousarray(file[name]) for name in _ARRAYS}
    except FileNotFoundError as error:
        raise UnusableModel(f"no model at {path}: name one with CLASSIFIER_MODEL, or leave it unset") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UnusableModel(f"{path} is not a model of Guichet: name a file that `guichet train` wrote") from error
    if (right := _checksum(told, arrays)) != written:
        raise UnusableModel(
            f"{path} is damaged or was changed: its checksum is {right[:12]}... where it says {written[:12]}..."
        )
    about = json.loads(told)
    if about.get("format") != FORMAT or about.get("layout") != dict(layout()):
        raise UnusableModel(f"{path} was made for another version of Guichet: train it again, or name another file")
    if any(array.dtype != _ARRAYS[name] for name, array in arrays.items()) or arrays["table"].shape[1] != COLUMNS:
        raise UnusableModel(f"{path} is not a model of Guichet (its tables have the wrong shape)")
    near, of_words = load_words()
    if about.get("words_sha256") != of_words:
        raise UnusableModel(f"{path} was made with other word vectors than {WORDS.name}: train it again")
    return Model(Weights(**arrays), near, about, written)


def save_words(path: Path, numbers: NDArray[np.int64], vectors: NDArray[np.int8]) -> None:
    """Write the vectors of words, which all models share."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, numbers=numbers.astype(np.uint32), vectors=vectors)


def load_words(path: Path = WORDS) -> tuple[Words, str]:
    """Read them, and the checksum of what they are.

    Raises:
        UnusableModel: no such file, or not one of words.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            numbers, vectors = file["numbers"].astype(np.int64), np.ascontiguousarray(file["vectors"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UnusableModel(f"{path} is not a file of word vectors of Guichet ({error})") from error
    return words(numbers, vectors), hashlib.sha256(numbers.tobytes() + vectors.tobytes()).hexdigest()


def _checksum(told: bytes, arrays: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(told)
    for name in _ARRAYS:
        digest.update(f"{name} {arrays[name].shape} ".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
