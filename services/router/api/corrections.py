"""Corrections over REST: a person says what a mention is; those who train read them all."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from starlette.responses import Response, StreamingResponse

from libs.common.auth import Caller, forbidden, needs
from libs.common.db import Database
from libs.common.lists import PAGE, Limit, Mark, Page, cut, decode_cursor
from libs.common.problems import Problem
from services.router.api.mentions import Cursor, UpdatedAfter
from services.router.domain.labels import ANY_OF, LANGUAGE, ONE_OF, shown
from services.router.handlers.corrections import correct_mention
from services.router.store import corrections as store
from services.router.store.corrections import Correction

NDJSON = "application/x-ndjson"
AT_ONCE = 500  # lines for each question to the database
EXPORTS = "exports:read"

_LABELS: dict[str, Any] = {
    "type": "object",
    "description": "Those that are wrong, with their right values; what is not named stays",
    "minProperties": 1,
    "additionalProperties": False,
    "properties": {
        **{name: {"type": "string", "enum": list(values)} for name, values in ONE_OF.items()},
        "secondary_intent": {"enum": [*ONE_OF["secondary_intent"], None]},
        **{name: {"type": "array", "items": {"type": "string"}, "examples": [v[:2]]} for name, v in ANY_OF.items()},
        "needs_response": {"type": "boolean"},
        "language": {"type": "string", "pattern": LANGUAGE},
    },
}


class CorrectionIn(BaseModel):
    """What a mention is, by a person's word."""

    model_config = ConfigDict(extra="forbid")

    network: str = Field(max_length=64, examples=["x"])
    post_id: str = Field(max_length=512, examples=["1900000000000000001"])
    labels: Annotated[dict[str, Any], Field(min_length=1), WithJsonSchema(_LABELS)]
    note: str = Field("", max_length=2000, description="Why, for those who read corrections")


class CorrectionOut(BaseModel):
    """What a person said a mention is (`labels`: all of them, after it), and what the model had said."""

    id: str
    network: str
    post_id: str
    handle: str
    team: str
    text: str = Field(description="Empty where it is gone: the post was deleted, or edited since")
    posted_at: datetime
    language: str
    model: str = Field(description="Which had said what stands in `said`")
    said: dict[str, Any]
    labels: dict[str, Any]
    version: int = Field(description="1 is the first correction of this mention")
    corrected_at: datetime
    actor: str
    note: str


def routes(database: Database, at_once: int = AT_ONCE) -> APIRouter:
    """The corrections' routes; a file is read `at_once` lines at a time."""
    router = APIRouter(prefix="/v1/corrections", tags=["corrections"])

    @router.post("", status_code=201)
    async def post_correction(
        body: CorrectionIn, caller: Annotated[Caller, needs("conversations:write")]
    ) -> CorrectionOut:
        """Say what a mention is. Each correction is a new version; none is written over, and neither is the model.

        The mention shows the corrected labels from then on (until its author edits it). An urgency that a person
        chose has the reason `manual`. The work item stays where it is, with its own urgency and deadline.
        """
        correction = await database.write(
            lambda session: correct_mention(
                session, body.network, body.post_id, body.labels, body.note, caller.teams, caller.key_id
            )
        )
        return CorrectionOut(**_out(correction))

    @router.get(
        "",
        response_model=Page[CorrectionOut],
        responses={200: {"content": {NDJSON: {"schema": {"type": "string", "description": "One a line"}}}}},
    )
    async def list_corrections(
        request: Request,
        caller: Annotated[Caller, needs("mentions:read")],
        limit: Limit = PAGE,
        cursor: Cursor = None,
        updated_after: UpdatedAfter = None,
    ) -> Any:
        """Corrections, oldest first; as a file for `guichet train --corrections` with `Accept: application/x-ndjson`.

        The file has one correction a line, all of them, and leaves those out whose text is gone (deleted, or edited
        since). It takes the scope `exports:read` too.
        """
        if not _wants_ndjson(request):
            async with database.read() as session:
                rows = await store.list_corrections(
                    session, caller.teams, updated_after=updated_after, after=decode_cursor(cursor), limit=limit
                )
            some, next_cursor = cut(rows, limit, _mark)
            return Page[CorrectionOut](items=[CorrectionOut(**_out(row)) for row in some], next_cursor=next_cursor)
        if not caller.may(EXPORTS):
            raise forbidden(caller, EXPORTS)
        if paged := {"limit", "cursor"} & request.query_params.keys():
            raise Problem(
                400, "no-pages", "The file has no pages", f"{', '.join(sorted(paged))} is for pages.",
                "Leave it out to get all lines, or leave out the header `Accept` to get pages.",
            )  # fmt: skip
        return await _file(database, caller, updated_after, at_once)

    return router


async def _file(database: Database, caller: Caller, updated_after: datetime | None, at_once: int) -> Response:
    """All lines, asked for part by part: no transaction stays open while somebody reads slowly."""

    async def part(after: Mark | None) -> tuple[Sequence[Correction], Mark | None]:
        async with database.read() as session:
            rows = await store.list_corrections(
                session, caller.teams, updated_after=updated_after, after=after, limit=at_once, with_text=True
            )
        return rows[:at_once], _mark(rows[at_once - 1]) if len(rows) > at_once else None

    rows, following = await part(None)  # what is away is said with a 503, as long as nothing is sent

    async def lines() -> AsyncIterator[bytes]:
        some, mark = rows, following
        yield b"".join(map(_line, some))
        while mark is not None:
            some, mark = await part(mark)
            yield b"".join(map(_line, some))

    return StreamingResponse(lines(), media_type=NDJSON)


def _wants_ndjson(request: Request) -> bool:
    accepted = (kind.partition(";")[0].strip().lower() for kind in request.headers.get("accept", "").split(","))
    return NDJSON in accepted


def _mark(correction: Correction) -> Mark:
    return correction.corrected_at, correction.id


def _line(correction: Correction) -> bytes:
    return msgspec.json.encode(_out(correction)) + b"\n"


def _out(correction: Correction) -> dict[str, Any]:
    said = correction.said
    return {
        "id": correction.id,
        "network": correction.network,
        "post_id": correction.post_id,
        "handle": correction.handle,
        "team": correction.team,
        "text": correction.text,
        "posted_at": correction.posted_at,
        "language": correction.labels.language,
        "model": said.model,
        "said": shown(said) | {"confidence": said.confidence, "decision": said.decision},
        "labels": shown(correction.labels),
        "version": correction.version,
        "corrected_at": correction.corrected_at,
        "actor": correction.actor,
        "note": correction.note,
    }
