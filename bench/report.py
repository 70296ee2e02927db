"""The last results, kept as JSON, and the page that shows them."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.results import Goal, Result, goal_line, grid

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
NAMES = ("classify", "router", "claim", "scale", "waits", "hop", "peers", "ingest", "latency", "pipeline")

BEGIN, END = "<!-- generated: guichet bench all -->", "<!-- end of what is generated -->"
_NEW_PAGE = f"""# Benchmarks

What the parts of the house cost, each beside a floor that was measured in the same run, turn by turn, so that
whatever else the machine did hit both. Rates depend on the machine and its other work; CPU time for one mention and
the ratio to the floor are what to compare. Where a floor's own lowest and highest are far apart, the machine had other
work, and only the ratio says something. `make bench` measures again and rewrites this page.

{BEGIN}
{END}
"""


def last_results() -> dict[str, Result]:
    """What was measured last, by name."""
    if not RESULTS.exists():
        return {}
    return msgspec.json.decode(RESULTS.read_bytes(), type=dict[str, Result])


def keep(result: Result) -> None:
    """Put this result in the place of the last one, in the file and on the page."""
    results = last_results() | {result.name: result}
    ordered = {name: results[name] for name in NAMES if name in results}
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")
    page = PAGE.read_text("utf-8") if PAGE.exists() else _NEW_PAGE
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{_page(list(ordered.values()))}\n{END}{after}", "utf-8")


def _page(results: Sequence[Result]) -> str:
    machine = _machine(max(results, key=lambda result: result.at))
    lines = [
        f"Measured on {machine}. Kafka and PostgreSQL run on the same machine as what is measured, with fsync and "
        "synchronous commits.",
        "",
        *_table(["benchmark", "goal", "wanted", "found", ""], [_goal(r.name, g) for r in results for g in r.goals]),
    ]
    for result in results:
        lines += ["", *_section(result, "" if _machine(result) == machine else _machine(result))]
    return "\n".join(lines) + "\n"


def _machine(result: Result) -> str:
    return "; ".join(f"{name}: {value}" for name, value in result.machine.items() if name != "load")


def _goal(name: str, goal: Goal) -> list[str]:
    sign = "≤" if goal.at_most else "≥"
    found = f"{goal.found:,g}{goal.unit}"
    return [name, goal.text, f"{sign} {goal.wanted:,g}{goal.unit}", found, goal.verdict()]


def _section(result: Result, elsewhere: str) -> list[str]:
    """`elsewhere`: the machine, where it is not the page's."""
    headers, lines = grid(result)
    settings = ", ".join(f"{name} {value:,g}" if isinstance(value, float) else f"{name} {value}"
                         for name, value in result.settings.items())  # fmt: skip
    return [
        f"## {result.name}",
        "",
        f"{result.question[0].upper()}{result.question[1:]}.",
        "",
        *_table(headers, lines),
        "",
        *(f"- {goal_line(goal)}" for goal in result.goals),
        *(f"- {note[0].upper()}{note[1:]}." for note in result.notes),
        *([f"- On another machine: {elsewhere}."] if elsewhere else []),
        f"- {result.at:%Y-%m-%d %H:%M} UTC, load {result.machine.get('load', 'unknown')}; {settings}.",
        f"- Again: `{result.command}`",
    ]


def _table(headers: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    marks = ["---", *["---:"] * (len(headers) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (headers, marks, *lines)]
