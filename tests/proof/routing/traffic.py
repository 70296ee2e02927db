"""What people write in the story, the same for the same seed: in three languages, urgent or not, and often again."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from libs.common.bus import Record, conversation_key, partition_of
from libs.common.events import Event, Intent, Labels, MentionClassified, Reach, ReplyPosted, Urgency
from libs.common.outbox import record_of
from services.router.ids import typed_id

NETWORK = "x"
PARTITIONS = 12
PER_PERSON = 3  # messages, about
BEFORE = timedelta(hours=9)  # the oldest post is so much older than the story
_SECRET = b"a secret of the story"
_URGENCIES: tuple[Urgency, ...] = ("critical", "high", "normal", "low", "none")
_INTENTS: dict[str, Intent] = {
    "critical": "complaint", "high": "complaint", "normal": "assistance_request", "low": "information_request",
    "none": "praise_thanks",
}  # fmt: skip
_TOPICS = ("cancellation_refund", "account_access", "delivery_delay", "billing", "opening_hours")


class Written(Struct, frozen=True, gc=False):
    """What the agents need to know of a post to answer it."""

    post_id: str
    author_id: str
    handle: str


class Traffic:
    """Posts, and by the item that each would open what an answer needs."""

    def __init__(self, mentions: int, seed: int) -> None:
        self.mentions = mentions
        self._chance = random.Random(seed)
        self._people = max(1, mentions // PER_PERSON)
        self.of_item: dict[str, Written] = {}
        self.post_ids: set[str] = set()
        self.replies = 0

    def posts(self, count: int, now: datetime, *, backlog: bool) -> Iterator[Record]:
        """So many further ones: of the hours before, or of just now."""
        for _ in range(count):
            age = BEFORE * self._chance.random() ** 2 if backlog else timedelta(seconds=self._chance.random() * 30)
            yield self._post(now - age, now)

    def _post(self, posted_at: datetime, now: datetime) -> Record:
        chance = self._chance
        person = chance.randrange(self._people)
        author = f"p{person}"
        handle = "nordline" if person % 4 == 0 else "mainline"
        urgency = chance.choices(_URGENCIES, (2, 18, 45, 25, 10))[0]
        post_id = str(len(self.post_ids) + 1)
        self.post_ids.add(post_id)
        self.of_item[typed_id("itm", posted_at, NETWORK, post_id)] = Written(post_id, author, handle)
        labels = Labels(
            language=("fr", "en", "es", "fr", "en")[person % 5],
            intent=_INTENTS[urgency],
            needs_response=True,
            urgency=urgency,
            reasons=("fraud",) if urgency == "critical" else (),
            topics=(chance.choice(_TOPICS),),
            confidence={"intent": 0.9},
            decision="set_aside" if chance.random() < 0.03 else "automatic",
        )
        event = MentionClassified(
            event_id=f"{int(post_id):030x}",
            occurred_at=now,
            key=key_of(author),
            network=NETWORK,
            post_id=post_id,
            handle=handle,
            author_id=author,
            author_username=author,
            text=f"post {post_id}",
            posted_at=posted_at,
            received_at=now,
            thread_id=f"t{person}",
            reach=Reach(followers=chance.randrange(1000)),
            team="nord" if handle == "nordline" else "main",
            labels=labels,
        )
        return _record(event)

    def reply(self, written: Written, agent: str, now: datetime) -> Record:
        """An answer of ours that the network has."""
        self.replies += 1
        number = self.replies
        return _record(
            ReplyPosted(
                event_id=f"r{number:029x}",
                occurred_at=now,
                key=key_of(written.author_id),
                reply_id=f"rep_{number}",
                network=NETWORK,
                post_id=f"own-{number}",
                in_reply_to=written.post_id,
                handle=written.handle,
                author_id=written.author_id,
                agent=agent,
                text="Voilà",
                posted_at=now,
            )
        )


def key_of(author: str) -> str:
    """All of one person stays in order."""
    return conversation_key(_SECRET, NETWORK, author)


def _record(event: Event) -> Record:
    return record_of(event, "classifier", partition_of(event.key.encode(), PARTITIONS))
