"""FastStream, as its tutorial writes it (one message a call), or in batches with `batch`.

In batches `max_batch_size` is raised: with the default of 16 KiB `publish_batch` raises, and as offsets are committed
first by default, the batch would be lost.
"""
# mypy: ignore-errors

import sys

import asyncpg
import uvloop
from faststream import FastStream
from faststream.kafka import KafkaBroker
from pydantic import BaseModel

from bench.peer_apps import work

stage, in_batches = sys.argv[1], "batch" in sys.argv
more = {"max_batch_size": 1 << 20} if in_batches else {}
broker = KafkaBroker(work.KAFKA, acks="all", logger=None, **more)
app = FastStream(broker, logger=None)
common = {"group_id": f"{work.RUN}.{stage}", "auto_offset_reset": "earliest"}
many = {"batch": True, "max_records": work.BATCH} if in_batches else {}
postgres = {}


class Post(BaseModel):
    """Of the payload, what is needed."""

    id: str
    text: str
    author_id: str
    created_at: str


class Delivery(BaseModel):
    """The payload."""

    data: Post


class Mention(Post):
    """What goes on."""

    label: str


def classified(delivery: Delivery) -> Mention:
    """One."""
    return Mention(**delivery.data.model_dump(), label=work.classify(delivery.data.text))


if stage == "classify" and not in_batches:

    @broker.subscriber(work.RAW, **common)
    @broker.publisher(work.CLASSIFIED)
    async def on_delivery(delivery: Delivery) -> Mention:
        return classified(delivery)

elif stage == "classify":

    @broker.subscriber(work.RAW, **common, **many)
    @broker.publisher(work.CLASSIFIED, batch=True)
    async def on_deliveries(deliveries: list[Delivery]) -> list[Mention]:
        return [classified(each) for each in deliveries]

elif not in_batches:

    @broker.subscriber(work.CLASSIFIED, **common)
    @broker.publisher(work.ROUTED)
    async def on_mention(mention: Mention) -> Mention:
        await postgres["pool"].execute(work.INSERT_ONE, mention.id, mention.author_id, mention.text, mention.label)
        return mention

else:

    @broker.subscriber(work.CLASSIFIED, **common, **many)
    @broker.publisher(work.ROUTED, batch=True)
    async def on_mentions(mentions: list[Mention]) -> list[Mention]:
        await postgres["pool"].execute(
            work.INSERT_MANY,
            [m.id for m in mentions],
            [m.author_id for m in mentions],
            [m.text for m in mentions],
            [m.label for m in mentions],
        )
        return mentions


@app.on_startup
async def connect() -> None:
    """The database, for the stage that has one."""
    if stage == "route":
        postgres["pool"] = await asyncpg.create_pool(work.DATABASE, min_size=10, max_size=10)


if __name__ == "__main__":
    uvloop.run(app.run())
