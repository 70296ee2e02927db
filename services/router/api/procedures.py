"""Procedures as they come with an item."""

from pydantic import BaseModel

from services.router.domain.procedures import About, procedures_for
from services.router.domain.setup import Setup
from services.router.domain.waiting import Item


class ProcedureOut(BaseModel):
    """What to do about such an item: steps in its language, the template, whom to ask, links with its ids filled in."""

    procedure: str
    name: str
    steps: list[str]
    template: str | None
    ask: list[str]
    links: dict[str, str]


def procedures_of(item: Item, author_id: str, setup: Setup) -> list[ProcedureOut]:
    """The procedures for one item, its team's own first."""
    about = About(
        team=item.team,
        language=item.routing.language,
        intent=item.routing.intent,
        topics=item.routing.topics,
        author_id=author_id,
        post_id=item.opened_by,
        conversation_id=item.conversation_id,
    )
    return [
        ProcedureOut(
            procedure=advice.slug,
            name=advice.name,
            steps=list(advice.steps),
            template=advice.template,
            ask=list(advice.ask),
            links=advice.links,
        )
        for advice in procedures_for(about, setup.procedures.values())
    ]
