"""Asking somebody in public to go on in private, without a link: X counts it twenty times, and people pass over it.

What they then write in private joins the same conversation.
"""

from services.responder.domain.links import links
from services.responder.domain.machines import text_of
from services.responder.domain.replies import Target
from services.responder.domain.templates import Template

WORDS = Template(
    slug="",
    version=0,
    team="",
    name="",
    texts={
        "fr": "Bonjour {author}, pour regarder votre dossier sans rien publier ici, pouvez-vous nous écrire en message"
        " privé ? Nous vous y répondons.",
        "en": "Hello {author}, so that we can look into it without anything of yours standing here, could you send us a"
        " private message? We answer you there.",
    },
)
"""Where a handle has no template of its own."""


def has_link(template: Template) -> str:
    """The first link in any of its texts; empty: it has none."""
    found = (text[start:end] for text in template.texts.values() for start, end in links(text))
    return next(found, "")


def invitation(template: Template, target: Target) -> str | None:
    """What to write to this person in public; None: nothing can be filled in, or it would have a link."""
    text = text_of(template, target.language, target)
    return text if text and not any(links(text)) else None
