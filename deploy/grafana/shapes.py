"""The pictures inside a panel, as SVG: lines, areas, bars, maps of heat, tables."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from deploy.grafana.ask import STEPS, Series, Span, Table
from deploy.grafana.panels import BLUE, CALM, COLOURS, GREEN, GREY, ORANGE, RED, TEAL, VIOLET, Panel
from deploy.grafana.units import said

INK, FAINT, RULE = "#24292e", "#5c6670", "#e3e6e9"
OTHERS = (BLUE, ORANGE, TEAL, VIOLET, GREEN, RED, GREY, "#56B4E9")
CELL = 40.0  # of a grid
DAY = 86400.0


@dataclass(frozen=True)
class Box:
    """A place, in pixels."""

    x: float
    y: float
    w: float
    h: float

    def within(self, left: float, top: float, right: float, bottom: float) -> "Box":
        """What is left of it inside such borders."""
        return Box(self.x + left, self.y + top, self.w - left - right, self.h - top - bottom)


def text(
    x: float, y: float, words: str, *, size: int = 14, colour: str = INK, anchor: str = "start", bold: bool = False
) -> str:
    """One line of it; `anchor`: which end of it stands there."""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}>'
        f"{escape(words)}</text>\n"
    )


def rect(box: Box, fill: str, opacity: float = 1.0) -> str:
    """A filled one."""
    return (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{max(box.w, 0):.1f}" height="{max(box.h, 0):.1f}" fill="{fill}"'
        f' fill-opacity="{opacity:.2f}"/>\n'
    )


def colour_at(panel: Panel, value: float) -> str:
    """A figure's colour, by its steps."""
    colour = panel.base
    for least, this in panel.steps:
        if value >= least:
            colour = this
    return INK if colour == CALM else colour


def lines(panel: Panel, found: Sequence[Series], span: Span, place: Box) -> str:
    """Lines, or areas one upon the other, with dashes at the steps and pale bars for the counts."""
    counts = [one for one in found if one.name == panel.counts]
    found = [one for one in found if one.name != panel.counts]
    if panel.kind == "stack":
        words = list(COLOURS)
        found = sorted(found, key=lambda one: words.index(one.name) if one.name in words else 99, reverse=True)
    legend = _legend([*found, *counts], place, panel.counts)
    box = place.within(60, 0, 54 if counts else 12, 32 + 20 * len(legend))
    drawn = _stacked(found) if panel.kind == "stack" else [list(one.points) for one in found]
    top = panel.most or _round_up(max(max(value for _, value in line) for line in drawn) or 1.0, panel.unit)

    def px(at: float) -> float:
        return round(box.x + box.w * max(0.0, at - span.begin) / (span.end - span.begin), 1)

    def py(value: float) -> float:
        return round(box.y + box.h * (1 - min(value, top) / top), 1)

    made = _axes(panel, span, top, box) + "".join(_counts(one, span, box) for one in counts)
    below = [(at, 0.0) for at, _ in drawn[0]]
    for number, (one, line) in enumerate(zip(found, drawn, strict=True)):
        colour = COLOURS.get(one.name, OTHERS[number % len(OTHERS)])
        shape = " ".join(f"{px(at)},{py(value)}" for at, value in line)
        if panel.kind == "stack":
            under = " ".join(f"{px(at)},{py(value)}" for at, value in reversed(below))
            made += f'<polygon points="{shape} {under}" fill="{colour}" fill-opacity="0.7"/>\n'
            below = line
        elif len(line) == 1:
            made += f'<circle cx="{px(line[0][0])}" cy="{py(line[0][1])}" r="3" fill="{colour}"/>\n'
        else:
            made += f'<polyline points="{shape}" fill="none" stroke="{colour}" stroke-width="2"/>\n'
    for value, colour in panel.steps:
        if value <= top:
            made += (
                f'<line x1="{box.x}" x2="{box.x + box.w}" y1="{py(value)}" y2="{py(value)}" stroke="{colour}"'
                ' stroke-width="1.5" stroke-dasharray="6 5"/>\n'
            )
    return made + "".join(legend)


