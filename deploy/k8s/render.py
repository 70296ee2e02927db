"""What `kubectl apply -k` would send: an overlay, put together by kubectl itself."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
OVERLAYS = ("small", "dev", "production")


class NoKubectl(Exception):
    """There is none in the environment and none on the path."""


def text(folder: Path) -> str:
    """All objects of a folder with a kustomization, as YAML.

    Raises:
        NoKubectl: kubectl cannot be found; `make setup` installs it.
        ValueError: the folder cannot be put together, in kubectl's words.
    """
    beside = Path(sys.prefix) / "bin" / "kubectl"
    program = str(beside) if beside.exists() else shutil.which("kubectl")
    if program is None:
        raise NoKubectl("kubectl renders the overlays: make setup")
    asked = [program, "kustomize", str(folder)]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        raise ValueError(f"{folder}: {ended.stderr.strip()}")
    return str(ended.stdout)


def objects(folder: Path) -> list[dict[str, Any]]:
    """The same, read."""
    return [each for each in yaml.safe_load_all(text(folder)) if each]
