"""What the documentation points to is there: files, headings, tests and functions."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.words import anchor

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    if path.name != "CHANGELOG.md"
)

_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z]+:")
_NAMED = re.compile(r"`((?:services|libs|cli|sandbox|tests|bench|docs)/[\w/.-]+\.py)::([\w.]+)`")


def prose(page: str) -> str:
    """Without code, where brackets are no links."""
    return _CODE.sub("`", _FENCED.sub("", (ROOT / page).read_text("utf-8")))


def headings(page: Path) -> set[str]:
    """The fragments of a page."""
    text = _FENCED.sub("", page.read_text("utf-8"))
    return {anchor(line.lstrip("#").replace("`", "")) for line in text.splitlines() if line.startswith("#")}


def broken(page: str) -> Iterator[str]:
    """Links that lead nowhere."""
    for target in _LINK.findall(prose(page)):
        if _ELSEWHERE.match(target):
            continue
        path, _, fragment = target.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        if not there.exists() or (fragment and fragment not in headings(there)):
            yield target


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_something(page: str) -> None:
    assert list(broken(page)) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_test_and_function_named_is_there(page: str) -> None:
    """Named like `libs/common/worker.py::Worker.run`."""
    missing = []
    for file, name in _NAMED.findall((ROOT / page).read_text("utf-8")):
        code = (ROOT / file).read_text("utf-8") if (ROOT / file).exists() else ""
        if not all(
            re.search(rf"^\s*(?:(?:async )?def|class) {each}\b", code, re.MULTILINE) for each in name.split(".")
        ):
            missing.append(f"{file}::{name}")
    assert missing == []


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    linked = {(ROOT / "docs" / target).resolve() for target in _LINK.findall(index) if not _ELSEWHERE.match(target)}
    pages = {path.resolve() for path in ROOT.glob("docs/**/*.md") if path.parent.name not in ("decisions", "runbooks")}
    assert pages - linked == {(ROOT / "docs" / "README.md").resolve()}
