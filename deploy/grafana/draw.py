"""`python -m deploy.grafana.draw --prometheus URL`: the dashboards as pictures for the docs, from real figures.

Not Grafana's drawing, and not meant to be: the same panels, queries, colours and places, as SVG without a browser.
"""

import argparse
import json
import math
import re
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from deploy.grafana.boards import Board
from deploy.grafana.generate import BOARDS
from deploy.grafana.panels import BLUE, CALM, COLOURS, GREEN, ORANGE, RED, TEAL, VIOLET, Panel
from deploy.grafana.units import said

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
UNIT, ROW, GAP, TOP = 54, 30, 8, 46  # a column and a row of Grafana's grid, in pixels
INK, PAPER, FRAME, FAINT = "#24292e", "#f4f5f5", "#ffffff", "#6e7781"
OTHERS = (BLUE, ORANGE, TEAL, VIOLET, GREEN, RED, "#8E8E8E", "#B877D9")
STEPS = 120  # points of a line


@dataclass(frozen=True)
class Series:
    """One line: where a point has no value it has a gap."""

    name: str
    points: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        """Its newest value."""
        return self.points[-1][1]


@dataclass(frozen=True)
class Source:
    """A Prometheus, and the span of time that is shown."""

    url: str
    begin: float
    end: float

    def ask(self, panel: Panel) -> list[Series]:
        """What the queries of a panel find."""
        found = []
        for query in panel.queries:
            span = round(self.end - self.begin)
            expr = re.sub(r"\$(queue|language|network)\b", ".*", query.expr)
            expr = expr.replace("$__rate_interval", "30s").replace("$__range", f"{span}s")
            asked = {"query": expr, "start": self.begin, "end": self.end, "step": span / STEPS}
            with urllib.request.urlopen(f"{self.url}/api/v1/query_range?{urllib.parse.urlencode(asked)}") as answer:  # noqa: S310
                result = json.load(answer)["data"]["result"]
            for one in result:
                name = re.sub(r"\{\{(\w+)\}\}", lambda label, one=one: one["metric"].get(label[1], ""), query.legend)  # type: ignore[misc]
                points = [(at, float(value)) for at, value in one["values"] if math.isfinite(float(value))]
                if points:
                    found.append(Series(name, points))
        return found


def drawn(board: Board, source: Source) -> str:
    """One dashboard as SVG."""
    parts, x, y, tallest = [], 0, 0, 0
    for panel in board.panels:
        if x + panel.width > 24:
            x, y, tallest = 0, y + tallest, 0
        place = (GAP + x * UNIT, TOP + y * ROW, panel.width * UNIT - GAP, panel.height * ROW - GAP)
        parts.append(_panel(panel, source, *place))
        x, tallest = x + panel.width, max(tallest, panel.height)
    width, height = 24 * UNIT + GAP, TOP + (y + tallest) * ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="Inter, Helvetica, Arial, sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="{PAPER}"/>\n'
        + _text(GAP + 4, 30, board.title, size=20, bold=True)
        + "".join(parts)
        + "</svg>\n"
    )


def _panel(panel: Panel, source: Source, x: float, y: float, w: float, h: float) -> str:
    made = f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="3" fill="{FRAME}" stroke="#d8dadd"/>\n'
    made += _text(x + 10, y + 20, panel.title, size=13, bold=True)
    found = source.ask(panel)
    if not found:
        return made + _text(x + w / 2, y + h / 2 + 12, panel.empty, size=16, colour=FAINT, anchor="middle")
    match panel.kind:
        case "stat":
            value = found[0].last
            colour = _colour_at(panel, value)
            return made + _text(
                x + w / 2, y + h / 2 + 22, said(value, panel.unit), size=34, colour=colour, anchor="middle"
            )
        case "bars":
            return made + _bars(panel, found, x + 10, y + 34, w - 20, h - 44)
        case "heat":
            return made + _heat(panel, found, source, x + 60, y + 34, w - 72, h - 60)
        case _:
            return made + _lines(panel, found, source, x + 60, y + 34, w - 72, h - 86)


def _lines(panel: Panel, found: list[Series], source: Source, x: float, y: float, w: float, h: float) -> str:
    if panel.kind == "stack":
        words = list(COLOURS)
        found = sorted(found, key=lambda one: words.index(one.name) if one.name in words else 99, reverse=True)
        lines = _stacked(found)
    else:
        lines = [list(one.points) for one in found]
    top = panel.most or _round_up(max(max(value for _, value in line) for line in lines) or 1.0, panel.unit)

    def px(at: float) -> float:
        return round(x + w * (at - source.begin) / (source.end - source.begin), 1)

    def py(value: float) -> float:
        return round(y + h * (1 - min(value, top) / top), 1)

    made = _axes(panel, source, top, x, y, w, h)
    below = [(at, 0.0) for at, _ in lines[0]]
    for number, (one, line) in enumerate(zip(found, lines, strict=True)):
        colour = COLOURS.get(one.name, OTHERS[number % len(OTHERS)])
        shape = " ".join(f"{px(at)},{py(value)}" for at, value in line)
        if panel.kind == "stack":
            under = " ".join(f"{px(at)},{py(value)}" for at, value in reversed(below))
            made += f'<polygon points="{shape} {under}" fill="{colour}" fill-opacity="0.6" stroke="none"/>\n'
            below = line
        else:
            made += f'<polyline points="{shape}" fill="none" stroke="{colour}" stroke-width="2"/>\n'
    for value, colour in panel.steps:
        if value <= top:
            made += (
                f'<line x1="{x}" x2="{x + w}" y1="{py(value)}" y2="{py(value)}" stroke="{colour}"'
                ' stroke-dasharray="6 5" stroke-opacity="0.8"/>\n'
            )
    left = x - 50
    for number, one in enumerate(found[:8]):
        colour = COLOURS.get(one.name, OTHERS[number])
        made += f'<rect x="{left:.1f}" y="{y + h + 32}" width="12" height="4" fill="{colour}"/>\n'
        made += _text(left + 17, y + h + 39, one.name, colour=FAINT)
        left += 34 + 6.3 * len(one.name)
        if left + 6.3 * 18 > x + w:  # no room for another one
            break
    return made


