"""A responder's database with roles, tables and months of work, as dashboards find it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import asyncpg
from prometheus_client import CollectorRegistry

from cli.services import MIGRATIONS
from libs.common.db import connect
from libs.common.events import Event
from libs.common.migrate import migrate
from services.responder.handlers.figures import Figures
from services.responder.handlers.mentions import Mentions

ROLES = (Path(__file__).parents[1] / "deploy" / "k8s" / "roles" / "roles.sql").read_text("utf-8")


async def with_roles(url: str) -> None:
    """Make the roles in an empty database, and let them in; `url` is a superuser's."""
    admin = await asyncpg.connect(url)
    await admin.execute(ROLES)
    for role in ("migrate", "reports", *MIGRATIONS):
        await admin.execute(f"ALTER ROLE guichet_{role} LOGIN")
    await admin.close()


def as_role(url: str, role: str) -> str:
    """The same database, for a role of ours."""
    return url.replace("postgres@", f"guichet_{role}@", 1)


async def with_past(url: str, batches: Iterable[Sequence[Event]]) -> None:
    """Make the responder's tables, and let it hear all this."""
    await migrate(as_role(url, "migrate"), "responder", MIGRATIONS["responder"])
    database = connect(as_role(url, "responder"), "responder")
    mentions = Mentions(Figures(CollectorRegistry()))
    for batch in batches:
        async with database.begin() as session:
            await mentions.on_work_items(batch, session)
    await database.close()
