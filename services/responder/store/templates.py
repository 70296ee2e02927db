"""Templates: every version is kept; the latest of each slug is marked, and empty where it was taken away."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.errors import Raced
from libs.common.lists import Mark
from services.responder.domain.templates import Template
from services.responder.store.mentions import visible
from services.responder.store.tables import TEMPLATES

_TEMPLATE = sa.select(TEMPLATES.c.slug, TEMPLATES.c.version, TEMPLATES.c.team, TEMPLATES.c.name, TEMPLATES.c.texts)
_NOW: sa.ColumnElement[bool] = sa.literal_column("latest", sa.Boolean)


async def latest(
    session: AsyncSession, slug: str, teams: Collection[str], *, version: int | None = None, lock: bool = False
) -> Template | None:
    """The template, or one of its versions, if these teams may see it; one taken away has no texts."""
    question = _TEMPLATE.where(TEMPLATES.c.slug == slug, visible(TEMPLATES.c.team, teams))
    question = question.where(_NOW if version is None else TEMPLATES.c.version == version)
    row = (await session.execute(question.with_for_update() if lock else question)).one_or_none()
    return Template(*row) if row else None


async def page(
    session: AsyncSession, teams: Collection[str], *, after: Mark | None, most: int
) -> list[tuple[Template, datetime]]:
    """At most so many, in the order in which they changed."""
    moment, slug = TEMPLATES.c.updated_at, TEMPLATES.c.slug
    question = _TEMPLATE.add_columns(moment).where(_NOW, visible(TEMPLATES.c.team, teams), TEMPLATES.c.texts != {})
    if after is not None:
        at = sa.literal(after[0], moment.type)
        question = question.where(sa.tuple_(moment, slug) > sa.tuple_(at, sa.literal(after[1])))
    rows = await session.execute(question.order_by(moment, slug).limit(most))
    return [(Template(*row[:-1]), row[-1]) for row in rows]


async def keep(session: AsyncSession, template: Template, by: str, now: datetime) -> None:
    """A new version, one above the last.

    Raises:
        Raced: somebody else kept one at the same moment, or another team has this slug.
    """
    before = sa.update(TEMPLATES).where(TEMPLATES.c.slug == template.slug, TEMPLATES.c.version == template.version - 1)
    await session.execute(before.values(latest=False))
    row = {
        "slug": template.slug,
        "version": template.version,
        "team": template.team,
        "name": template.name,
        "texts": dict(template.texts),
        "latest": True,
        "updated_at": now,
        "updated_by": by,
    }
    try:
        await session.execute(sa.insert(TEMPLATES).values(row))
    except IntegrityError as error:
        raise Raced(f"the template {template.slug} was changed at the same moment") from error
