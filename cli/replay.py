"""Sends a file of posts to ingest at its pace, remembers how far it came, and goes on after every interruption."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from cli import posts
from cli.house import House
from cli.pace import Shift, Speed, due_seconds, has_room
from cli.posts import Handle, Line, Survey
from cli.trouble import Away, Refused, Trouble

FIRST_PATIENCE_SECONDS = 10.0  # before anything was taken, a house that does not answer is most likely not running
WAIT_SECONDS = (0.5, 5.0)  # first and longest wait for one that is away, unless it says for how long


@dataclass(frozen=True)
class Plan:
    """What to send, and how."""

    file: Path
    survey: Survey
    speed: Speed
    shift: bool
    brands: Sequence[Handle]
    network: str
    limit: int | None


@dataclass
class Tally:
    """What became of the posts, over all runs since the file's beginning."""

    posts: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def reject(self, reason: str) -> None:
        self.rejected += 1
        self.reasons[reason] += 1


class Watcher(Protocol):
    """Whoever shows how it goes."""

    def moved(self, tally: Tally, posted_at: datetime | None) -> None:
        """A batch was acknowledged; its last post was written then."""

    def waits(self, reason: str | None) -> None:
        """Ingest is away for this reason; None when it is back."""


class Ticker:
    """The pace's clock."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    async def pause(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Position:
    """How far a file was sent to an address: kept after each acknowledged batch, gone when the file is done."""

    def __init__(self, path: Path, file: Path) -> None:
        found = file.stat()
        self._path = path
        self._of = {"file": str(file.resolve()), "size_bytes": found.st_size, "changed_ns": found.st_mtime_ns}
        self.offset = 0
        self.line = 0
        self.shift_seconds: float | None = None
        self.tally = Tally()

    def load(self) -> bool:
        """Go on where an earlier run stopped; whether there was one, with the file as it is now."""
        try:
            content = json.loads(self._path.read_text("utf-8"))
            if any(content[name] != value for name, value in self._of.items()):
                return False
            self.offset, self.line, self.shift_seconds = content["offset"], content["line"], content["shift_seconds"]
            self.tally = Tally(**{**content["tally"], "reasons": Counter(content["tally"]["reasons"])})
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return self.offset > 0

    def keep(self, line: Line) -> None:
        """All up to this line is acknowledged."""
        self.offset, self.line = line.end, line.number
        tally = {**vars(self.tally), "reasons": dict(self.tally.reasons)}
        content = {
            **self._of,
            "offset": self.offset,
            "line": self.line,
            "shift_seconds": self.shift_seconds,
            "tally": tally,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(content), "utf-8")
        beside.replace(self._path)

    def forget(self) -> None:
        """The next run begins at the beginning."""
        self._path.unlink(missing_ok=True)


def position_file(data: Path, file: Path, address: str) -> Path:
    """Where the position is kept: in the data folder, or the user's cache where there is none."""
    name = blake2b(f"{file.resolve()}\n{address}".encode(), digest_size=6).hexdigest()
    folder = data if data.is_dir() else Path.home() / ".cache" / "guichet"
    return folder / f"replay-{name}.json"


@dataclass
class _Batch:
    lines: list[Line] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, line: Line, text: bytes) -> None:
        self.lines.append(line)
        self.texts.append(text)
        self.size_bytes += len(text) + 1


