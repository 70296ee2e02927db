"""A client that costs next to nothing: requests that were written beforehand, over connections that stay open."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from bench.measure import Turn

ANSWER_SECONDS = 30.0


AGAIN_SECONDS = 1.0


class NotAccepted(Exception):
    """The answer was not 202. `away`: it was 503, and the same may be sent again."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.away = answer.startswith("HTTP/1.1 503")


def post(path: str, body: bytes, key: str = "") -> bytes:
    """A whole request."""
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\n{authorization}Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def as_array(payloads: Sequence[bytes]) -> bytes:
    """Several posts as one JSON body."""
    return b"[" + b",".join(payloads) + b"]"


class Connection:
    """One connection; one request at a time."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("http://").rpartition(":")
        self._host, self._port = host, int(port)

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=1 << 20)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def send(self, request: bytes) -> None:
        """Send it, and wait until it is accepted.

        Raises:
            NotAccepted: the service says no; the message is its answer.
        """
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        _, _, rest = head.lower().partition(b"content-length:")
        body = await self._reader.readexactly(int(rest.partition(b"\r\n")[0] or 0))
        if not head.startswith(b"HTTP/1.1 202"):
            raise NotAccepted((head + body).decode(errors="replace"))


async def as_fast_as_it_goes(address: str, requests: Iterable[bytes], connections: int, seconds: float) -> Turn:
    """Send the requests one after the other on each connection, for so many seconds."""
    turn = Turn()
    left = iter(requests)
    end = time.perf_counter() + seconds

    async def one() -> None:
        async with Connection(address) as connection:
            for request in left:
                begun = time.perf_counter()
                await connection.send(request)
                now = time.perf_counter()
                turn.waits_ms.append((now - begun) * 1000)
                turn.done += 1
                if now > end:
                    return

    await asyncio.gather(*(one() for _ in range(connections)))
    return turn


class Paced:
    """Sends requests at a fixed rate, whatever the answers take: as many connections as that needs, up to a limit."""

    def __init__(self, address: str, connections: int = 16) -> None:
        self._address = address
        self._connections = connections
        self.accepted = 0
        self.refused = 0  # requests that were answered with 503, and sent again
        self.late_seconds = 0.0  # how far behind its time the latest request was begun

    async def send(self, requests: Sequence[bytes], each: int, per_second: float) -> None:
        """Send them all; each holds so many posts, `per_second` of which are to go."""
        begun = time.perf_counter()
        numbers = iter(range(len(requests)))

        async def one() -> None:
            async with Connection(self._address) as connection:
                for number in numbers:
                    due = begun + number * each / per_second
                    pause = due - time.perf_counter()
                    if pause > 0:
                        await asyncio.sleep(pause)
                    self.late_seconds = max(0.0, time.perf_counter() - due)
                    await self._insist(connection, requests[number])
                    self.accepted += each

        await asyncio.gather(*(one() for _ in range(self._connections)))

    async def _insist(self, connection: Connection, request: bytes) -> None:
        """As a good caller does: the same again after a 503."""
        while True:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await connection.send(request)
            except NotAccepted as answer:
                if not answer.away:
                    raise
                self.refused += 1
                await asyncio.sleep(AGAIN_SECONDS)
