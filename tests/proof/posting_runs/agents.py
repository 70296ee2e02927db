"""Eight agents press Send at once on each of 300 mentions: one reply each, and seven who learn which."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.integration.responder.mentions import routed
from tests.proof.house import eventually
from tests.proof.posting_runs.house import House, ask
from tests.proof.posting_runs.play import SETTLE_SECONDS, Tell, rows_of
from tests.proof.routing.verdict import Verdict

AGENTS = 8
MENTIONS = 300
RESPONDERS = 2
AT_ONCE = 4  # mentions
ASK_SECONDS = 60.0


async def at_once(bus: str, database: str, folder: Path, tell: Tell, mentions: int = MENTIONS) -> list[Verdict]:
    """Played and judged."""
    async with House(folder, bus, database, RESPONDERS) as house:
        for ordinal in house.ordinals:
            house.start(ordinal)
        await house.ready()
        posts = await house.network.seed(mentions)
        await house.hear(*(routed(id_, key=f"key-{id_}", conversation_id=f"cnv_{id_}") for id_ in posts))
        room = asyncio.Semaphore(AT_ONCE)
        answers = await asyncio.gather(*(_eight(house, id_, room) for id_ in posts))
        tell(f"{AGENTS} agents pressed Send on {mentions} mentions over {RESPONDERS} responders")

        async def settled() -> bool:
            return all(row.state == "posted" for row in await rows_of(house))

        await eventually("every reply being posted", settled, SETTLE_SECONDS)
        rows, received = await rows_of(house), await house.network.received()
    once = Verdict("of eight who press Send at once one wins, and the others learn which reply it is")
    for id_, each in zip(posts, answers, strict=True):
        once.look(_one_won(each), f"{id_}: {each}")
    kept = Verdict("each mention has one reply, and the network one post for it")
    replies, counted = Counter(row.mention for row in rows), Counter(received["per_in_reply_to"])
    for id_ in posts:
        kept.look(replies[id_] == 1 == counted[id_], f"{id_}: {replies[id_]} replies, {counted[id_]} posts")
    statuses = Counter(status for each in answers for status, _ in each)
    tell(f"answers: {dict(statuses)}; posts on the network: {received['count']}")
    return [once, kept]


async def _eight(house: House, post_id: str, room: asyncio.Semaphore) -> Sequence[tuple[int, Any]]:
    async with room:
        return await asyncio.gather(
            *(
                ask(
                    house,
                    post_id,
                    f"Bonjour, on regarde ^A{n}",
                    agent=f"agent-{n}",
                    key=f"{post_id}-{n}",
                    seconds=ASK_SECONDS,
                )
                for n in range(AGENTS)
            )
        )


def _one_won(answers: Sequence[tuple[int, Any]]) -> bool:
    won = [answer["id"] for status, answer in answers if status == 202]
    lost = [answer.get("reply_id") for status, answer in answers if status == 409]
    return len(won) == 1 and lost == won * (AGENTS - 1)
