"""Generated files: written, or compared with what the code says."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path


def run(program: str, folder: Path, wanted: Mapping[str, str], arguments: list[str] | None = None) -> int:
    """Make the folder hold these files and no others, or say with `--check` what differs; returns the exit status."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when a file differs from the code")
    check = parser.parse_args(arguments).check
    folder.mkdir(parents=True, exist_ok=True)
    there = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    different = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    for name in different:
        if check:
            sys.stderr.write(f"{folder.name}/{name} is not what the code says: make assets\n")
        elif name in wanted:
            (folder / name).write_text(wanted[name], "utf-8")
            sys.stdout.write(f"{folder.name}/{name} written\n")
        else:
            (folder / name).unlink()
            sys.stdout.write(f"{folder.name}/{name} removed\n")
    return 1 if check and different else 0