class Replay:
    """One run over a file."""

    def __init__(
        self, house: House, plan: Plan, position: Position, watcher: Watcher, ticker: Ticker, now: datetime
    ) -> None:
        self._house = house
        self._plan = plan
        self._position = position
        self._watcher = watcher
        self._ticker = ticker
        self._now = now
        self._taken = False  # whether ingest took anything in this run

    async def run(self) -> Tally:
        """Make the handles, then send all posts that are left.

        Raises:
            Trouble: ingest refuses, or never answered at all. What was acknowledged is remembered.
        """
        for handle in self._plan.brands:
            await self._with_patience(partial(self._make, handle))
        batch = _Batch()
        shift = self._shift()
        first_at: datetime | None = None
        for index, line in enumerate(self._lines()):
            posted_at = line.posted_at or first_at or self._now
            first_at = first_at or posted_at
            due = due_seconds(self._plan.speed, index, posted_at, first_at)
            text = self._text(line, shift, posted_at, due)
            late = due > self._ticker.elapsed()
            if batch.lines and (late or not has_room(len(batch.lines), batch.size_bytes, len(text))):
                await self._send(batch)
                batch = _Batch()
            if (early := due - self._ticker.elapsed()) > 0:
                await self._ticker.pause(early)
            batch.add(line, text)
        if batch.lines:
            await self._send(batch)
        self._position.forget()
        return self._position.tally

    def _lines(self) -> Iterable[Line]:
        sent = self._position.tally.posts
        left = None if self._plan.limit is None else max(0, self._plan.limit - sent)
        for count, line in enumerate(posts.read(self._plan.file, self._position.offset, self._position.line)):
            if left is not None and count >= left:
                return
            yield line

    def _shift(self) -> Shift | None:
        if not self._plan.shift:
            return None
        last_at = self._plan.survey.last_at
        if self._position.shift_seconds is None:
            self._position.shift_seconds = (self._now - last_at).total_seconds() if last_at else 0.0
        return Shift(timedelta(seconds=self._position.shift_seconds), self._now)

    def _text(self, line: Line, shift: Shift | None, posted_at: datetime, due: float) -> bytes:
        if line.post is None:
            return b""
        if shift is None or line.posted_at is None:
            return posts.encode(line.post)
        return posts.encode(posts.at(line.post, shift.moved(self._plan.speed, posted_at, due)))

    async def _make(self, handle: Handle) -> None:
        body = {
            "network": self._plan.network,
            "external_id": handle.external_id,
            "username": handle.username,
            "name": handle.name,
            "purpose": "support",
            "languages": [],
        }
        await self._house.ask("ingest", "PUT", f"/v1/handles/{handle.slug}", body=body)

    async def _send(self, batch: _Batch) -> None:
        try:
            await self._with_patience(partial(self._hand_in, batch))
        except Refused as refused:
            if refused.status != 413 or len(batch.lines) == 1:
                raise
            middle = len(batch.lines) // 2
            for part in (slice(None, middle), slice(middle, None)):
                half = _Batch()
                for line, text in zip(batch.lines[part], batch.texts[part], strict=True):
                    half.add(line, text)
                await self._send(half)

    async def _hand_in(self, batch: _Batch) -> None:
        """Every line of a batch is answered for: by ingest, or here where it is no post at all."""
        tally = self._position.tally
        good = [text for text in batch.texts if text]
        if good:
            params = {"shape": "x", "network": self._plan.network}
            receipt = await self._house.hand_in(b"\n".join(good) + b"\n", params)
            tally.accepted += receipt.accepted
            tally.duplicates += receipt.duplicates
            for rejected in receipt.rejected:
                tally.reject(reason_of(rejected))
        for _ in range(len(batch.texts) - len(good)):
            tally.reject("not a JSON object")
        tally.posts += len(batch.lines)
        self._position.keep(batch.lines[-1])
        self._watcher.moved(tally, batch.lines[-1].posted_at)

    async def _with_patience(self, act: Callable[[], Awaitable[None]]) -> None:
        """Until it is done, however long ingest is away; but not for ever where it never was there."""
        pause = WAIT_SECONDS[0]
        while True:
            try:
                await act()
                break
            except Away as away:
                if not self._taken and self._ticker.elapsed() > FIRST_PATIENCE_SECONDS:
                    raise
                self._watcher.waits(str(away))
                await self._ticker.pause(pause if away.retry_after_seconds is None else away.retry_after_seconds)
                pause = min(pause * 2, WAIT_SECONDS[1])
        self._taken = True
        self._watcher.waits(None)


def reason_of(rejected: dict[str, Any]) -> str:
    """What ingest says of a rejected post, without its place: `$.text: missing`."""
    says = str(rejected.get("detail") or rejected.get("reason") or rejected.get("type") or "rejected")
    return f"{rejected['path']}: {says}" if rejected.get("path") else says


def brands_of(file: Path, brands: str | None) -> tuple[list[Handle], str]:
    """Which authors of the file are our handles, and one line that says where that comes from.

    Raises:
        Trouble: the file of users cannot be read, or nothing is named.
    """
    if brands is None:
        beside = posts.users_beside(file)
        if not beside.exists():
            return [], f"no {beside.name} beside it and no --brands: every mention goes to the handle `default`"
        found, where = posts.brands_in(beside), beside.name
    elif _is_path(brands):
        found, where = posts.brands_in(Path(brands)), brands
    else:
        found, where = posts.brands_named(brands), "--brands"
    if not found:
        raise Trouble(f"--brands {brands!r} names no brand: write names, or a file of users with verified_brand")
    return found, f"{len(found)} handles from {where}"


def _is_path(brands: str) -> bool:
    """A file that is there, or was mistyped; not a list of names, which may be longer than a path can be."""
    if brands.endswith(".ndjson") or "/" in brands:
        return True
    try:
        return Path(brands).is_file()
    except OSError:
        return False


def now() -> datetime:
    """The present, for the shift."""
    return datetime.now(UTC)
