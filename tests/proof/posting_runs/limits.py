"""Four responders at full load on a network that allows little: its limits are never exceeded, and all goes out."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.integration.responder.mentions import routed
from tests.proof.house import eventually
from tests.proof.posting_runs.house import House, ask
from tests.proof.posting_runs.play import Tell, rows_of
from tests.proof.routing.verdict import Verdict

RESPONDERS = 4
PUBLIC, PRIVATE = 300, 100
WINDOW_SECONDS = 6
PUBLIC_A_WINDOW, PRIVATE_A_WINDOW = 60, 20
ASK_SECONDS = 60.0
SETTLE_SECONDS = 300.0
_MESSAGE = "POST /2/dm_conversations/with/:participant_id/messages"
_POST = "POST /2/tweets"


async def at_full_load(
    bus: str, database: str, folder: Path, tell: Tell, public: int = PUBLIC, private: int = PRIVATE
) -> list[Verdict]:
    """Played and judged."""
    allowed = {"SANDBOX_POSTS_PER_WINDOW": str(PUBLIC_A_WINDOW), "SANDBOX_WINDOW": f"{WINDOW_SECONDS}s"}
    async with House(folder, bus, database, RESPONDERS, sandbox=allowed) as house:
        await house.network.behave(limits={_MESSAGE: PRIVATE_A_WINDOW})
        for ordinal in house.ordinals:
            house.start(ordinal)
        await house.ready()
        posts = await house.network.seed(public + private)
        await house.hear(*(_mention(id_, n, private=n >= public) for n, id_ in enumerate(posts)))
        began = time.monotonic()
        asked = (ask(house, id_, f"Réponse {id_} ^Ana", key=id_, seconds=ASK_SECONDS) for id_ in posts)
        answers = await asyncio.gather(*asked)
        tell(f"{len(posts)} replies asked for, {Counter(status for status, _ in answers)[202]} accepted")

        async def settled() -> bool:
            return all(row.state == "posted" for row in await rows_of(house))

        await eventually("every reply being posted", settled, SETTLE_SECONDS)
        seconds, received = time.monotonic() - began, await house.network.received()
        rows = await rows_of(house)
    calls: dict[str, int] = received["calls"]
    for endpoint, a_window in ((_POST, PUBLIC_A_WINDOW), (_MESSAGE, PRIVATE_A_WINDOW)):
        told = ", ".join(f"{n} x {call[-3:]}" for call, n in calls.items() if call.startswith(endpoint))
        tell(f"{endpoint}, {a_window} in {WINDOW_SECONDS} s allowed: {told}; {seconds:.0f} s")
    return _judged(posts, public, rows_by_mention=Counter(row.mention for row in rows), received=received)


def _mention(id_: str, n: int, *, private: bool) -> Any:
    return routed(id_, key=f"key-{n}", author_id=str(10_000 + n), conversation_id=f"cnv_{n}", private=private)


def _judged(posts: list[str], public: int, rows_by_mention: Counter[str], received: Any) -> list[Verdict]:
    calls: dict[str, int] = received["calls"]
    limits = Verdict("no request was above the network's limit")
    for endpoint in (_POST, _MESSAGE):
        above = calls.get(f"{endpoint} 429", 0)
        limits.looked_at += sum(n for call, n in calls.items() if call.startswith(endpoint))
        if above:
            limits.breaks(f"{endpoint}: {above} answered with 429")
            limits.broken += above - 1
    once = Verdict("each reply is out once")
    counted = Counter(received["per_in_reply_to"])
    for id_ in posts[:public]:
        once.look(rows_by_mention[id_] == 1 == counted[id_], f"{id_}: {counted[id_]} posts")
    texts = Counter(message["text"] for message in received["messages"])
    for id_ in posts[public:]:
        once.look(rows_by_mention[id_] == 1 == texts[f"Réponse {id_} ^Ana"], f"{id_}: messages {texts}")
    return [limits, once]