def _legend(found: Sequence[Series], place: Box, counts: str) -> list[str]:
    """As many lines as it takes, the last at the bottom of its place."""
    rows: list[list[tuple[float, str, str]]] = [[]]
    left = 0.0
    for number, one in enumerate(found):
        name = f"{one.name} (right)" if one.name == counts else one.name
        wide = 32 + 6.8 * len(name)
        if left + wide > place.w and rows[-1]:
            rows, left = [*rows, []], 0.0
        colour = GREY if one.name == counts else COLOURS.get(one.name, OTHERS[number % len(OTHERS)])
        rows[-1].append((place.x + left, name, colour))
        left += wide
    made = []
    for below, row in enumerate(reversed(rows)):
        y = place.y + place.h - 8 - 20 * below
        made.append(
            "".join(rect(Box(x, y - 7, 13, 5), c) + text(x + 18, y, n, size=13, colour=FAINT) for x, n, c in row)
        )
    return made


def _counts(one: Series, span: Span, box: Box) -> str:
    top = _round_up(max(value for _, value in one.points) or 1.0, "short")
    times = [at for at, _ in one.points]
    step = min((b - a for a, b in pairwise(times)), default=DAY)
    wide = box.w * step / (span.end - span.begin)
    made = ""
    for at, value in one.points:
        left = box.x + box.w * max(0.0, at - span.begin) / (span.end - span.begin)
        high = box.h * value / top
        made += rect(Box(left, box.y + box.h - high, min(0.8 * wide, box.x + box.w - left), high), GREY, 0.28)
    for part in (0, 0.5, 1):
        level = box.y + box.h * (1 - part)
        made += text(box.x + box.w + 6, level + 4, said(top * part, "short"), size=13, colour=FAINT)
    return made


def _stacked(found: Sequence[Series]) -> list[list[tuple[float, float]]]:
    times = sorted({at for one in found for at, _ in one.points})
    below, drawn = dict.fromkeys(times, 0.0), []
    for one in found:
        for at, value in one.points:
            below[at] += value
        drawn.append(list(below.items()))
    return drawn


def _axes(panel: Panel, span: Span, top: float, box: Box) -> str:
    made = ""
    for part in range(5):
        level = round(box.y + box.h * (1 - part / 4), 1)
        made += f'<line x1="{box.x}" x2="{box.x + box.w}" y1="{level}" y2="{level}" stroke="{RULE}"/>\n'
        made += text(box.x - 6, level + 4, said(top * part / 4, panel.unit), size=13, colour=FAINT, anchor="end")
    return made + _times(span, box)


def _times(span: Span, box: Box) -> str:
    long = span.end - span.begin
    shape = "%d %b" if long > 3 * DAY else "%H:%M" if long > 600 else "%H:%M:%S"
    made = ""
    for part in (0.1, 0.3, 0.5, 0.7, 0.9):
        at = time.strftime(shape, time.gmtime(span.begin + (span.end - span.begin) * part))
        made += text(box.x + box.w * part, box.y + box.h + 18, at, size=13, colour=FAINT, anchor="middle")
    return made


def bars(panel: Panel, found: Sequence[Series], box: Box) -> str:
    """One bar for each, the longest first."""
    found = sorted(found, key=lambda one: -one.last)[:9]
    top = max(one.last for one in found) or 1.0
    each = min(32.0, box.h / len(found))
    made = ""
    for number, one in enumerate(found):
        level, wide = box.y + number * each, (box.w - 250) * one.last / top
        made += text(box.x + 150, level + each / 2 + 5, one.name, anchor="end")
        made += rect(Box(box.x + 160, level + 3, wide, each - 6), BLUE)
        made += text(box.x + 168 + wide, level + each / 2 + 5, said(one.last, panel.unit), colour=FAINT)
    return made