def _stacked(found: Sequence[Series]) -> list[list[tuple[float, float]]]:
    times = sorted({at for one in found for at, _ in one.points})
    below, lines = dict.fromkeys(times, 0.0), []
    for one in found:
        for at, value in one.points:
            below[at] += value
        lines.append(list(below.items()))
    return lines


def _axes(panel: Panel, source: Source, top: float, x: float, y: float, w: float, h: float) -> str:
    made = ""
    for part in range(5):
        value = top * part / 4
        level = round(y + h * (1 - part / 4), 1)
        made += f'<line x1="{x}" x2="{x + w}" y1="{level}" y2="{level}" stroke="#e6e8ea"/>\n'
        made += _text(x - 6, level + 4, said(value, panel.unit), size=11, colour=FAINT, anchor="end")
    return made + _times(source, x, y + h + 16, w)


def _times(source: Source, x: float, y: float, w: float) -> str:
    made = ""
    for part in range(1, 5):
        at = time.strftime("%H:%M", time.gmtime(source.begin + (source.end - source.begin) * part / 5))
        made += _text(x + w * part / 5, y, at, size=11, colour=FAINT, anchor="middle")
    return made


def _bars(panel: Panel, found: list[Series], x: float, y: float, w: float, h: float) -> str:
    found = sorted(found, key=lambda one: -one.last)[:9]
    top = max(one.last for one in found) or 1.0
    each = min(26.0, h / len(found))
    made = ""
    for number, one in enumerate(found):
        level, wide = y + number * each, (w - 240) * one.last / top
        made += _text(x + 150, level + each / 2 + 4, one.name, anchor="end")
        made += f'<rect x="{x + 160}" y="{level + 3:.1f}" width="{wide:.1f}" height="{each - 6:.1f}" fill="{BLUE}"/>\n'
        made += _text(x + 168 + wide, level + each / 2 + 4, said(one.last, panel.unit), colour=FAINT)
    return made


def _heat(panel: Panel, found: list[Series], source: Source, x: float, y: float, w: float, h: float) -> str:
    edges = sorted(found, key=lambda one: float(one.name))
    most, cells, below = 0.0, [], dict[float, float]()
    for row, one in enumerate(edges):
        here = dict(one.points)
        for at, value in here.items():
            inside = max(0.0, value - below.get(at, 0.0))
            most = max(most, inside)
            cells.append((row, at, inside))
        below = here
    high, wide = h / len(edges), w / STEPS
    made = ""
    for row, at, inside in cells:
        if inside > 0:
            px = x + (w - wide) * (at - source.begin) / (source.end - source.begin)
            py = y + h - (row + 1) * high
            made += (
                f'<rect x="{px:.1f}" y="{py:.1f}" width="{wide:.1f}" height="{high - 1:.1f}" fill="{BLUE}"'
                f' fill-opacity="{0.15 + 0.85 * math.sqrt(inside / most):.2f}"/>\n'
            )
    for row, one in enumerate(edges):
        edge = float(one.name)
        label = said(edge, panel.unit) if math.isfinite(edge) else "more"
        made += _text(x - 6, y + h - row * high - high / 2 + 4, label, size=11, colour=FAINT, anchor="end")
    return made + _times(source, x, y + h + 16, w)


def _colour_at(panel: Panel, value: float) -> str:
    colour = panel.base
    for least, this in panel.steps:
        if value >= least:
            colour = this
    return INK if colour == CALM else colour


def _round_up(value: float, unit: str) -> float:
    """To a number that divides by four without a tail, in hours or minutes where it is a span of time."""
    base = next((span for span in (3600.0, 60.0) if value > span), 1.0) if unit == "s" else 1.0
    size = 10.0 ** math.floor(math.log10(value / base))
    return base * next(step * size for step in (1, 2, 4, 6, 8, 10) if step * size >= value / base)


def _text(
    x: float, y: float, text: str, *, size: int = 12, colour: str = INK, anchor: str = "start", bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>\n"
    )


def main() -> int:
    """Draw all of them; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana.draw", description=__doc__)
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--minutes", type=float, default=10.0)
    asked = parser.parse_args()
    now = time.time()
    source = Source(asked.prometheus.rstrip("/"), now - asked.minutes * 60, now)
    for board in BOARDS:
        file = PICTURES / f"dashboards-{board.slug}.svg"
        file.write_text(drawn(board, source), "utf-8")
        sys.stdout.write(f"{file.name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
