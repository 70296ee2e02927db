"""The sandbox's page: the threads, with our answers under the posts. No script, nothing from elsewhere."""

import re
from collections.abc import Sequence
from html import escape

from sandbox.posts import Post

_WORDS = {
    "fr": {
        "title": "Le réseau d’essai",
        "lead": "Un faux réseau social, pour essayer Guichet : rien ne sort de cette machine.",
        "one": "{n} réponse reçue",
        "many": "{n} réponses reçues",
        "none": "Aucun message pour l’instant.",
        "elsewhere": "Le message {id} n’est pas ici : écrit ailleurs, ou supprimé.",
        "answer": "réponse",
        "edited": "modifié",
        "thread": "Fil de @{name}",
    },
    "en": {
        "title": "The sandbox network",
        "lead": "A make-believe social network to try Guichet on: nothing leaves this machine.",
        "one": "{n} reply received",
        "many": "{n} replies received",
        "none": "No posts yet.",
        "elsewhere": "Post {id} is not here: written elsewhere, or deleted.",
        "answer": "reply",
        "edited": "edited",
        "thread": "Thread of @{name}",
    },
}

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #5c6672; --paper: #f6f5f2; --card: #fff; --line: #dcd9d2;
  --ours: #0b6b5d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e4df; --soft: #9aa4af; --paper: #15181b; --card: #1d2125;
  --line: #333a41; --ours: #5fc7b4; } }
body { margin: 0 auto; max-width: 42rem; padding: 2rem 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0; } .lead, .elsewhere, header small, .none { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; margin: 1rem 0;
  padding: .3rem 1rem; }
article { padding: .6rem 0; } article + article:not(.ours) { border-top: 1px solid var(--line); }
article.ours { border-inline-start: 3px solid var(--ours); margin-inline-start: 1.2rem; padding-inline-start: .9rem; }
article header { display: flex; flex-wrap: wrap; gap: 0 .6rem; align-items: baseline; }
time { white-space: nowrap; } article.ours b { color: var(--ours); }
p { margin: .2rem 0; overflow-wrap: anywhere; white-space: pre-wrap; }
""".strip()

SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

# control, bidirectional and zero-width characters, which could make a text look like another; emoji need U+200D
_HIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200c\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def language_of(accept_language: str) -> str:
    """`fr` or `en`, whichever the reader names first."""
    for wish in accept_language.lower().split(","):
        language = wish.strip()[:2]
        if language in _WORDS:
            return language
    return "en"


def render(threads: Sequence[tuple[str, Sequence[Post]]], count: int, language: str) -> str:
    """The page, in the language of the reader."""
    words = _WORDS[language]
    singular = count == 1 or (count == 0 and language == "fr")
    counted = words["one" if singular else "many"].format(n=count)
    sections = [_thread(id_, posts, words) for id_, posts in threads]
    return f"""<!doctype html>
<html lang="{language}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{words["title"]}</title><style>{_STYLE}</style></head>
<body><header><h1>{words["title"]}</h1><p class="lead">{words["lead"]}</p>
<small>{counted}</small></header>
<main>{"".join(sections) or f'<p class="none">{words["none"]}</p>'}</main></body></html>
"""


def _thread(id_: str, posts: Sequence[Post], words: dict[str, str]) -> str:
    first = (
        ""
        if any(post.first_id == id_ for post in posts)
        else f'<p class="elsewhere">{words["elsewhere"].format(id=escape(id_))}</p>'
    )
    label = words["thread"].format(name=_shown(posts[0].username))
    return f'<section aria-label="{label}">{first}{"".join(_article(post, words) for post in posts)}</section>'


def _article(post: Post, words: dict[str, str]) -> str:
    at = post.created_at.isoformat(timespec="seconds")
    kind = ' class="ours"' if post.received else ""
    said = [words["answer"]] if post.received else []
    said += [words["edited"]] if post.edit_of else []
    said.append(f'<time datetime="{at}">{post.created_at:%Y-%m-%d %H:%M} UTC</time>')
    return (
        f'<article{kind} id="p{escape(post.id)}"><header><b><bdi>@{_shown(post.username)}</bdi></b>'
        f"<small>{' · '.join(said)}</small></header>"
        f'<p dir="auto"><bdi>{_shown(post.text)}</bdi></p></article>'
    )


def _shown(text: str) -> str:
    """A stranger's text as text only, what hides in it made visible."""
    return escape(_HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text))
