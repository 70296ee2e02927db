"""Options that several commands have, and the two ends of the terminal."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

Data = Annotated[
    Path,
    typer.Option("--data", metavar="DIR", envvar="GUICHET_DATA", show_envvar=False, help="The data folder."),
]
BusAddress = Annotated[
    str | None, typer.Option("--bus", metavar="BUS", help="local or kafka://HOST:PORT[,...]; else GUICHET_BUS.")
]
DatabaseAddress = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="postgresql://...; else GUICHET_DATABASE_URL, else SQLite files."),
]
Host = Annotated[str | None, typer.Option("--host", metavar="HOST", help="Where to listen; else 127.0.0.1.")]
PortBase = Annotated[
    int | None,
    typer.Option("--port-base", metavar="PORT", min=0, max=65000, help="Ingest's, the others follow; 0: any free."),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model", metavar="FILE", envvar="CLASSIFIER_MODEL", show_envvar=False, help="Else the model that ships."
    ),
]
Cascade = Annotated[
    float,
    typer.Option(
        "--cascade", metavar="SHARE", min=0, max=1, envvar="CLASSIFIER_CASCADE_SHARE", show_envvar=False,
        help="Share of the least sure posts that an encoder reads again: the extra `cascade`.",
    ),
]  # fmt: skip
KeysFile = Annotated[
    Path | None,
    typer.Option(
        "--keys", metavar="FILE", envvar="GUICHET_KEYS", show_envvar=False, help="Else keys.toml in the data folder."
    ),
]

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
