"""Tokens: for the app alone, and for a user."""

import base64
import binascii
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, unquote, urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from sandbox.auth import DEFAULT_ACCOUNT
from sandbox.refusals import invalid
from sandbox.state import Network


def routes(network: Network) -> APIRouter:
    """`/i/oauth2/authorize`, `/oauth2/token` and `/2/oauth2/token`."""
    paths = APIRouter()

    @paths.get("/i/oauth2/authorize")
    async def authorize(
        response_type: Literal["code"],
        client_id: str,
        redirect_uri: str,
        scope: str,
        state: Annotated[str, Query(max_length=500)],
        code_challenge: str,
        code_challenge_method: Literal["S256"],
        username: str = "",
    ) -> Response:
        """On the network a page asks; here the first user says yes, or the one named by `username`, our own word."""
        if client_id != network.keys.app.client_id:
            raise invalid("no client has this id", "client_id", client_id)
        who = username or next(iter(network.keys.users), DEFAULT_ACCOUNT)
        code = network.keys.consented(who, scope, redirect_uri, code_challenge)
        sign = "&" if "?" in redirect_uri else "?"
        return RedirectResponse(f"{redirect_uri}{sign}{urlencode({'state': state, 'code': code})}", 302)

    @paths.post("/oauth2/token")
    async def of_the_app(request: Request) -> Response:
        form = await _form(request)
        if _basic(request) != (network.keys.app.key, network.keys.app.secret):
            return _failed(403, "unauthorized_client", "Unable to verify your credentials")
        if form.get("grant_type") != "client_credentials":
            return _failed(400, "unsupported_grant_type", "grant_type has to be client_credentials")
        return JSONResponse({"token_type": "bearer", "access_token": network.keys.app.bearer})

    @paths.post("/2/oauth2/token")
    async def of_a_user(request: Request) -> Response:
        network.judge.calls["POST /2/oauth2/token"] += 1
        form = await _form(request)
        app = network.keys.app
        known = (
            _basic(request) == (app.client_id, app.client_secret)
            if app.client_secret
            else form.get("client_id") == app.client_id
        )
        if not known:
            return _failed(401, "unauthorized_client", "Missing valid authorization header")
        match form.get("grant_type"):
            case "refresh_token":
                tokens = network.keys.refreshed(form.get("refresh_token", ""))
            case "authorization_code":
                told = (form.get(name, "") for name in ("code", "redirect_uri", "code_verifier"))
                tokens = network.keys.exchanged(*told)
            case _:
                return _failed(400, "unsupported_grant_type", "refresh_token or authorization_code")
        if tokens is None:
            return _failed(400, "invalid_request", "Value passed for the token was invalid.")
        return JSONResponse(tokens, headers={"Cache-Control": "no-store"})

    return paths


async def _form(request: Request) -> dict[str, str]:
    """The body of a form; nothing where it is none."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    return {name: values[0] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}


def _basic(request: Request) -> tuple[str, str] | None:
    """Name and secret, each URL-encoded before they were put together."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        name, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (unquote(name), unquote(secret)) if scheme.lower() == "basic" and colon else None


def _failed(status: int, error: str, description: str) -> Response:
    body: dict[str, Any] = {"error": error, "error_description": description}
    return JSONResponse(body, status)
