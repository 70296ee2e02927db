"""What a caller is told when something is wrong: RFC 9457 problem details, with what to do about it."""

import json
from collections.abc import Callable, Coroutine, Mapping
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from libs.common.errors import Raced, Rejected, Unavailable

_RETRY_AFTER_SECONDS = "5"


class Problem(HTTPException):
    """A request that cannot be answered as asked; raise it anywhere on the way of a request.

    An `HTTPException`, because FastAPI lets only those through while it reads a body.

    Args:
        slug: stable, for programs: the type is `urn:guichet:problem:<slug>`.
        title: the same for every occurrence.
        detail: what is wrong this time.
        fix: what the caller can do about it.
        members: further fields of the answer; None is left out.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str = "",
        fix: str = "",
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(status, detail or title, headers)
        self.content: dict[str, object] = {
            "type": f"urn:guichet:problem:{slug}",
            "title": title,
            "status": status,
            **({"detail": detail} if detail else {}),
            **({"fix": fix} if fix else {}),
            **{name: value for name, value in members.items() if value is not None},
        }

    def as_response(self) -> Response:
        """The answer as `application/problem+json`."""
        text = json.dumps(self.content, ensure_ascii=False, default=str)
        # half a surrogate pair, quoted from a request, is not UTF-8; its escape is valid JSON
        body = text.encode("utf-8", "backslashreplace")
        return Response(body, self.status_code, self.headers, media_type="application/problem+json")


def a_bug() -> Problem:
    """For an error of ours: says nothing of its cause, which stands in the log under the request's id."""
    return Problem(
        500,
        "our-mistake",
        "The mistake is ours",
        fix="Try again. If it stays, give your operator the X-Request-Id of this answer.",
    )


def handlers() -> dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]:
    """An answer for everything a route may raise."""
    return {
        Problem: _on_problem,
        HTTPException: _on_http_exception,
        RequestValidationError: _on_invalid,
        Unavailable: _on_unavailable,
        Raced: _on_raced,
        Rejected: _on_rejected,
    }


async def _on_problem(_request: Request, error: Problem) -> Response:
    return error.as_response()


async def _on_unavailable(_request: Request, error: Unavailable) -> Response:
    return Problem(
        503,
        "unavailable",
        "Something we need is away",
        str(error),
        "Nothing was kept of this request. Send it again after the time in Retry-After.",
        {"Retry-After": _RETRY_AFTER_SECONDS},
    ).as_response()


async def _on_raced(_request: Request, error: Raced) -> Response:
    return Problem(
        409, "raced", "Someone was quicker", str(error), "Nothing was changed. Look again, then send it again."
    ).as_response()


async def _on_rejected(_request: Request, error: Rejected) -> Response:
    return Problem(
        422, "rejected", "This cannot be taken", str(error), "Sending it again will not help; change it."
    ).as_response()


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    if error.status_code == 404:
        return _no_such_path(request).as_response()
    if error.status_code == 405:
        return _other_methods(request).as_response()
    if isinstance(error.__cause__, UnicodeDecodeError):
        return Problem(
            400, "invalid-utf-8", "The body is not UTF-8", str(error.__cause__.reason), "Send JSON as UTF-8."
        ).as_response()
    if error.status_code == 400:  # FastAPI could not read the body, for a reason it keeps to itself
        return Problem(
            400, "unreadable", "The body cannot be read", fix="Send JSON of a reasonable size and depth."
        ).as_response()
    phrase = HTTPStatus(error.status_code).phrase
    slug = phrase.lower().replace(" ", "-")
    return Problem(error.status_code, slug, phrase, str(error.detail), headers=error.headers).as_response()


def _no_such_path(request: Request) -> Problem:
    path = request.url.path
    known = [route.path_format for route in _routes(request) if route.include_in_schema]
    near = get_close_matches(path, known, n=1)
    return Problem(
        404,
        "no-such-path",
        "There is no such path",
        f"This service has no {path}.",
        f"Did you mean {near[0]}?" if near else "All paths are in /openapi.json.",
    )


def _other_methods(request: Request) -> Problem:
    matching = [route for route in _routes(request) if route.matches(request.scope)[0] is not Match.NONE]
    allowed = ", ".join(sorted({method for route in matching for method in route.methods or ()}))
    return Problem(
        405,
        "method-not-allowed",
        "This path does not take this method",
        f"{request.url.path} does not take {request.method}.",
        f"It takes {allowed}.",
        {"Allow": allowed},
    )


def _routes(request: Request) -> list[APIRoute]:
    return [route for route in request.app.routes if isinstance(route, APIRoute)]


async def _on_invalid(request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    if found and found[0]["type"] == "json_invalid":
        return Problem(
            400,
            "malformed-json",
            "The body is not JSON",
            f"{found[0]['ctx']['error']}, at character {found[0]['loc'][-1]}.",
            "Send one JSON value.",
        ).as_response()
    sent = request.headers.get("content-type", "")
    if "json" not in sent and any(e["loc"] == ("body",) and e["type"] != "missing" for e in found):
        return Problem(
            415,
            "not-json",
            "The body is not marked as JSON",
            f"Content-Type is {sent or 'missing'}.",
            "Send the header `Content-Type: application/json`.",
        ).as_response()
    return Problem(
        422,
        "invalid",
        "Something in the request is not valid",
        "; ".join(f"{e['path']}: {e['detail']}" for e in map(_plain, found[:3])),
        "Correct what `errors` names and send it again; /openapi.json says what is valid.",
        errors=[_plain(e) for e in found],
    ).as_response()


def _plain(error: Mapping[str, Any]) -> dict[str, str]:
    """One error of pydantic's without the value sent: it may be personal, and the caller has it."""
    place, *rest = error["loc"]
    if place == "body":
        path = "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)
    else:
        path = ".".join(map(str, rest))
    detail = "This field is not known" if error["type"] == "extra_forbidden" else str(error["msg"])
    return {"in": str(place), "path": path, "detail": detail}