def heat(panel: Panel, found: Sequence[Series], span: Span, place: Box) -> str:
    """Cumulative buckets as cells: the more in one, the darker."""
    box = place.within(60, 0, 12, 26)
    edges = sorted(found, key=lambda one: float(one.name))
    most, cells, below = 0.0, [], dict[float, float]()
    for row, one in enumerate(edges):
        here = dict(one.points)
        for at, value in here.items():
            inside = max(0.0, value - below.get(at, 0.0))
            most = max(most, inside)
            cells.append((row, at, inside))
        below = here
    high, wide = box.h / len(edges), box.w / STEPS
    made = ""
    for row, at, inside in cells:
        if inside > 0:
            left = box.x + (box.w - wide) * (at - span.begin) / (span.end - span.begin)
            made += rect(
                Box(left, box.y + box.h - (row + 1) * high, wide, high - 1),
                BLUE,
                0.15 + 0.85 * math.sqrt(inside / most),
            )
    for row, one in enumerate(edges):
        edge = float(one.name)
        label = said(edge, panel.unit) if math.isfinite(edge) else "more"
        level = box.y + box.h - row * high - high / 2 + 4
        made += text(box.x - 6, level, label, size=13, colour=FAINT, anchor="end")
    return made + _times(span, box)


def table(panel: Panel, found: Table, box: Box) -> str:
    """Rows with a head; a grid's cells are the darker the more."""
    rows = [[_shown(panel, name, value) for name, value in zip(found.columns, row, strict=True)] for row in found.rows]
    words = [isinstance(value, str) for value in found.rows[0]]
    cells = [panel.kind == "grid" and name.isdigit() for name in found.columns]
    wide = [
        CELL if cell else 12 + 6.6 * max(len(n) for n in (*_head(name), *column))
        for name, cell, *column in zip(found.columns, cells, *rows, strict=True)
    ]
    room = (box.w - sum(w for w, word in zip(wide, words, strict=True) if not word)) / sum(words)
    most = max((float(v) for row in found.rows for v, cell in zip(row, cells, strict=True) if cell and v), default=1.0)
    high = min(30.0, (box.h - 38) / len(rows))
    made, x = "", box.x
    for at, name in enumerate(found.columns):
        width = room if words[at] else wide[at]
        end, anchor = (x, "start") if words[at] else (x + width / 2, "middle") if cells[at] else (x + width, "end")
        for line, part in enumerate(("", name) if words[at] else _head(name)):
            made += text(end, box.y + 8 + 16 * line, part, size=13, colour=FAINT, anchor=anchor)
        for number, row in enumerate(rows):
            y, ink = box.y + 36 + number * high, INK
            if cells[at] and found.rows[number][at] is not None:
                shade = 0.06 + 0.94 * float(found.rows[number][at]) / most
                ink = "#ffffff" if shade > 0.55 else INK
                made += rect(Box(x + 1, y + 1, width - 2, high - 2), BLUE, shade)
            fits = int(room / 6.2) if words[at] else len(row[at])
            cut = row[at] if len(row[at]) <= fits else f"{row[at][: fits - 1]}…"
            made += text(end, y + high / 2 + 5, cut, size=13, colour=ink, anchor=anchor)
        x += width
    return made


def _head(name: str) -> tuple[str, str]:
    """A column's name in two lines, the last below."""
    first, _, rest = name.partition(" ") if name.startswith("within") else name.rpartition(" ")
    return first, rest


def _shown(panel: Panel, name: str, value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return said(float(value), panel.units.get(name, panel.unit))


def _round_up(value: float, unit: str) -> float:
    """To a number that divides by four without a tail, in hours or minutes where it is a span of time."""
    base = next((span for span in (3600.0, 60.0) if value > span), 1.0) if unit == "s" else 1.0
    size = 10.0 ** math.floor(math.log10(value / base))
    return base * next(step * size for step in (1, 2, 4, 6, 8, 10) if step * size >= value / base)
