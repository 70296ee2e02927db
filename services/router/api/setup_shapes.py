"""The set-up on the wire: schemas of what is written, and answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import Body
from pydantic import BaseModel, WithJsonSchema
from starlette.responses import Response

from libs.common.lists import etag_of
from services.router.domain.configured import KINDS, Configured, thing_of, written
from services.router.domain.differences import body_of
from services.router.domain.finding import Finding, error
from services.router.domain.reading import Unreadable, did_you_mean
from services.router.handlers.setup import Changed, Name, Outcome, refused
from services.router.store.setup import Kept

READ_ONLY = ("slug", "version", "updated_at", "change", "changes", "warnings")
"""What an answer has beside the body: an answer may be sent back as it is, these are not looked at."""


class FindingOut(BaseModel):
    """Kept, and probably not what was meant: in which thing, where in it, why, what to do. `code` is stable."""

    kind: str
    slug: str
    path: str
    code: str
    detail: str
    fix: str


class FieldOut(BaseModel):
    """A field that has, or would have, another value."""

    path: str
    before: Any
    after: Any


class ChangeOut(BaseModel):
    """What became of one thing, or would."""

    kind: str
    slug: str
    change: str
    version: int | None
    changes: list[FieldOut]


class SetupChanged(BaseModel):
    """What a request did to the set-up, or would do."""

    revision: int
    changes: list[ChangeOut]
    warnings: list[FindingOut]


def schema_of(kind: str) -> dict[str, Any]:
    """What may be written of this kind, in one piece."""
    whole = msgspec.json.schema(KINDS[kind])
    found: dict[str, Any] = _inlined(whole, whole["$defs"])
    for name in ("slug", "version"):
        found["properties"].pop(name, None)
    found.pop("title", None)
    return {"description": (KINDS[kind].__doc__ or "").split("\n\n")[0], **found}


def _inlined(value: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        if "$ref" in value:
            return _inlined(known[str(value["$ref"]).rpartition("/")[2]], known)
        return {name: _inlined(inner, known) for name, inner in value.items() if name != "$defs" and inner != []}
    return [_inlined(each, known) for each in value] if isinstance(value, (list, tuple)) else value


def body_schema(kind: str) -> tuple[Any, ...]:
    """What makes a plain body one of this kind in the OpenAPI document."""
    return Body(), WithJsonSchema(schema_of(kind))


def answer_schema(kind: str, *, changed: bool = False) -> dict[str, Any]:
    """A thing as an answer shows it; `changed`: with what became of it."""
    properties = {
        "slug": {"type": "string"},
        "version": {"type": "integer"},
        "updated_at": {"type": "string", "format": "date-time"},
        **schema_of(kind)["properties"],
    }
    if changed:
        properties["change"] = {"enum": ["created", "changed", "same"]}
        for name, model in (("changes", FieldOut), ("warnings", FindingOut)):
            properties[name] = {"type": "array", "items": model.model_json_schema()}
    return {"type": "object", "required": ["slug", "version", "updated_at"], "properties": properties}


def json_answer(content: object, status: int = 200, version: int | None = None) -> Response:
    """An answer, with the `ETag` of what it shows."""
    headers = {"ETag": etag_of(version)} if version is not None else None
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def answers(schema: Mapping[str, Any], about: str = "As it stands") -> dict[str, Any]:
    """One kind of answer for the OpenAPI document."""
    return {"description": about, "content": {"application/json": {"schema": schema}}}


# --- what is written


def read_one(kind: str, slug: str, body: Mapping[str, Any]) -> Configured:
    """The thing of a body.

    Raises:
        Problem: 422 with every mistake.
    """
    named = body.get("slug", slug)
    mistakes = []
    if named != slug:
        mistakes.append(error(kind, slug, "$.slug", "other-slug", f"the path says {slug}", "leave it out"))
    else:
        try:
            return written(kind, slug, {name: value for name, value in body.items() if name not in READ_ONLY})
        except Unreadable as unreadable:
            mistakes += _findings(kind, slug, unreadable)
    raise refused(mistakes, whole=False)


def read_many(body: Mapping[str, Any]) -> dict[Name, Configured | None]:
    """The things of a whole set-up by kind and slug; null takes one out.

    Raises:
        Problem: 422 with every mistake.
    """
    found: dict[Name, Configured | None] = {}
    mistakes: list[Finding] = []
    for kind, things in body.items():
        if kind == "revision":
            continue  # an answer may be sent back
        if kind not in KINDS:
            fix = did_you_mean(kind, KINDS, f"there are {', '.join(KINDS)}")
            mistakes.append(error(kind, "", "$", "unknown-kind", "nothing of this kind is set up", fix))
        elif not isinstance(things, Mapping):
            mistakes.append(error(kind, "", "$", "invalid", "a table is wanted, by slug", 'write {"slug": {...}}'))
        else:
            for slug, thing in things.items():
                if thing is None:
                    found[kind, slug] = None
                    continue
                plain = {k: v for k, v in thing.items() if k not in READ_ONLY} if isinstance(thing, Mapping) else thing
                try:
                    found[kind, slug] = written(kind, slug, plain)
                except Unreadable as unreadable:
                    mistakes += _findings(kind, slug, unreadable)
    if mistakes:
        raise refused(mistakes, whole=True)
    return found


def _findings(kind: str, slug: str, unreadable: Unreadable) -> list[Finding]:
    return [error(kind, slug, each.path, "invalid", each.detail, each.fix) for each in unreadable.mistakes]


# --- what is answered


def shown(kept: Kept) -> dict[str, Any]:
    """A thing as it stands, its defaults too."""
    thing = thing_of(KINDS[kept.kind], kept.slug, kept.version, kept.body)
    return {"slug": kept.slug, "version": kept.version, "updated_at": kept.updated_at, **body_of(thing)}


def shown_change(outcome: Outcome) -> dict[str, Any]:
    """The one thing that was asked for, and what became of it."""
    change = outcome.changes[0]
    assert change.after is not None
    return {
        **shown(change.after),
        "change": change.done,
        "changes": _fields(change),
        "warnings": shown_findings(outcome.warnings),
    }


def shown_changes(outcome: Outcome) -> dict[str, Any]:
    """Everything that was asked for."""
    return {
        "revision": outcome.revision,
        "changes": [
            {
                "kind": each.kind,
                "slug": each.slug,
                "change": each.done,
                "version": each.after.version if each.after else None,
                "changes": _fields(each),
            }
            for each in outcome.changes
        ],
        "warnings": shown_findings(outcome.warnings),
    }


def shown_findings(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Without their level: an answer's field says it."""
    names = FindingOut.model_fields
    return [{name: getattr(each, name) for name in names} for each in findings]


def _fields(change: Changed) -> list[dict[str, Any]]:
    return [each._asdict() for each in change.fields]
