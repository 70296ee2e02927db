"""The page, and whether we live."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from sandbox.page import SECURITY_POLICY, language_of, render
from sandbox.state import Network

THREADS = 100


def routes(network: Network) -> APIRouter:
    """`/` and `/livez`."""
    paths = APIRouter()

    @paths.get("/")
    async def page(request: Request) -> HTMLResponse:
        language = language_of(request.headers.get("accept-language", ""))
        text = render(network.posts.threads(THREADS), network.judge.counts()[0], language)
        return HTMLResponse(text, headers={"Content-Security-Policy": SECURITY_POLICY, "Vary": "Accept-Language"})

    @paths.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    return paths
