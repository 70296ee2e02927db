"""Procedures: what an agent does about an item of this kind, and where in the brand's own tools. Pure."""

import re
from collections.abc import Collection, Iterable
from urllib.parse import quote, urlsplit

from msgspec import Struct

from services.router.domain.setup import Procedure
from services.router.domain.texts import in_language
from services.router.domain.words import DEFAULT_TEAM

SCHEMES = ("https", "http", "mailto", "tel")
"""Addresses that a page may follow; others (`javascript:`) are left out."""

_PLACE = re.compile(r"\{(author_id|post_id|conversation_id)\}")


class Advice(Struct, frozen=True):
    """A procedure as it is for one item: its steps in the item's language, its links filled in."""

    slug: str
    name: str
    steps: tuple[str, ...]
    template: str | None
    ask: tuple[str, ...]
    links: dict[str, str]


class About(Struct, frozen=True):
    """The item a procedure is looked for."""

    team: str
    language: str
    intent: str
    topics: Collection[str]
    author_id: str
    post_id: str
    conversation_id: str


def procedures_for(about: About, procedures: Iterable[Procedure]) -> list[Advice]:
    """Those of the item's team, then the main team's, by slug: all that is written of topics and intents must hold."""
    fit = [procedure for procedure in procedures if _fits(procedure, about)]
    return [
        Advice(
            slug=procedure.slug,
            name=procedure.name or procedure.slug,
            steps=in_language(procedure.steps, about.language) or (),
            template=procedure.template,
            ask=procedure.ask,
            links=_links(procedure, about),
        )
        for procedure in sorted(fit, key=lambda p: (p.team != about.team, p.slug))
    ]


def _fits(procedure: Procedure, about: About) -> bool:
    return (
        procedure.team in (about.team, DEFAULT_TEAM)
        and (not procedure.topics or not set(procedure.topics).isdisjoint(about.topics))
        and (not procedure.intents or about.intent in procedure.intents)
    )


def _links(procedure: Procedure, about: About) -> dict[str, str]:
    values = {"author_id": about.author_id, "post_id": about.post_id, "conversation_id": about.conversation_id}
    filled = {label: fill(address, values) for label, address in procedure.links.items()}
    return {label: address for label, address in filled.items() if address is not None}


def fill(address: str, values: dict[str, str]) -> str | None:
    """The address with its places filled in, each percent-encoded whole: an id never adds a path, a query or a host.

    None for an address that no page should follow: of another scheme, with a place outside its path, query and
    fragment, or with an id that is a step of a path (`..`), which encoding does not disarm.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme not in SCHEMES or _PLACE.search(parts.netloc):
        return None
    if any(values[name] in (".", "..") for name in _PLACE.findall(address)):
        return None
    return _PLACE.sub(lambda found: quote(values[found[1]], safe=""), address)
