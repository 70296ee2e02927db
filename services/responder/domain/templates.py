"""Texts with fields, and the signature below them. A field is a name in braces from a known list; nothing else is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

OF_THE_MENTION = ("author", "handle", "agent", "initials")
"""Filled in from what is answered and who answers."""
OF_THE_WRITER = (
    "contact",
    "date",
    "delay",
    "line",
    "link",
    "order",
    "product",
    "reference",
    "station",
    "time",
    "until",
)
"""Given by whoever uses the template."""
FIELDS = (*OF_THE_MENTION, *OF_THE_WRITER)

_FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """One version of a text in several languages."""

    slug: str
    version: int
    team: str
    name: str
    texts: Mapping[str, str]  # by language, BCP 47

    @property
    def label(self) -> str:
        return f"{self.slug}@{self.version}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A template filled in; `missing` fields stand in the text as they stood in the template."""

    text: str
    language: str
    missing: tuple[str, ...]


def unknown_fields(text: str) -> dict[str, str]:
    """The fields in it that do not exist, each with the nearest that does (or nothing)."""
    unknown = dict.fromkeys(name for name in _FIELD.findall(text) if name not in FIELDS)
    return {name: next(iter(get_close_matches(name.strip().lower(), FIELDS, n=1, cutoff=0.5)), "") for name in unknown}


def fields_left(text: str) -> tuple[str, ...]:
    """The fields that still stand in a text, in their order."""
    return tuple(dict.fromkeys(name for name in _FIELD.findall(text) if name in FIELDS))


def render(template: Template, language: str, values: Mapping[str, str]) -> Rendered:
    """The text in the language, else in its main part, in English, or in the first there is.

    Values go in as they are: a brace in one is a brace.
    """
    by_tag = {tag.lower(): tag for tag in template.texts}
    wanted = (language.lower(), language.lower().partition("-")[0], "en")
    tag = next((by_tag[each] for each in wanted if each in by_tag), None) or min(template.texts)
    text = template.texts[tag]
    known = {name: value for name, value in values.items() if name in FIELDS and value}
    missing = tuple(name for name in fields_left(text) if name not in known)
    return Rendered(_FIELD.sub(lambda found: known.get(found[1], found[0]), text), tag, missing)


def warnings_about(text: str, template: Template | None, last: str = "") -> tuple[str, ...]:
    """What a reader would notice.

    `unadapted`: the template, fields apart. `unfilled`: a field is still in it. `repeated`: the same words again.

    Args:
        last: what we said last in the conversation.
    """
    found = []
    if template is not None and any(_is_rendered(text, each) for each in template.texts.values()):
        found.append("unadapted")
    if fields_left(text):
        found.append("unfilled")
    if last and _plain(text) == _plain(last):
        found.append("repeated")
    return tuple(found)


def signed(text: str, signature: str, initials: str) -> str:
    """The text with the writer's initials at its end, once.

    Args:
        signature: holds `{initials}`; empty: this handle does not sign.
    """
    if not signature or not initials:
        return text
    mark = signature.replace("{initials}", initials)
    return text if text.rstrip().endswith(mark) else f"{text.rstrip()} {mark}"


def _is_rendered(text: str, template: str) -> bool:
    """Whether the text is the template with something, whatever it is, in the place of each field. In linear time."""
    parts = [_plain(part) for part in _FIELD.split(template)[::2]]  # between the fields
    left = _plain(text)
    if len(parts) == 1:
        return left == parts[0]
    if not left.startswith(parts[0]) or not left.endswith(parts[-1]):
        return False
    left = left[len(parts[0]) :]
    left = left[: len(left) - len(parts[-1])]
    for part in parts[1:-1]:
        _, found, left = left.partition(part) if part else ("", " ", left)
        if not found:
            return False
    return True


def _plain(text: str) -> str:
    return " ".join(text.split())
