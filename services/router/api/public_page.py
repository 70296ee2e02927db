"""The public status as a page: open or not, how long it takes, other ways. No script, nothing from elsewhere."""

from collections.abc import Sequence
from html import escape
from typing import Literal

from services.router.domain.public import Tongue

SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_WORDS = {
    "fr": {"title": "Nous joindre", "ways": "Autres moyens de nous joindre", "other": "English", "now": "En ce moment"},
    "en": {"title": "Reaching us", "ways": "Other ways to reach us", "other": "Français", "now": "Right now"},
}
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #5c6672; --paper: #f6f5f2; --card: #fff; --line: #dcd9d2;
  --open: #0b6b5d; --closed: #6b5d0b; --notice: #fff3d6; --edge: #b57a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e4df; --soft: #9aa4af; --paper: #15181b; --card: #1d2125;
  --line: #333a41; --open: #5fc7b4; --closed: #d9c35f; --notice: #33290f; --edge: #d9a23c; } }
body { margin: 0 auto; max-width: 34rem; padding: 2.5rem 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
header { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; }
h1 { font-size: 1.15rem; margin: 0; overflow-wrap: anywhere; } a { color: inherit; }
main { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; margin: 1rem 0; padding: 1.4rem; }
.state { margin: 0; color: var(--closed); font-weight: 600; } .state.open { color: var(--open); }
.state::before { content: ""; display: inline-block; inline-size: .7em; block-size: .7em; border-radius: 50%;
  border: .15em solid currentcolor; margin-inline-end: .5em; box-sizing: border-box; }
.state.open::before { background: currentcolor; }
.wait { font-size: 1.5rem; line-height: 1.3; margin: .8rem 0 0; text-wrap: balance; }
.notice { background: var(--notice); border-inline-start: .25rem solid var(--edge); margin: 0 0 1.2rem; padding: .7rem 1rem;
  border-radius: .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 1.6rem 0 .3rem; color: var(--soft); font-weight: 600; }
ul { margin: 0; padding-inline-start: 1.2rem; } li { overflow-wrap: anywhere; }
""".strip()  # noqa: E501


def page_html(
    handle: str,
    opened: bool,
    opening: str,
    wait: str,
    incident: str | None,
    other_ways: Sequence[str],
    tongue: Tongue,
) -> str:
    """The whole page; texts of others are escaped."""
    words, other = _WORDS[tongue], _other(tongue)
    notice = f'<p class="notice" role="status">{escape(incident)}</p>\n' if incident else ""
    ways = "".join(f"<li>{escape(way)}</li>" for way in other_ways)
    listed = f"<h2>{words['ways']}</h2>\n<ul>{ways}</ul>\n" if ways else ""
    return f"""<!doctype html>
<html lang="{tongue}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@{escape(handle)} · {words["title"]}</title>
<style>
{_STYLE}
</style>
</head>
<body>
<header>
<h1>@{escape(handle)}</h1>
<a href="?lang={other}&amp;format=page" hreflang="{other}" lang="{other}">{words["other"]}</a>
</header>
<main aria-label="{words["now"]}">
{notice}<p class="state{" open" if opened else ""}">{escape(opening)}</p>
<p class="wait">{escape(wait)}</p>
{listed}</main>
</body>
</html>
"""


def _other(tongue: Tongue) -> Literal["fr", "en"]:
    return "en" if tongue == "fr" else "fr"
