"""deploy/Dockerfile without Docker: its own lines, carried out in a folder that stands for the image's root."""

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.processes import ROOT

FILE = ROOT / "deploy" / "Dockerfile"


@dataclass
class Stage:
    """One stage: what its variables are, who runs in it, and what it runs."""

    name: str
    root: Path
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "root"
    command: str = ""
    ran: int = 0


def instructions() -> list[tuple[str, str]]:
    """The file's instructions, continued lines joined."""
    lines = [line for line in FILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(name, rest) for line in joined.splitlines() if line.strip() for name, rest in [line.split(" ", 1)]]


def build(folder: Path) -> Stage:
    """Carry out all stages below `folder`; gives the last one.

    The base image is the machine's own Python. Paths of the image that a line names are taken below its stage.

    Raises:
        RuntimeError: a line failed, with what it said.
    """
    stages: dict[str, Stage] = {}
    stage = Stage("none", folder)
    for name, rest in instructions():
        match name:
            case "FROM":
                # the path is the same in all stages, as it is in an image: environments know where they are
                stage = Stage(rest.rsplit(" ", 1)[-1], folder)
                stages[stage.name] = stage
            case "ENV":
                for word in shlex.split(rest):
                    key, value = word.split("=", 1)
                    stage.env[key] = _below(folder, value.replace("${COMMIT}", "").replace("$PATH", os.environ["PATH"]))
            case "WORKDIR":
                stage.workdir = rest
                (folder / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "COPY":
                _copy(stage, rest)
            case "RUN":
                _run(stage, rest)
            case "USER":
                stage.user = rest
            case "CMD":
                stage.command = rest
            case "ARG" | "LABEL" | "EXPOSE":
                pass
            case _:
                raise RuntimeError(f"nobody here knows {name}")
    return stage


def _copy(stage: Stage, rest: str) -> None:
    if rest.startswith("--from="):
        return  # all stages are one folder here
    *sources, target = rest.split()
    place = stage.root / stage.workdir.lstrip("/") / target
    for source in sources:
        path = ROOT / source
        if path.is_dir():
            shutil.copytree(path, place, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            into = place / path.name if target.endswith("/") else place
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, into)


def _run(stage: Stage, line: str) -> None:
    ended = subprocess.run(
        ["/bin/sh", "-ec", _below(stage.root, line)],
        cwd=stage.root / stage.workdir.lstrip("/"),
        env=os.environ | stage.env,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"RUN {line}\n{ended.stdout[-1000:]}{ended.stderr[-2000:]}")
    stage.ran += 1


def _below(root: Path, text: str) -> str:
    return re.sub(r"(?<![\w./])/(opt|build)\b", rf"{root}/\1", text)
