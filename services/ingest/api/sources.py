"""`GET /v1/sources`: how far each source was read."""

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel

from libs.common.auth import needs
from libs.common.db import Database
from services.ingest import store


class SourceOut(BaseModel):
    """A source that is read. `position` is the bytes of the file that are done."""

    name: str
    kind: str
    position: int
    last_event_at: AwareDatetime | None
    updated_at: AwareDatetime


class Sources(BaseModel):
    """All of them, by name."""

    items: list[SourceOut]


def routes(database: Database) -> APIRouter:
    """The sources' route."""
    router = APIRouter(tags=["sources"])

    @router.get("/v1/sources", dependencies=[needs("handles:read")])
    async def list_sources() -> Sources:
        """Every source that was ever read, and when it last brought something."""
        async with database.read() as session:
            found = await store.sources(session)
        return Sources(items=[SourceOut(**source._asdict()) for source in found])

    return router
