"""`python -m deploy.grafana.draw --prometheus URL --postgresql URL`: the dashboards as pictures for the docs.

Not Grafana's drawing, and not meant to be: the same panels, queries, colours and places, drawn by ourselves from what
the same Prometheus and PostgreSQL say. Chromium makes the PNG.
"""

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.grafana import shapes
from deploy.grafana.ask import Source, Span
from deploy.grafana.boards import MONTHS, Board
from deploy.grafana.generate import BOARDS
from deploy.grafana.panels import Panel
from deploy.grafana.shapes import Box, text
from deploy.grafana.units import said

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
UNIT, ROW, GAP, TOP = 46, 34, 8, 52  # a column and a row of Grafana's grid, in pixels
PAPER, FRAME, EDGE = "#f4f5f5", "#ffffff", "#d8dadd"
WIDTH = 24 * UNIT + GAP


async def drawn(title: str, panels: Sequence[Panel], source: Source, empty: list[str]) -> tuple[str, int]:
    """A heading and the panels below as SVG, and its height in pixels; notes who has nothing to show."""
    parts, height = await _rows(panels, source, TOP, empty)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        ' font-family="Liberation Sans, Helvetica, Arial, sans-serif">\n'
        + shapes.rect(Box(0, 0, WIDTH, height), PAPER)
        + text(GAP + 4, 34, title, size=22, bold=True)
        + parts
        + "</svg>\n"
    )
    return svg, height


async def _rows(panels: Sequence[Panel], source: Source, y: int, empty: list[str]) -> tuple[str, int]:
    """Panels from left to right and from above to below, and where they end."""
    made, x, tallest = "", 0, 0
    for panel in panels:
        if x + panel.width > 24:
            x, y, tallest = 0, y + tallest * ROW, 0
        place = Box(GAP + x * UNIT, y, panel.width * UNIT - GAP, panel.height * ROW - GAP)
        made += (
            f'<rect x="{place.x}" y="{place.y}" width="{place.w}" height="{place.h}" rx="3" fill="{FRAME}"'
            f' stroke="{EDGE}"/>\n'
        )
        made += text(place.x + 10, place.y + 23, panel.title, size=15, bold=True)
        inside = await _inside(panel, source, place.within(10, 38, 10, 4))
        if not inside:
            empty.append(panel.title)
            middle = place.x + place.w / 2, place.y + place.h / 2 + 12
            inside = text(*middle, panel.empty, size=18, colour=shapes.FAINT, anchor="middle")
        made += inside
        x, tallest = x + panel.width, max(tallest, panel.height)
    return made, y + tallest * ROW


async def _inside(panel: Panel, source: Source, box: Box) -> str:
    """What a panel shows; "" where there is nothing."""
    if panel.kind in ("table", "grid"):
        found = await source.table(panel)
        return shapes.table(panel, found, box) if found.rows else ""
    lines = await source.lines(panel)
    if not lines:
        return ""
    span = source.span.of(panel)
    match panel.kind:
        case "stat":
            value = lines[0].last
            middle = box.x + box.w / 2, box.y + box.h / 2 + 12
            figure = said(value, panel.unit)
            return text(*middle, figure, size=38, colour=shapes.colour_at(panel, value), anchor="middle", bold=True)
        case "bars":
            return shapes.bars(panel, lines, box)
        case "heat":
            return shapes.heat(panel, lines, span, box)
        case _:
            return shapes.lines(panel, lines, span, box)


def photographed(svg: str, height: int, file: Path) -> None:
    """Write it as PNG.

    Raises:
        FileNotFoundError: there is no Chromium.
        subprocess.CalledProcessError: it could not.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise FileNotFoundError("chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(f'<!doctype html><meta charset="utf-8"><body style="margin:0">{svg}', "utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/user"]
        size, to = f"--window-size={WIDTH},{height}", f"--screenshot={file}"
        command = [chromium, *options, size, to, page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 - of ours, word by word


async def draw(source: Source, folder: Path = PICTURES) -> list[str]:
    """All of them, into the folder; returns the panels that have nothing to show: "board: title"."""
    empty: list[str] = []
    for board in BOARDS:
        nothing: list[str] = []
        for name, title, panels in sections(board):
            svg, height = await drawn(title, panels, source, nothing)
            photographed(svg, height, folder / f"dashboards-{name}.png")
        empty += [f"{board.slug}: {title}" for title in nothing]
    return empty


def sections(board: Board) -> Iterator[tuple[str, str, Sequence[Panel]]]:
    """What stands above, and what was over months as a picture of its own."""
    yield board.slug, board.title, board.panels
    if board.months:
        yield f"{board.slug}-months", MONTHS, board.months


def main() -> int:
    """Draw all of them; returns the exit status: 1 where a panel is empty."""
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana.draw", description=__doc__)
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--postgresql", required=True, metavar="URL", help="of a role that reads the report's views")
    parser.add_argument("--minutes", type=float, default=10.0)
    asked = parser.parse_args()
    now = time.time()
    source = Source(asked.prometheus.rstrip("/"), asked.postgresql, Span(now - asked.minutes * 60, now))
    empty = asyncio.run(draw(source))
    for place in empty:
        sys.stderr.write(f"nothing to show: {place}\n")
    return 1 if empty else 0


if __name__ == "__main__":
    sys.exit(main())
