"""`guichet bench`: measure, beside the floors. Needs a checkout with its development environment."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.trouble import Trouble

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Measure the house's parts, each beside its floor."
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, the table on standard error")]
Seconds = Annotated[float | None, typer.Option(min=0.1, help="Length of each turn; by default the benchmark's own")]
Quick = Annotated[bool, typer.Option("--quick", help="A short look whether it works; the figures mean little")]
Bus = Annotated[str | None, typer.Option(help="kafka://host:port of a Kafka that runs; else one is started")]
Db = Annotated[str | None, typer.Option(help="postgresql://... of a server that runs; else one is started")]
Seed = Annotated[int, typer.Option(min=1, help="Of the made-up posts")]
Profile = Annotated[bool, typer.Option("--profile", help="Print where our side's time goes, on standard error")]


def _library(name: str) -> Any:
    try:
        return importlib.import_module(f"bench.{name}")
    except ImportError as error:
        raise Trouble(f"benchmarks run from a checkout, after `make setup` ({error})") from error


def _measured(name: str, own: Mapping[str, Any] | None = None, **given: Any) -> Any:
    options = _library("options").Options(**given)
    parts = _library("parts")
    try:
        return _library(name).measure(options, **(own or {}))
    except parts.MISSING as error:
        raise Trouble(str(error)) from error


def _measure(name: str, *, as_json: bool, own: Mapping[str, Any] | None = None, **given: Any) -> None:
    """`own` is what only this benchmark may be told."""
    results = _library("results")
    result = _measured(name, own, **given)
    results.show(result, Console(stderr=as_json))
    if as_json:
        results.write_json(result)


@app.command()
def claim(
    as_json: AsJson = False,
    seconds: Seconds = None,
    quick: Quick = False,
    database: Db = None,
    profile: Profile = False,
) -> None:
    """Ten agents who take the next item, again and again."""
    _measure("claim", as_json=as_json, seconds=seconds, quick=quick, database=database, profile=profile)


@app.command()
def classify(
    as_json: AsJson = False, seconds: Seconds = None, quick: Quick = False, profile: Profile = False,
    file: Annotated[Path | None, typer.Option("--file", help="Posts, NDJSON with a text; else the corpus's")] = None,
    model: Annotated[Path | None, typer.Option("--model", help="A model file; else the one that ships")] = None,
) -> None:  # fmt: skip
    """From a mention's text to the labelled event, on one core."""
    own = {"file": file, "model": model}
    _measure("classify", as_json=as_json, own=own, seconds=seconds, quick=quick, profile=profile)


@app.command()
def hop(
    as_json: AsJson = False, seconds: Seconds = None, quick: Quick = False, bus: Bus = None, seed: Seed = 1,
    profile: Profile = False,
) -> None:  # fmt: skip
    """One hop over Kafka, through the bus and the worker."""
    _measure("hop", as_json=as_json, seconds=seconds, quick=quick, bus=bus, seed=seed, profile=profile)


@app.command()
def peers(
    as_json: AsJson = False, seconds: Seconds = None, quick: Quick = False, bus: Bus = None, database: Db = None,
    seed: Seed = 1,
) -> None:  # fmt: skip
    """The same work in aiokafka alone, in the house's parts, and in FastStream."""
    _measure("peers", as_json=as_json, seconds=seconds, quick=quick, bus=bus, database=database, seed=seed)


@app.command()
def ingest(
    as_json: AsJson = False, seconds: Seconds = None, quick: Quick = False, bus: Bus = None, database: Db = None,
    seed: Seed = 1,
) -> None:  # fmt: skip
    """Mentions over HTTP into Kafka, one process."""
    _measure("ingest", as_json=as_json, seconds=seconds, quick=quick, bus=bus, database=database, seed=seed)


@app.command()
def latency(
    as_json: AsJson = False, seconds: Seconds = None, quick: Quick = False, bus: Bus = None, database: Db = None,
    seed: Seed = 1,
) -> None:  # fmt: skip
    """From ingest to the queue at a fixed rate."""
    _measure("latency", as_json=as_json, seconds=seconds, quick=quick, bus=bus, database=database, seed=seed)


@app.command()
def pipeline(
    as_json: AsJson = False, seconds: Seconds = None, quick: Quick = False, bus: Bus = None, database: Db = None,
    seed: Seed = 1,
    rate: Annotated[float | None, typer.Option(min=1, help="Mentions a second; by default 5,800")] = None,
    burst: Annotated[float | None, typer.Option(min=0, help="Mentions a second for 10 s; 0: no burst")] = None,
    backlog: Annotated[int | None, typer.Option(min=0, help="Mentions to catch up with; 0: none")] = None,
) -> None:  # fmt: skip
    """All four services as processes, on Kafka and PostgreSQL: a steady rate, a burst, a backlog."""
    _measure(
        "pipeline", as_json=as_json, seconds=seconds, quick=quick, bus=bus, database=database, seed=seed, rate=rate,
        burst=burst, backlog=backlog,
    )  # fmt: skip


@app.command()
def router(
    as_json: AsJson = False, seconds: Seconds = None, quick: Quick = False, database: Db = None, seed: Seed = 1,
    profile: Profile = False,
) -> None:  # fmt: skip
    """Routing with its whole transaction, on PostgreSQL and SQLite."""
    _measure("router", as_json=as_json, seconds=seconds, quick=quick, database=database, seed=seed, profile=profile)


@app.command()
def scale(
    as_json: AsJson = False, quick: Quick = False, database: Db = None, seed: Seed = 1, profile: Profile = False,
    rows: Annotated[int, typer.Option(min=30_000, help="Mentions stored; the large run: 10000000")] = 1_000_000,
) -> None:  # fmt: skip
    """Routing, and what people ask, on millions of stored mentions, beside the same on ten thousand."""
    own = {"rows": rows}
    _measure("scale", as_json=as_json, own=own, quick=quick, database=database, seed=seed, profile=profile)


@app.command()
def waits(as_json: AsJson = False, quick: Quick = False, seed: Seed = 1) -> None:
    """The expected wait against what really happened, on simulated days."""
    _measure("waits", as_json=as_json, quick=quick, seed=seed)


@app.command(name="all")
def all_of_them(quick: Quick = False, bus: Bus = None, database: Db = None, seed: Seed = 1) -> None:
    """Everything, one after the other, and docs/benchmarks.md written anew."""
    report = _library("report")
    missing = []
    for name in report.NAMES:
        try:
            result = _measured(name, quick=quick, bus=bus, database=database, seed=seed)
        except Trouble as trouble:
            missing.append(f"{name}: {trouble}")
            continue
        _library("results").show(result)
        if not quick:
            report.keep(result)
    if missing:
        raise Trouble("not measured: " + "; ".join(missing))


if __name__ == "__main__":
    try:
        app()
    except Trouble as trouble:
        sys.exit(str(trouble))
