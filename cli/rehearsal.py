"""What `guichet simulate` rehearses on: the messages of a file, or those that the running house has stored."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from cli.classify import BATCH, opened
from cli.house import House
from cli.posts import Handle as Brand
from cli.setup_file import Handle as Named
from cli.spans import seconds_of
from cli.trouble import Trouble
from libs.common.events import Labels, MentionReceived
from services.classifier.domain.understand import Asked
from services.ingest.domain import Handle, Handles, decide
from services.ingest.gateways import x
from services.router.domain.simulation.traffic import Arrival, Handling, heard

FEWEST_KEPT, AROUND = 0.96, 0.1
"""The time in which nearly all posts of a file were written, and how much around it, as a share."""

Watch = Callable[[int], None]


@dataclass(frozen=True)
class Traffic:
    """Messages, and what was left out."""

    arrivals: Sequence[Arrival]
    start: datetime | None
    end: datetime | None
    notes: tuple[str, ...] = ()


# --- a file of posts


def handles_of(brands: Sequence[Brand], named: Iterable[Named]) -> Handles:
    """Our handles on X: those of a file of users or of the command line, and those of a set-up with their teams."""
    found = [Handle(slug=b.slug, network="x", username=b.username, external_id=b.external_id) for b in brands]
    known = [
        Handle(
            slug=one.slug, network="x", username=one.username, external_id=one.external_id, purpose=one.purpose,
            team=one.team,
        )
        for one in named
        if one.network == "x"
    ]  # fmt: skip
    names = {one.username.lower() for one in known}
    return Handles([*(one for one in found if one.username.lower() not in names), *known])


def read_traffic(
    path: Path, handles: Handles, handling: Handling, start: datetime | None, end: datetime | None, watch: Watch
) -> Traffic:
    """The customers' posts of a file in X's shape, as ingest, the classifier and the router would take them.

    Without `start` and `end`, posts far before or after all others are left out: a file of two months with a post of
    seven years ago is two months of work.

    Raises:
        Trouble: the file cannot be read, or holds no customer's post.
    """
    mentions = _mentions(path, handles)
    if not mentions:
        raise Trouble(f"{path} holds no customer's post: one JSON object a line is wanted, as X's API gives them")
    notes = []
    if start is None and end is None:
        start, end = _period([mention.posted_at for mention in mentions])
    wanted = [m for m in mentions if (start is None or m.posted_at >= start) and (end is None or m.posted_at < end)]
    if out := len(mentions) - len(wanted):
        notes.append(f"{out:,} outside this time left out")
    if not wanted:
        raise Trouble(f"{path} has no customer's post between --from and --to", 2)
    return Traffic(_classified(wanted, handling, watch), start, end, tuple(notes))


def _mentions(path: Path, handles: Handles) -> list[MentionReceived]:
    now = datetime.now(UTC)
    found: dict[str, MentionReceived] = {}
    try:
        with path.open("rb") as lines:
            for line in lines:
                if not line.strip():
                    continue
                try:
                    post = x.read(msgspec.Raw(line))
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    continue
                decided = decide(
                    post, handles, teams=frozenset({"*"}), source="replay", received_at=now, traceparent="",
                    key_of=lambda network, person: person,
                )  # fmt: skip
                if isinstance(decided, MentionReceived):
                    found[decided.post_id] = decided
    except OSError as error:
        raise Trouble(f"{path} cannot be read: {error.strerror}") from error
    return list(found.values())


def _period(times: Sequence[datetime]) -> tuple[datetime, datetime]:
    """From the first to the last post, without those far from nearly all others."""
    ordered = sorted(times)
    cut = int(len(ordered) * (1 - FEWEST_KEPT) / 2)
    first, last = ordered[cut], ordered[-1 - cut]
    around = (last - first) * AROUND
    kept = [moment for moment in ordered if first - around <= moment <= last + around]
    if len(ordered) < 100 or (ordered[-1] - ordered[0]) < 2 * (last - first):
        kept = ordered
    return kept[0], kept[-1] + timedelta(microseconds=1)


def _classified(mentions: Sequence[MentionReceived], handling: Handling, watch: Watch) -> list[Arrival]:
    model = opened(None)
    arrivals = []
    for at in range(0, len(mentions), BATCH):
        batch = mentions[at : at + BATCH]
        asked = [Asked(m.text, m.language_hint, m.private, m.reach, m.posted_at, m.posted_at) for m in batch]
        for mention, labels in zip(batch, model.labels(asked), strict=True):
            arrivals.append(_arrival(mention, labels, handling))
        watch(at + len(batch))
    return arrivals


def _arrival(mention: MentionReceived, labels: Labels, handling: Handling) -> Arrival:
    return heard(
        labels,
        handling,
        network=mention.network,
        post_id=mention.post_id,
        handle=mention.handle,
        author_id=mention.author_id,
        thread_id=mention.thread_id,
        posted_at=mention.posted_at,
        private=mention.private,
        followers=mention.reach.followers,
        team=mention.team,
    )


# --- the running house


async def fetch_traffic(
    house: House, handling: Handling, start: datetime, end: datetime | None, watch: Watch
) -> Traffic:
    """The stored mentions of this time with the labels they have there, corrections included.

    Raises:
        Trouble: the house is away, refuses, or has none.
    """
    arrivals: list[Arrival] = []
    params: dict[str, str | int] = {"limit": 200, "updated_after": start.isoformat()}
    while True:
        page = await house.ask("router", "GET", "/v1/mentions", params=params)
        for row in page["items"]:
            posted_at = datetime.fromisoformat(row["posted_at"])
            if row["state"] != "deleted" and posted_at >= start and (end is None or posted_at < end):
                arrivals.append(_stored(row, posted_at, handling))
        watch(len(arrivals))
        if not page.get("next_cursor"):
            break
        params["cursor"] = page["next_cursor"]
    if not arrivals:
        raise Trouble("the house has no mention of this time: give another --from and --to, or --traffic FILE")
    return Traffic(arrivals, start, end)


def _stored(row: Mapping[str, Any], posted_at: datetime, handling: Handling) -> Arrival:
    return heard(
        msgspec.convert(row["labels"], Labels),
        handling,
        network=row["network"],
        post_id=row["post_id"],
        handle=row["handle"],
        author_id=row["author_id"],
        thread_id=row["conversation_id"],  # what was one conversation stays one
        posted_at=posted_at,
        private=row["private"],
        team=row["team"],
    )


# --- times


def moment_of(text: str, option: str) -> datetime:
    """`2026-03-01`, `2026-03-01T08:00+01:00`; in UTC where there is no zone.

    Raises:
        Trouble: it is no time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Trouble(f"{option} {text!r} is no time: write 2026-03-01 or 2026-03-01T08:00+01:00", 2) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def handling_of(text: str) -> float:
    """Seconds of work: `240s`, `4 min`.

    Raises:
        Trouble: it is no span of time, or none at all.
    """
    seconds = seconds_of(text)
    if not seconds or seconds > 86_400:
        raise Trouble(f"--handling {text!r} is no such time: write 240s or 4min, up to 24h", 2)
    return float(seconds)
