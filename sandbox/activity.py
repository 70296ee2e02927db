"""Activity: which accounts' events a client asked for, and the events, in X's shapes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal

from sandbox.messages import Message
from sandbox.people import Account
from sandbox.posts import Post
from sandbox.shapes import moment, person, whole
from sandbox.state import Network

MOST = 1_500

EventType = Literal[
    "post.create",
    "post.delete",
    "post.mention.create",
    "post.reply.create",
    "post.quote.create",
    "dm.received",
    "dm.sent",
    "oauth.revoke",
]
PRIVATE = ("dm.received", "dm.sent", "oauth.revoke")


@dataclass(frozen=True, slots=True)
class Subscription:
    """One kind of event of one account; it goes to the streams, and to a webhook where one is named."""

    id: str
    event_type: EventType
    user_id: str
    created_at: datetime
    tag: str = ""
    webhook_id: str = ""

    def shown(self) -> dict[str, Any]:
        """As the network shows it."""
        fields = {
            "subscription_id": self.id,
            "event_type": self.event_type,
            "filter": {"user_id": self.user_id},
            "created_at": moment(self.created_at),
            "tag": self.tag,
            "webhook_id": self.webhook_id,
        }
        return {name: value for name, value in fields.items() if value}


class Activity:
    """All subscriptions. It hears what happens and tells it as events."""

    def __init__(self, network: Network, tell: Callable[[Subscription, dict[str, Any]], None]) -> None:
        self._network = network
        self._tell = tell
        self.subscriptions: dict[str, Subscription] = {}

    def on_post(self, post: Post) -> None:
        """See `Listener`."""
        parent = self._network.posts.get(post.in_reply_to)
        quoted = self._network.posts.get(post.quotes)
        concerned: dict[str, frozenset[str]] = {
            "post.create": frozenset({post.author_id}),
            "post.mention.create": self._named(post) - {post.author_id},
            "post.reply.create": frozenset({parent.author_id} if parent else ()) - {post.author_id},
            "post.quote.create": frozenset({quoted.author_id} if quoted else ()) - {post.author_id},
        }
        author = Account(post.author_id, post.username)
        includes = {"users": [person(author, self._network)], "tweets": []}
        for subscription in self._asked(*concerned):
            if subscription.user_id in concerned[subscription.event_type]:
                self._told(subscription, post.id, _with_twins(whole(self._network, post)), {"includes": includes})

    def on_deleted(self, post: Post) -> None:
        """See `Listener`."""
        author = person(Account(post.author_id, post.username), self._network)
        for subscription in self._asked("post.delete"):
            if subscription.user_id == post.author_id:
                payload = {"id": post.first_id, "author_id": post.author_id}
                self._told(subscription, post.first_id, payload, {"includes": {"users": [{"data": author}]}})

    def on_message(self, message: Message) -> None:
        """See `Listener`."""
        concerned = {"dm.received": message.recipient_id, "dm.sent": message.sender_id}
        for subscription in self._asked(*concerned):
            if subscription.user_id == concerned[subscription.event_type]:
                self._told(subscription, message.id, self._v1(message), {})

    def on_revoked(self, account: Account) -> None:
        """See `Listener`. The event has an empty filter."""
        for subscription in self._asked("oauth.revoke"):
            if subscription.user_id == account.id:
                at = moment(self._network.now())
                payload = {"user_id": account.id, "app_id": self._network.keys.app.client_id, "date_time": at}
                self._told(subscription, f"{account.id} {at}", payload, {"filter": {}})

    def _asked(self, *types: str) -> Iterator[Subscription]:
        return (each for each in list(self.subscriptions.values()) if each.event_type in types)

    def _named(self, post: Post) -> frozenset[str]:
        """Who is named in what the author wrote; the name the network puts in front of a reply does not count."""
        entities = whole(self._network, post).get("entities", {}).get("mentions", ())
        return frozenset(each["id"] for each in entities if each["start"] >= post.implicit)

    def _told(self, subscription: Subscription, about: str, payload: dict[str, Any], more: dict[str, Any]) -> None:
        data = {
            "event_uuid": _uuid(subscription, about),
            "filter": {"user_id": subscription.user_id},
            "event_type": subscription.event_type,
            "tag": subscription.tag,
            "payload": payload,
            **more,
        }
        self._tell(subscription, {"data": {name: value for name, value in data.items() if name != "tag" or value}})

    def _v1(self, message: Message) -> dict[str, Any]:
        """A private message still has the shape of version 1.1."""
        written = {
            "text": message.text,
            "entities": {"hashtags": [], "symbols": [], "user_mentions": [], "urls": []},
        }
        event = {
            "type": "message_create",
            "id": message.id,
            "created_timestamp": str(int(message.created_at.timestamp() * 1000)),
            "message_create": {
                "target": {"recipient_id": message.recipient_id},
                "sender_id": message.sender_id,
                "message_data": written,
            },
        }
        ids = (message.sender_id, message.recipient_id)
        people = {id_: {"data": person(found, self._network)} for id_ in ids if (found := self._network.people.of(id_))}
        return {"direct_message_events": [event], "users": people}


def _uuid(subscription: Subscription, about: str) -> str:
    """The same event has the same one, however often it comes; half of them are negative."""
    digest = blake2b(f"{subscription.id} {subscription.event_type} {about}".encode(), digest_size=8).digest()
    return str(int.from_bytes(digest, signed=True))


def _with_twins(post: dict[str, Any]) -> dict[str, Any]:
    """Each number has a twin of text beside it."""
    counts = post["public_metrics"]
    return post | {"public_metrics": counts | {f"{name}_str": str(value) for name, value in counts.items()}}
