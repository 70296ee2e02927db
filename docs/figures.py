"""`python -m docs.figures [--check]`: writes the tables of scale.md, cost.md and read-the-logs.md from
bench/results.json, the samples of the events, the price list below, and the calls in the code.
"""

import ast
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docs.words import code, table

ROOT = Path(__file__).parents[1]
RATES = (10, 100, 1_000, 5_800)
HALF = 0.5  # of a core is what one process is planned to use
DAYS, REPLICAS = 7, 3
EVENTS = ("mention.received", "mention.classified", "mention.routed", "reply.posted", "mention.answered")
A_WEEK = 30_000

PRICES: Mapping[str, float] = {
    "post read": 0.005,
    "user read": 0.010,
    "owned read": 0.001,
    "post created": 0.015,
    "post created, with a link": 0.200,
    "summoned reply": 0.010,
    "direct message sent": 0.015,
}
"""US dollars apiece: X's pay-per-use list, April to August 2026. Change them here when X does."""

WAYS: Mapping[str, Sequence[str]] = {
    "own mentions, read with the account's own token": ("owned read",),
    "filtered stream, search or an activity event": ("post read",),
    "the same, with the author's profile": ("post read", "user read"),
    "reply, no link": ("post created",),
    "reply, with a link": ("post created, with a link",),
    "summoned reply": ("summoned reply",),
    "reply by direct message": ("direct message sent",),
}

EXAMPLE: Mapping[str, tuple[float, str]] = {
    "core-hour": (0.04, "cores"),
    "GiB-hour of memory": (0.005, "GiB"),
}
"""Prices made up for the example."""

_MARKED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)
_LEVELS = ("debug", "info", "warning", "error", "exception")


def results() -> dict[str, Any]:
    """What was measured last."""
    found: dict[str, Any] = json.loads((ROOT / "bench/results.json").read_text("utf-8"))
    return found


def measured(found: Mapping[str, Any], rate: float) -> dict[str, Any]:
    """The row measured nearest to this rate from above, or the fastest; without what made the load."""
    rows = [row for row in found["latency"]["rows"] if not row["name"].startswith("floor")]
    rows = sorted([*rows, found["pipeline"]["rows"][0]], key=lambda row: float(row["per_second"]))
    row: dict[str, Any] = next((row for row in rows if row["per_second"] >= rate), rows[-1])
    parts = {part: us for part, us in row["cpu_us"].items() if part != "generator"}
    return {"rate": row["per_second"], "parts": parts, "us": sum(parts.values())}


def cores(found: Mapping[str, Any], rate: float) -> float:
    """Busy cores: never fewer than measured, for idle rounds cost too; above the fastest, in proportion."""
    row = measured(found, rate)
    return float(row["us"]) * max(float(row["rate"]), rate) / 1e6


def processes(found: Mapping[str, Any], rate: float) -> int:
    """Of the slowest consumer, each half busy; so many partitions are needed."""
    row = measured(found, rate)
    slowest = max(float(row["parts"].get(part, 0.0)) for part in ("classifier", "router", "responder"))
    return math.ceil(slowest * max(float(row["rate"]), rate) / 1e6 / HALF)


def event_bytes() -> int:
    """Of the values that one answered mention leaves in the log, as large as the samples of the contract."""
    files = [ROOT / "tests/contract/events" / f"{name}.v1.json" for name in EVENTS]
    return sum(len(json.dumps(json.loads(file.read_bytes()), separators=(",", ":"))) for file in files)


def scale() -> str:
    """Cores, processes and disk for each rate."""
    found = results()
    rows = []
    for rate in RATES:
        row = measured(found, rate)
        disk = event_bytes() * rate * 86_400 * DAYS * REPLICAS / 1e9
        busy, needed = f"{cores(found, rate):.1f}", str(processes(found, rate))
        rows.append((f"{rate:,}", f"{row['rate']:,.0f}/s", f"{row['us']:,.0f}", busy, needed, f"{disk:,.0f}"))
    heads = ("mentions/s", "measured at", "CPU µs a mention", "busy cores", "partitions, at least", "log, GB")
    return table(heads, rows)


def parts() -> str:
    """Where the time goes, at the fastest rate measured."""
    row = measured(results(), max(RATES))
    return table(("part", "CPU µs a mention"), [(part, f"{us:.0f}") for part, us in row["parts"].items()])


def network() -> str:
    """What a week's mentions and answers cost on X."""
    rows = []
    for way, items in WAYS.items():
        each = sum(PRICES[item] for item in items)
        rows.append((way, " + ".join(items), f"${each:.3f}", f"${each * A_WEEK:,.0f}"))
    return table(("", "billed as", "each", f"{A_WEEK:,} of them"), rows)


def cluster() -> str:
    """What the services need for a week's mentions, with prices made up."""
    found = results()
    settings = found["pipeline"]["settings"]
    needs = {
        "cores": cores(found, A_WEEK / (7 * 86_400)),
        "GiB": sum(float(value) for name, value in settings.items() if name.startswith("MiB")) / 1024,
    }
    rows = []
    for unit, (price, what) in EXAMPLE.items():
        rows.append((unit, f"{needs[what]:.2f} {what}", f"${price:g}", f"${needs[what] * 730 * price:,.2f}"))
    return table(("unit", "needed", "your price (example)", "a month of 730 hours"), rows)


def calls() -> Iterator[tuple[str, str, str, str]]:
    """Every `log.<level>("event", field=...)` in the code: event, level, fields, file."""
    for file in sorted(path for room in ("libs", "services") for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log"), attr=level), args=[ast.Constant(value=str(event))]
                ) if level in _LEVELS:
                    fields = ", ".join(code(each.arg) for each in node.keywords if each.arg and each.arg != "exc_info")
                    yield event, level, fields, file.relative_to(ROOT).as_posix()


def logs() -> str:
    """What a service says, in the order of the alphabet."""
    lines = sorted({(code(event), level, fields, code(file)) for event, level, fields, file in calls()})
    return table(("event", "level", "fields of its own", "said in"), lines)


BLOCKS: Mapping[str, Callable[[], str]] = {each.__name__: each for each in (scale, parts, network, cluster, logs)}
PAGES = ("docs/scale.md", "docs/cost.md", "docs/how-to/read-the-logs.md")


def renewed(text: str) -> str:
    """The page with its tables made anew."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]()}\n{found[3]}", text)


def main(arguments: Sequence[str]) -> int:
    """Write, or check; returns the exit status."""
    old = {page: (ROOT / page).read_text("utf-8") for page in PAGES}
    new = {page: renewed(text) for page, text in old.items()}
    different = [page for page in PAGES if new[page] != old[page]]
    for page in different:
        if "--check" in arguments:
            sys.stderr.write(f"{page} is not what its sources say: python -m docs.figures\n")
        else:
            (ROOT / page).write_text(new[page], "utf-8")
            sys.stdout.write(f"{page} written\n")
    return 1 if different and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
