"""Made-up bilingual posts about a made-up airline, the same for the same seed."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from libs.common.bus import conversation_key, partition_of
from libs.common.events import Labels, MentionClassified, MentionReceived, Reach

SECRET = b"a secret for benchmarks"
HANDLE = "skylark"
NETWORK = "x"
PARTITIONS = 12
POOL = 3000  # distinct texts; ids and authors are distinct for ever
# older ones would come in late, all of them
FIRST_POST = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)

_WHO = {
    "en": ["hi", "hello there", "seriously,", "ok", "so", "hey", "dear team,", "well", "again:", "quick question:"],
    "fr": ["bonjour", "salut", "franchement,", "bon", "alors", "hé", "chère équipe,", "bref", "encore :", "question :"],
    "es": ["hola", "buenas", "de verdad,", "a ver"],
}
_WHAT = {
    "en": [
        "my bag never came out in Porto", "flight SK{n} has been on the tarmac for {n} minutes", "the app logs me out",
        "still no refund after {n} days", "the crew on row {n} was wonderful today", "seat {n}A will not recline",
        "nobody answers at desk {n}", "can I bring a cello on board", "my booking shows the wrong name",
        "you charged my card twice", "the lounge is closed without a word", "is the {n}:40 still going",
        "my grandmother waits alone at gate {n}", "the vegetarian meal had ham in it", "thanks for the free upgrade",
    ],
    "fr": [
        "ma valise n'est jamais sortie à Porto", "le vol SK{n} est bloqué en piste depuis {n} minutes",
        "l'appli me déconnecte", "toujours pas remboursé après {n} jours", "équipage du rang {n} adorable aujourd'hui",
        "le siège {n}A ne s'incline pas", "personne ne répond au comptoir {n}", "puis-je prendre un violoncelle à bord",
        "ma réservation porte le mauvais nom", "vous avez débité ma carte deux fois", "le salon est fermé sans un mot",
        "est-ce que le {n}h40 part toujours", "ma grand-mère attend seule porte {n}",
        "il y avait du jambon dans le repas végétarien", "merci pour le surclassement offert",
    ],
    "es": [
        "mi maleta no salió en Oporto", "el vuelo SK{n} lleva {n} minutos parado", "la app me echa cada vez",
        "sin reembolso después de {n} días", "gracias por el asiento mejor",
    ],
}  # fmt: skip
_END = {
    "en": ["", "help please", "this is the third time I write", "what now?", "we miss our connection", "never again"],
    "fr": ["", "aidez-moi svp", "c'est mon 3e message", "et maintenant ?", "on rate la correspondance", "plus jamais"],
    "es": ["", "ayuda por favor", "¿y ahora?"],
}


class Posts:
    """Posts of persons nobody has seen before, in the order they were written. Two of one seed are alike."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._number = seed * 100_000_000
        self._pool = [self._text() for _ in range(POOL)]
        self._labels = [_labels(language, self._random) for language, _ in self._pool]

    def skip(self, count: int) -> int:
        """Leave out so many; the number of the first of them."""
        first = self._number
        self._number += count
        return first

    def classified(self, count: int) -> list[MentionClassified]:
        """As the classifier tells them; every one needs an answer."""
        return [self._classified(number) for number in self._numbers(count)]

    def received(self, count: int) -> list[MentionReceived]:
        """As ingest tells them, the network's payload included."""
        return [self._received(number) for number in self._numbers(count)]

    def payloads(self, count: int) -> list[bytes]:
        """As a tool hands them to ingest: about 400 bytes."""
        return [msgspec.json.encode(self._payload(number)) for number in self._numbers(count)]

    def deliveries(self, count: int) -> list[tuple[bytes, bytes]]:
        """Key and value as X's stream delivers them: about 1.1 KB."""
        return [
            (_common(number)["key"].encode(), msgspec.json.encode(self._delivery(number)))
            for number in self._numbers(count)
        ]

    def _numbers(self, count: int) -> Iterator[int]:
        first = self.skip(count)
        return iter(range(first, first + count))

    def _text(self) -> tuple[str, str]:
        chance = self._random
        language = chance.choices(("en", "fr", "es"), (48, 48, 4))[0]
        words = [chance.choice(_WHO[language])]
        words += chance.sample(_WHAT[language], chance.choice((1, 1, 1, 2)))
        words.append(chance.choice(_END[language]))
        at = chance.choice((0, len(words)))
        words.insert(at, f"@{HANDLE}")
        return language, " ".join(word for word in words if word).replace("{n}", str(chance.randrange(10, 60)))

    def _payload(self, number: int) -> dict[str, Any]:
        language, text = self._pool[number % POOL]
        return {
            "network": NETWORK,
            "id": str(2_000_000_000_000_000_000 + number),
            "text": text,
            "author": {"id": str(7_000_000_000 + number), "username": f"person{number}", "followers": number % 977},
            "handle": HANDLE,
            "posted_at": posted_at(number).isoformat().replace("+00:00", "Z"),
            "language": language,
            "reach": {"reposts": number % 3, "likes": number % 17, "replies": number % 2, "quotes": 0},
        }

    def _delivery(self, number: int) -> dict[str, Any]:
        """In the shape of X's API, version 2."""
        payload = self._payload(number)
        post, person, at = payload["id"], payload["author"], payload["posted_at"]
        likes = {"retweet_count": number % 3, "reply_count": number % 2, "like_count": number % 17, "quote_count": 0}
        followers = {"followers_count": number % 977, "following_count": 211, "tweet_count": 4021, "listed_count": 2}
        return {
            "data": {
                "id": post,
                "text": payload["text"],
                "author_id": person["id"],
                "conversation_id": post,
                "lang": payload["language"],
                "created_at": at,
                "edit_history_tweet_ids": [post],
                "possibly_sensitive": False,
                "reply_settings": "everyone",
                "entities": {
                    "mentions": [{"start": 0, "end": 8, "username": HANDLE, "id": "7000000000000000001"}],
                    "hashtags": [{"start": 20, "end": 28, "tag": "airport"}],
                    "urls": [
                        {"start": 30, "end": 53, "url": "https://t.co/aaaaaaaaaa",
                         "expanded_url": "https://skylark.example/photos/1", "display_url": "skylark.example/photos/1"}
                    ],
                },
                "public_metrics": {**likes, "bookmark_count": 0, "impression_count": number % 900},
            },
            "includes": {
                "users": [
                    {"id": person["id"], "name": "Some Person", "username": person["username"], "verified": False,
                     "created_at": "2015-01-01T00:00:00.000Z", "public_metrics": followers}
                ]
            },
            "matching_rules": [{"id": "1166916266197536768", "tag": "skylark-mentions"}],
        }  # fmt: skip

    def _received(self, number: int) -> MentionReceived:
        payload = self._payload(number)
        return MentionReceived(
            **_common(number),
            handle=HANDLE,
            text=payload["text"],
            language_hint=payload["language"],
            received_at=posted_at(number) + timedelta(seconds=2),
            reach=Reach(number % 977, None, number % 3, 0, number % 17, number % 2),
            raw=msgspec.Raw(msgspec.json.encode(self._delivery(number))),
        )

    def _classified(self, number: int) -> MentionClassified:
        return MentionClassified(
            **_common(number),
            handle=HANDLE,
            text=self._pool[number % POOL][1],
            received_at=posted_at(number) + timedelta(seconds=2),
            reach=Reach(number % 977, None, number % 3, 0, number % 17, number % 2),
            labels=self._labels[number % POOL],
        )


