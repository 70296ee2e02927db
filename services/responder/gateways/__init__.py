"""The social networks, one file each, and what every one of them promises."""

from collections.abc import Sequence
from typing import Protocol

from services.responder.domain.posting import Exchange
from services.responder.domain.recovery import OwnPost


class Gateway(Protocol):
    """A network we can post on."""

    async def post(self, handle: str, in_reply_to: str, text: str) -> Exchange:
        """Post the text as an answer, with one request that nothing repeats; never raises for what the network does.

        `NotSent` is a promise that there is no post.
        """

    async def own_posts_since(self, handle: str, post_id: str) -> Sequence[OwnPost]:
        """All posts of this handle's account after that one, newest first.

        Raises:
            Unavailable: they could not be read to the end; nothing follows from what is not among them.
        """
        ...

    async def close(self) -> None:
        """Let go of the connections."""
