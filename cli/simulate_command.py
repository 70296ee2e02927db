"""`guichet simulate` as it is written on the command line."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Data, err, out


def simulate(
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="The set-up to rehearse, as TOML; else the defaults."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="The set-up before the change, to compare with.")
    ] = None,
    traffic: Annotated[
        Path | None, typer.Option("--traffic", metavar="FILE", help="Posts in X's shape; else what the house stores.")
    ] = None,
    brands: Annotated[
        str | None,
        typer.Option("--brands", help="Our handles: a file of users, or names; else FILE's ..._users.ndjson."),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Only what was posted since: 2026-03-01[T08:00+01:00].")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Only what was posted before.")] = None,
    agents: Annotated[
        int | None,
        typer.Option(
            "--agents", min=1, max=10_000, help="So many who can do everything, always there; else the set-up's."
        ),
    ] = None,
    handling: Annotated[str, typer.Option("--handling", metavar="TIME", help="Median work on an answer.")] = "240s",
    spread: Annotated[
        float, typer.Option("--spread", min=0, max=3, help="Deviation of its logarithm; 0: all take as long.")
    ] = 0.6,
    promise: Annotated[
        str | None, typer.Option("--promise", metavar="TEXT", help='Such as "72% in 1h", of opening time.')
    ] = None,
    staffing: Annotated[
        bool, typer.Option("--staffing", help="Find the fewest agents, by hour and skills, that keep the promise.")
    ] = False,
    zone: Annotated[
        str | None, typer.Option("--zone", help="Of the hours of the day; else the set-up's, else UTC.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same report.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the tables.")] = False,
    items: Annotated[bool, typer.Option("--items", help="With --json: who got each item, when and why.")] = False,
    to_house: Annotated[
        str, typer.Option("--house", help="The router's address; else the house of the data folder.")
    ] = "",
    data: Data = Path("data"),
) -> None:
    """Rehearse a set-up: waits, late answers, idle time.

    The router's own decisions over posts of a file, or over what the house has stored, with virtual agents and a
    virtual clock. Nothing is sent and nothing is kept.
    """
    from cli import simulate as room
    from cli.loop import run

    order = room.Order(
        policy, against, traffic, brands, start, end, agents, handling, spread, promise, staffing, zone, seed, as_json,
        items, to_house, data,
    )  # fmt: skip
    run(room.simulate(order, out, err))
