"""Who hears what happens on the network."""

from typing import Protocol

from sandbox.messages import Message
from sandbox.people import Account
from sandbox.posts import Post


class Listener(Protocol):
    """Hears at once what happens on the network."""

    def on_post(self, post: Post) -> None:
        """Somebody posted, or changed a post."""

    def on_deleted(self, post: Post) -> None:
        """A post is gone, in all its versions."""

    def on_message(self, message: Message) -> None:
        """Somebody wrote a private message."""

    def on_revoked(self, account: Account) -> None:
        """An account no longer lets the client act for it."""
