"""Private messages between two people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.people import Account, People
from sandbox.refusals import refusal

KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `received`: it came over the API."""

    id: str
    text: str
    sender_id: str
    recipient_id: str
    created_at: datetime
    received: bool = False

    @property
    def conversation_id(self) -> str:
        """The two ids, the smaller first."""
        return conversation_of(self.sender_id, self.recipient_id)


def conversation_of(one: str, other: str) -> str:
    """The id of what two people write to each other."""
    return "-".join(sorted((one, other), key=lambda id_: (len(id_), id_)))


class Messages:
    """All of them, by the accounts that see them."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._all: dict[str, Message] = {}
        self._of: dict[str, list[Message]] = {}

    def may_write(self, sender: Account, recipient_id: str) -> None:
        """Let it pass.

        Raises:
            Refused: the recipient does not take messages of this account.
        """
        takes = self._people.takes_messages(recipient_id)
        wrote = any(message.sender_id == recipient_id for message in self.between(sender.id, recipient_id))
        if takes == "nobody" or (takes == "who_wrote" and not wrote) or recipient_id == sender.id:
            raise refusal("closed_messages")

    def keep(self, message: Message) -> None:
        """One more."""
        self._all[message.id] = message
        for account_id in {message.sender_id, message.recipient_id}:
            self._of.setdefault(account_id, []).append(message)

    def get(self, id_: str) -> Message | None:
        """The message of this id."""
        return self._all.get(id_)

    def delete(self, message: Message) -> None:
        """It is no longer there."""
        del self._all[message.id]
        for account_id in {message.sender_id, message.recipient_id}:
            self._of[account_id].remove(message)

    def between(self, one: str, other: str) -> Iterator[Message]:
        """What two people wrote to each other, oldest first."""
        wanted = conversation_of(one, other)
        return (message for message in self._of.get(one, ()) if message.conversation_id == wanted)

    def events(
        self, account_id: str, now: datetime, most: int, before: int, conversation_id: str | None = None
    ) -> tuple[Sequence[Message], bool]:
        """What an account sees with an id below `before`, newest first; and whether there is more."""
        found = [
            message
            for message in reversed(self._of.get(account_id, ()))
            if conversation_id in (None, message.conversation_id)
            and int(message.id) < before
            and now - message.created_at < KEPT_FOR
        ]
        return found[:most], len(found) > most

    def received(self) -> list[Message]:
        """What came over the API and is still there, newest first."""
        return [message for message in reversed(self._all.values()) if message.received]
