"""`python -m docs.generate [--check]`: writes docs/reference from the code, or says what differs from it."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from cli import asyncapi, openapi
from docs.pages import commands, events, metrics, rest, settings

REFERENCE = Path(__file__).parent / "reference"

Pages = Mapping[str, Callable[[], str]]
"""File name -> what makes its content."""

PAGES: Pages = {
    "asyncapi.json": lambda: _json(asyncapi.document()),
    "cli.md": commands.page,
    "events.md": events.page,
    "metrics.md": metrics.page,
    "openapi.json": lambda: _json(openapi.document()),
    "rest.md": rest.page,
    "settings.md": settings.page,
}


def main(arguments: list[str] | None = None, *, pages: Pages = PAGES, folder: Path = REFERENCE) -> int:
    """Write the pages, or check them; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when a file differs from the code")
    check = parser.parse_args(arguments).check
    folder.mkdir(exist_ok=True)
    wanted = {name: page() for name, page in pages.items()}
    there = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    different = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    for name in different:
        if check:
            sys.stderr.write(f"{folder.parent.name}/{folder.name}/{name} is not what the code says: make docs\n")
        elif name in wanted:
            (folder / name).write_text(wanted[name], "utf-8")
            sys.stdout.write(f"{name} written\n")
        else:
            (folder / name).unlink()
            sys.stdout.write(f"{name} removed\n")
    return 1 if check and different else 0


def _json(document: object) -> str:
    """As `guichet openapi` and `guichet asyncapi` write it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