def posted_at(number: int) -> datetime:
    """Ten posts a millisecond, from a minute ago."""
    return FIRST_POST + timedelta(microseconds=number * 100 % 600_000_000)


def partition(key: str) -> int:
    """Where all that concerns this person stands in each topic."""
    return partition_of(key.encode(), PARTITIONS)


def _common(number: int) -> dict[str, Any]:
    author = str(7_000_000_000 + number)
    return {
        "event_id": f"{number:030x}",
        "occurred_at": posted_at(number) + timedelta(seconds=2),
        "key": conversation_key(SECRET, NETWORK, author),
        "traceparent": f"00-{number:032x}-{number % 2**63 + 1:016x}-01",
        "network": NETWORK,
        "post_id": str(2_000_000_000_000_000_000 + number),
        "author_id": author,
        "author_username": f"person{number}",
        "posted_at": posted_at(number),
    }


def _labels(language: str, chance: random.Random) -> Labels:
    confidence = {head: round(chance.uniform(0.4, 0.99), 3) for head in ("intent", "needs_response", "sentiment")}
    return Labels(
        language=language,
        intent=chance.choice(("complaint", "assistance_request", "information_request", "praise_thanks")),
        needs_response=True,
        urgency=chance.choices(("critical", "high", "normal", "low"), (2, 18, 60, 20))[0],
        reasons=("intent",),
        sentiment=chance.choice(("negative", "neutral", "positive")),
        topics=("baggage",),
        confidence=confidence,
        model="guichet-1",
    )
