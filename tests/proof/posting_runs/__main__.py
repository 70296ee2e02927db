"""`python -m tests.proof.posting_runs`: replies posted by real processes, and what the network counted of them.

Responders on real Kafka and PostgreSQL, killed at every named point and frozen, against the sandbox network over HTTP,
at about a hundredth of production's durations. With `--limits`: four of them at full load never exceed what the network
allows. With `--agents`: eight agents press Send at once on each mention. The status is 1 when a promise was broken.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.proof.house import NotInTime
from tests.proof.posting_runs.agents import at_once
from tests.proof.posting_runs.limits import at_full_load
from tests.proof.posting_runs.play import POINTS, Played, Wanted, judged, play
from tests.proof.routing.verdict import Verdict
from tests.servers import KafkaCluster, NotFound, NotStarted, Postgres

PLANTED = ("resend", "http-retry")
"""Mistakes that the runs have to find; else they prove nothing."""


def show_played(played: Played, console: Console) -> None:
    """What was played."""
    wanted, out = played.wanted, {post.mention for post in played.posts}
    console.print(
        f"\n{len(played.runs):,} runs, {wanted.responders} responders, {played.seconds:.0f} s, seed {wanted.seed};"
        f" the network counted {len(played.posts):,} posts"
    )
    state = {row.id: row for row in played.rows}
    ends: Counter[tuple[str, str]] = Counter()
    for run in played.runs:
        row = state.get(run.reply_id)
        how = row.state if row else "not kept"
        if how == "needs_human":
            how += ", on the network" if run.mention in out else ", not on the network"
        ends[run.fate.name, how] += 1
    for fate, n in Counter(run.fate.name for run in played.runs).most_common():
        parts = ", ".join(f"{ends[fate, how]} {how}" for name, how in sorted(ends) if name == fate)
        console.print(f"  {n:>6,} {fate:<22} {parts}")
    console.print("killed: " + ", ".join(f"{played.kills[point]} x {point}" for point in POINTS))
    console.print(f"        {played.shot} x anywhere, from outside")
    console.print("frozen: " + ", ".join(f"{n} x {where}" for where, n in sorted(played.freezes.items())))
    console.print("answers: " + ", ".join(f"{n:,} x {call}" for call, n in played.calls.items() if "POST" in call))


def show(verdicts: Sequence[Verdict], console: Console) -> None:
    """What was found."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("promise")
    table.add_column("looked at", justify="right")
    table.add_column("broken", justify="right")
    for verdict in verdicts:
        style = "red" if verdict.broken else ""
        table.add_row(verdict.promise, f"{verdict.looked_at:,}", f"{verdict.broken:,}", style=style)
    console.print()
    console.print(table)
    for verdict in verdicts:
        for example in verdict.examples:
            console.print(f"  {verdict.promise}: {example}", style="red", highlight=False)


async def prove(given: argparse.Namespace, bus: str, database: str, folder: Path, console: Console) -> list[Verdict]:
    """What was asked for, on these servers."""
    began = time.monotonic()

    def tell(what: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.0f} s[/dim]  {what}")

    if given.limits:
        return await at_full_load(bus, database, folder, tell)
    if given.agents:
        return await at_once(bus, database, folder, tell)
    wanted = replace(Wanted(), runs=given.runs, kills=given.kills, seed=given.seed, planted=given.planted)
    played = await play(wanted, bus, database, folder, tell)
    show_played(played, console)
    return judged(played)


def main() -> int:
    """Read the arguments, play, judge."""
    wanted = Wanted()
    parser = argparse.ArgumentParser(prog="python -m tests.proof.posting_runs", description=__doc__)
    parser.add_argument("--runs", type=int, default=wanted.runs, help="replies to post")
    parser.add_argument("--kills", type=int, default=wanted.kills, help="times kill -9 at each named point")
    parser.add_argument("--seed", type=int, default=wanted.seed)
    parser.add_argument("--planted", choices=PLANTED, default="", help="with a mistake that has to be found")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--limits", action="store_true", help="four responders at full load, the network's limits low")
    which.add_argument("--agents", action="store_true", help="eight agents press Send at once on 300 mentions")
    given = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True, width=120)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL runs as another user where we are root
        try:
            with KafkaCluster.start(folder / "kafka") as kafka, Postgres.start(folder / "postgres") as postgres:
                url = postgres.create_database("guichet")
                proof = prove(given, f"kafka://{kafka.bootstrap}", url, folder / "house", console)
                verdicts = asyncio.run(proof)
        except (NotFound, NotStarted, NotInTime) as error:
            console.print(str(error), style="red")
            return 2
        except ExceptionGroup as several:
            console.print("\n".join(map(str, several.exceptions)), style="red")
            return 2
    show(verdicts, console)
    return 1 if any(verdict.broken or not verdict.looked_at for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
