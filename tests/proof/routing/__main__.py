"""`python -m tests.proof.routing`: play the story, then look for what must never have happened."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.proof.house import NotInTime
from tests.proof.routing.judging import judge
from tests.proof.routing.story import Played, Tell, Wanted, play
from tests.proof.routing.tape import POSTGRES
from tests.proof.routing.verdict import Verdict
from tests.servers import KafkaCluster, NotFound, NotStarted, Postgres


async def story(wanted: Wanted, bus_url: str, url: str, folder: Path, tell: Tell) -> tuple[Played, list[Verdict]]:
    """Played and judged."""
    played = await play(wanted, bus_url, url, folder, tell)
    return played, await judge(url, played, tell)


def show(played: Played, verdicts: Sequence[Verdict], console: Console) -> None:
    """What was played, and what was found."""
    wanted, acts = played.wanted, Counter[str]()
    for (act, status), n in played.acts.items():
        acts[act] += n if status in (200, 204) else 0
    console.print(
        f"\n{wanted.mentions:,} mentions, {wanted.agents} agents, {wanted.routers} routers, "
        f"{len(played.killed)} killed with -9; {played.seconds:.0f} s, which were "
        f"{played.seconds * wanted.speed / 3600:.1f} hours of the story; seed {wanted.seed}"
    )
    console.print("done over REST: " + ", ".join(f"{act} {n:,}" for act, n in acts.most_common()) + "\n")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("promise")
    table.add_column("looked at", justify="right")
    table.add_column("broken", justify="right")
    for verdict in verdicts:
        style = "red" if verdict.broken or not verdict.looked_at else ""
        table.add_row(verdict.promise, f"{verdict.looked_at:,}", f"{verdict.broken:,}", style=style)
    console.print(table)
    for verdict in verdicts:
        for example in verdict.examples:
            console.print(f"  {verdict.promise}: {example}", style="red", highlight=False)


def main() -> int:
    """Read the arguments, play, judge."""
    given = Wanted()
    parser = argparse.ArgumentParser(prog="python -m tests.proof.routing", description=__doc__)
    parser.add_argument("--mentions", type=int, default=given.mentions)
    parser.add_argument("--agents", type=int, default=given.agents)
    parser.add_argument("--routers", type=int, default=given.routers)
    parser.add_argument("--kills", type=int, default=given.kills, help="times kill -9 of a random router")
    parser.add_argument("--given", type=int, help="items that agents get; default: one for twenty mentions")
    parser.add_argument("--speed", type=int, default=given.speed, help="how fast time goes")
    parser.add_argument("--seed", type=int, default=given.seed)
    told = parser.parse_args()
    wanted = Wanted(
        told.mentions, told.agents, told.routers, told.kills, told.given or told.mentions // 20, told.speed, told.seed
    )
    console, began = Console(highlight=False), time.monotonic()

    def tell(what: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.0f} s[/dim]  {what}")

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL runs as another user where we are root
        try:
            with (
                KafkaCluster.start(folder / "kafka") as kafka,
                Postgres.start(folder / "postgres", settings=POSTGRES) as postgres,
            ):
                tell("Kafka and PostgreSQL are up")
                url = postgres.create_database("guichet")
                bus_url = f"kafka://{kafka.bootstrap}"
                played, verdicts = asyncio.run(story(wanted, bus_url, url, folder / "house", tell))
        except (NotFound, NotStarted, NotInTime) as error:
            console.print(str(error), style="red")
            return 2
    show(played, verdicts, console)
    return 1 if any(verdict.broken for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
