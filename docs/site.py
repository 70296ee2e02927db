"""`python -m docs.site`: lays out in .cache/site what docs/ holds and links to, for the builder; `--built` looks at
what was built, moves it to site/, and fails on anything a browser would fetch from elsewhere.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAID_OUT = ROOT / ".cache" / "site"  # of its own, for the builder keeps a .cache beside its set-up and may empty it
BUILT = ROOT / "site"

SECTIONS: Mapping[str, Sequence[str]] = {
    "Tutorial": ("docs/tutorials/*.md",),
    "How to": ("docs/how-to/*.md",),
    "Reference": ("docs/reference/*.md",),
    "Explanation": ("docs/explanation/*.md",),
    "Figures": ("docs/*.md",),
    "Runbooks": ("docs/runbooks/README.md", "docs/runbooks/*.md"),
    "Decisions": ("docs/decisions/README.md", "docs/decisions/*.md"),
}
"""Where each page stands: the four kinds of Diataxis, the figures, and what is looked up when something is wrong."""

_LINK = re.compile(r"\]\(([^()\s#]+)(?:#[^()\s]*)?\)|<img [^>]*src=\"([^\"]+)\"")
_ELSEWHERE = re.compile(r"[a-z]+:")
_HEADING = re.compile(r"^# (.+)$", re.MULTILINE)
_FETCHED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\"' >]+"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preconnect|preload|icon))[^>]*\bhref=[\"']?(?:https?:)?//[^\"' >]+"
    r"|@import[^;]*//[^;]+|url\([\"']?(?:https?:)?//[^)]+"
)


def pages(root: Path = ROOT) -> dict[str, list[str]]:
    """The pages of each section, by the path from the root; none stands twice."""
    seen = {"docs/README.md"}
    found: dict[str, list[str]] = {}
    for section, patterns in SECTIONS.items():
        for pattern in patterns:
            for path in sorted(root.glob(pattern)):
                if (name := path.relative_to(root).as_posix()) not in seen:
                    seen.add(name)
                    found.setdefault(section, []).append(name)
    return found


def linked(start: Path, root: Path = ROOT) -> Iterator[Path]:
    """`start`, and every file of the repository that a page reached from it links to."""
    open_, seen = [start], {start}
    while open_:
        path = open_.pop()
        yield path
        if path.suffix != ".md":
            continue
        for target in (one or other for one, other in _LINK.findall(path.read_text("utf-8"))):
            there = (path.parent / target).resolve()
            if not _ELSEWHERE.match(target) and there.is_file() and there.is_relative_to(root) and there not in seen:
                seen.add(there)
                open_.append(there)


def title(page: Path) -> str:
    """Its first heading."""
    found = _HEADING.search(page.read_text("utf-8"))
    return found[1].replace("`", "") if found else page.stem


def lay_out(folder: Path, root: Path = ROOT) -> None:
    """Write `folder/pages`, a copy of what the site shows, and `folder/zensical.toml` with the navigation."""
    shutil.rmtree(folder, ignore_errors=True)
    sections = pages(root)
    starts = [
        root / "README.md",
        root / "docs/README.md",
        *(root / name for each in sections.values() for name in each),
    ]
    for path in {reached for start in starts for reached in linked(start, root)}:
        copy = folder / "pages" / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    entries = [("Start", ["README.md", "docs/README.md"]), *sections.items()]
    nav = [_entry(section, [_entry(title(root / name), name) for name in names]) for section, names in entries]
    set_up = (root / "zensical.toml").read_text("utf-8")
    (folder / "zensical.toml").write_text(f"{set_up}nav = [{', '.join(nav)}]\n", "utf-8")


def _entry(name: str, what: str | list[str]) -> str:
    """One line of the navigation in TOML, whose strings are JSON's."""
    return f"{{ {json.dumps(name)} = {json.dumps(what) if isinstance(what, str) else '[' + ', '.join(what) + ']'} }}"


def fetched(text: str) -> list[str]:
    """What a page or a style sheet would have a browser fetch from another host; a link is no fetch."""
    return _FETCHED.findall(text)


def main(arguments: Sequence[str]) -> int:
    """Lay out, or look at what was built; returns the exit status."""
    if arguments != ["--built"]:
        lay_out(LAID_OUT)
        return 0
    new = LAID_OUT / "site"
    files = [path for kind in ("html", "css") for path in sorted(new.rglob(f"*.{kind}"))]
    from_elsewhere = [(path, what) for path in files for what in fetched(path.read_text("utf-8"))]
    for path, what in from_elsewhere:
        sys.stderr.write(f"{path.relative_to(new)} fetches from elsewhere: {what}\n")
    if from_elsewhere or not files:
        return 1
    shutil.rmtree(BUILT, ignore_errors=True)
    shutil.move(new, BUILT)
    sys.stdout.write(f"site/index.html: {sum(path.suffix == '.html' for path in files)} pages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
