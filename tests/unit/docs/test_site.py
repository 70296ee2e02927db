"""The site shows every page once and fetches nothing; the figures of the pages follow from their sources."""

from pathlib import Path

import pytest

from docs import figures, site

ROOT = Path(__file__).parents[3]


def test_every_page_has_its_place_in_the_navigation_once() -> None:
    placed = [name for names in site.pages().values() for name in names]
    there = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md")} - {"docs/README.md"}
    assert len(placed) == len(set(placed))
    assert set(placed) == there


def test_a_page_brings_what_it_links_to_and_what_that_links_to(tmp_path: Path) -> None:
    for name, text in {
        "a.md": "[b](b.md#here)",
        "b.md": "[c](c.toml) [x](https://x.com)",
        "c.toml": "",
        "d.md": "",
    }.items():
        (tmp_path / name).write_text(text)
    assert {path.name for path in site.linked(tmp_path / "a.md", tmp_path)} == {"a.md", "b.md", "c.toml"}


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/a.js">',
        '<link rel="stylesheet" href="//fonts.example/css">',
        "@font-face{src:url(https://fonts.example/a.woff2)}",
        '<img alt="" src="https://img.example/a.png">',
    ],
)
def test_what_a_browser_would_fetch_from_elsewhere_is_found(text: str) -> None:
    assert len(site.fetched(text)) == 1


def test_a_link_to_elsewhere_is_no_fetch() -> None:
    assert site.fetched('<a href="https://x.com">X</a><script src="assets/a.js"></script>') == []


@pytest.mark.parametrize("page", figures.PAGES)
def test_the_figures_of_a_page_follow_from_their_sources(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert figures.renewed(text) == text
    assert "<!-- generated: " in text


def test_cores_are_never_fewer_than_measured_and_grow_in_proportion_above() -> None:
    def row(name: str, rate: float, us: float) -> dict[str, object]:
        return {"name": name, "per_second": rate, "cpu_us": {"generator": 99.0, "router": us}}

    found = {
        "latency": {"rows": [row("floor, 100/s", 100.0, 1.0), row("ours", 100.0, 5_000.0)]},
        "pipeline": {"rows": [row("steady", 4_000.0, 250.0)]},
    }
    assert [figures.cores(found, rate) for rate in (10, 100, 4_000, 8_000)] == [0.5, 0.5, 1.0, 2.0]
    assert figures.processes(found, 8_000) == 4
