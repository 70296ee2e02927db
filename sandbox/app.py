"""The sandbox network, put together."""

from typing import Any

import httpx2
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, Response

from libs.common.clock import Clock, utc_now
from libs.common.process import Service
from sandbox.activity import Activity, Subscription
from sandbox.api import activity as activities
from sandbox.api import control, messages, pages, posts, streaming, timelines, tokens
from sandbox.door import problem
from sandbox.filtered import Filtered
from sandbox.refusals import Refused
from sandbox.settings import SandboxSettings
from sandbox.state import Limits, Network
from sandbox.streams import Streams
from sandbox.webhooks import Webhooks


def build(settings: SandboxSettings, *, clock: Clock = utc_now) -> Service:
    """The sandbox as a service; its one task ends the streams when it stops."""
    limits = Limits(settings.posts_per_window, settings.window, settings.duplicates_within)
    network = Network(settings.ledger, clock, limits, settings.behaviour(), settings.read_credentials())

    async def close() -> None:
        pass

    app = sandbox_app(network)
    streams: Streams = app.state.streams
    return Service("sandbox", app, (streams.until,), settings.host, settings.port, close)


def sandbox_app(network: Network, *, webhook_transport: httpx2.AsyncBaseTransport | None = None) -> FastAPI:
    """X's paths over this network, and those of the sandbox itself."""
    app = FastAPI(title="Guichet sandbox network", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.stopping = False
    app.state.network = network
    streams = app.state.streams = Streams(network.now)
    webhooks = app.state.webhooks = Webhooks(network, webhook_transport)

    def tell(subscription: Subscription, event: dict[str, Any]) -> None:
        streams.say("activity_stream", lambda _wish: event)
        if subscription.webhook_id:
            webhooks.send(subscription.webhook_id, event)

    filtered = Filtered(network, streaming.teller(network, streams))
    activity = Activity(network, tell)
    network.listeners += [filtered, activity]
    rooms = [
        streaming.routes(network, streams, filtered),  # before /2/tweets/{id}
        activities.routes(network, activity, webhooks),
        control.routes(network, streams, webhooks),
        *(room.routes(network) for room in (timelines, posts, messages, tokens, pages)),
    ]
    for room in rooms:
        app.router.routes += room.routes  # what is included is built by the first request, which then waits

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Refused) -> Response:
        return JSONResponse(error.body, error.status)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        return JSONResponse(problem(error), 400)

    return app
