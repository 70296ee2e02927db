"""`guichet length`: one text a line in, one JSON object a line out, in order."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from cli.trouble import Trouble
from services.responder.domain.length import Limits, Network, measure


def length(
    file: Annotated[
        Path | None, typer.Argument(help="One text a line, or a JSON string with \\n in it; - or none: standard input.")
    ] = None,
    network: Annotated[Network, typer.Option("--network", help="Whose rule.")] = "x",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="What your account or server takes; else 280, 500 or 300.")
    ] = None,
) -> None:
    """Say how long texts are as the network counts: one JSON object a line."""
    limits = Limits() if limit is None else Limits(limit, limit, limit)
    try:
        lines: BinaryIO = sys.stdin.buffer if file is None or str(file) == "-" else file.open("rb")
    except OSError as error:
        raise Trouble(f"{file} cannot be read: {error.strerror}") from error
    for line in told(lines, network, limits):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def told(lines: Iterable[bytes], network: Network, limits: Limits) -> Iterable[str]:
    """What is written of each line."""
    for line in lines:
        found = measure(_text(line), network, limits)
        names = ("length", "limit", "valid", "valid_prefix")
        yield json.dumps({name: getattr(found, name) for name in names})


def _text(line: bytes) -> str:
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    if text.startswith('"') and text.endswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:
            pass
    return text
