"""The floor: aiokafka in batches, msgspec, one insert a batch. No retries, dead letters, headers or metrics."""

import asyncio
import sys

import asyncpg
import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.kafka import Message, send_all
from bench.peer_apps import work


class Post(msgspec.Struct, gc=False):
    """Of the payload, what is needed."""

    id: str
    text: str
    author_id: str
    created_at: str


class Delivery(msgspec.Struct, gc=False):
    """The payload."""

    data: Post


class Mention(msgspec.Struct, gc=False):
    """What goes on."""

    id: str
    text: str
    author_id: str
    created_at: str
    label: str


_delivery = msgspec.json.Decoder(Delivery).decode
_mention = msgspec.json.Decoder(Mention).decode
_encode = msgspec.json.Encoder().encode


def _classified(value: bytes) -> bytes:
    post = _delivery(value).data
    return _encode(Mention(post.id, post.text, post.author_id, post.created_at, work.classify(post.text)))


async def main(stage: str) -> None:
    """For ever."""
    source, target = (work.RAW, work.CLASSIFIED) if stage == "classify" else (work.CLASSIFIED, work.ROUTED)
    consumer = AIOKafkaConsumer(
        source,
        bootstrap_servers=work.KAFKA,
        group_id=f"{work.RUN}.{stage}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=1 << 20,
    )
    producer = AIOKafkaProducer(bootstrap_servers=work.KAFKA, acks="all", linger_ms=0, max_batch_size=512 * 1024)
    await consumer.start()
    await producer.start()
    await producer.partitions_for(target)
    postgres = await asyncpg.connect(work.DATABASE) if stage == "route" else None
    while True:
        found = await consumer.getmany(timeout_ms=1000, max_records=work.BATCH)
        if not found:
            continue
        if postgres is None:
            out = {place: [Message(r.key, _classified(r.value)) for r in records] for place, records in found.items()}
        else:
            some = [_mention(r.value) for records in found.values() for r in records]
            await postgres.execute(
                work.INSERT_MANY,
                [m.id for m in some],
                [m.author_id for m in some],
                [m.text for m in some],
                [m.label for m in some],
            )
            out = {place: [Message(r.key, r.value) for r in records] for place, records in found.items()}
        await asyncio.gather(*[send_all(producer, target, place.partition, few) for place, few in out.items()])
        await consumer.commit({place: records[-1].offset + 1 for place, records in found.items()})


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
