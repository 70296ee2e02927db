"""Connections that stay open: lines of JSON, empty lines between them, and the ways they end."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from libs.common.clock import Clock
from sandbox.behaviour import Behaviour
from sandbox.refusals import PROBLEMS, Refused
from sandbox.shapes import Asked

Kind = Literal["filtered_stream", "activity_stream"]
Ending = Literal["end", "middle", "error"]
"""Quietly, in the middle of an object, or with an error inside the stream."""

Content = Callable[[Asked], Mapping[str, Any]]
"""A line, for what a connection asked to see."""

MOST: Mapping[Kind, int] = {"filtered_stream": 1, "activity_stream": 2}
BUFFERED = 1_000  # lines; who reads slower than that is disconnected
KEPT = 100  # lines that can be sent again

_NEWLINE = b"\r\n"
_DISCONNECT = {
    "errors": [
        {
            "title": "operational-disconnect",
            "disconnect_type": "UpstreamOperationalDisconnect",
            "detail": "This stream has been disconnected upstream for operational reasons.",
            "type": PROBLEMS + "operational-disconnect",
        }
    ]
}


@dataclass(eq=False)
class Connection:
    """One client that listens."""

    id: str
    kind: Kind
    connected_at: datetime
    wish: Asked
    lines: asyncio.Queue[bytes | Ending] = field(default_factory=lambda: asyncio.Queue(BUFFERED + 1))

    def say(self, line: bytes) -> None:
        """One more line; who is too slow hears no more."""
        if self.lines.qsize() < BUFFERED:
            self.lines.put_nowait(line)
        elif not self.lines.full():
            self.lines.put_nowait("end")

    def finish(self, how: Ending) -> None:
        """After what it has not read yet."""
        if not self.lines.full():
            self.lines.put_nowait(how)


class Streams:
    """All that are open."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: list[Connection] = []
        self._said: dict[Kind, deque[Callable[[Asked], Mapping[str, Any]]]] = {
            kind: deque(maxlen=KEPT) for kind in MOST
        }
        self._opened = 0

    def connect(self, kind: Kind, wish: Asked) -> Connection:
        """Open one more.

        Raises:
            Refused: as many are open as there may be.
        """
        if len(self.open(kind)) >= MOST[kind]:
            more = {"connection_issue": "TooManyConnections"}
            detail = "This stream is currently at the maximum allowed connection limit."
            raise Refused(429, "ConnectionException", detail, PROBLEMS + "streaming-connection", more)
        self._opened += 1
        connection = Connection(str(self._opened), kind, self._clock(), wish)
        self._open.append(connection)
        return connection

    def leave(self, connection: Connection) -> None:
        """It is gone."""
        with suppress(ValueError):
            self._open.remove(connection)

    def open(self, kind: Kind | None = None) -> list[Connection]:
        """Those that are open, of one kind or of both."""
        return [connection for connection in self._open if kind in (None, connection.kind)]

    def say(self, kind: Kind, content: Content) -> None:
        """To all that listen, each as it asked to see it."""
        self._said[kind].append(content)
        for connection in self.open(kind):
            connection.say(_line(content(connection.wish)))

    def again(self, kind: Kind, count: int) -> None:
        """The last lines once more: delivery is at least once."""
        for content in list(self._said[kind])[-count:]:
            for connection in self.open(kind):
                connection.say(_line(content(connection.wish)))

    def finish(self, how: Ending, kind: Kind | None = None) -> list[Connection]:
        """End them; which they were."""
        ended = self.open(kind)
        for connection in ended:
            connection.finish(how)
            self.leave(connection)
        return ended

    async def until(self, stop: asyncio.Event) -> None:
        """End them all when told to stop."""
        await stop.wait()
        self.finish("end")


class StreamAnswer(Response):
    """The answer that goes on until somebody hangs up."""

    def __init__(self, streams: Streams, connection: Connection, behaviour: Callable[[], Behaviour]) -> None:
        super().__init__(media_type="application/json; charset=utf-8")
        del self.headers["content-length"]
        self._streams = streams
        self._connection = connection
        self._behaviour = behaviour

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._send_lines(gone, send)
        finally:
            gone.cancel()
            self._streams.leave(self._connection)

    async def _send_lines(self, gone: asyncio.Task[None], send: Send) -> None:
        while not gone.done():
            following = asyncio.create_task(self._connection.lines.get())
            wait = self._behaviour().keep_alive_seconds
            either: set[asyncio.Task[Any]] = {gone, following}
            await asyncio.wait(either, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                following.cancel()
                await _body(send, b"" if gone.done() else _NEWLINE)
                continue
            match following.result():
                case bytes() as line:
                    size = self._behaviour().chunk_bytes or len(line)
                    for start in range(0, len(line), size):
                        await _body(send, line[start : start + size])
                case "middle":
                    await _body(send, b'{"data":{"id":"19","te')
                    return  # without an end: the server closes the connection
                case "error":
                    await _body(send, _line(_DISCONNECT), more=False)
                    return
                case "end":
                    await _body(send, b"", more=False)
                    return


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + _NEWLINE


async def _body(send: Send, content: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": more})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
