"""The social networks, one file each, and what every one of them promises."""

from collections.abc import Sequence
from typing import Protocol

from services.responder.domain.posting import ByHand, Exchange
from services.responder.domain.recovery import OwnPost
from services.responder.domain.replies import Reply

POST, MESSAGE = "post", "message"
"""What a network counts apart: public posts and private messages."""


class Gateway(Protocol):
    """A network we can post on.

    What a network says comes in one shape, X's, whatever its own is: the post's id in `data.id`, its words about a
    failure in `detail`, what is left in `x-rate-limit-*` with the reset in Unix seconds.
    """

    def operation(self, *, private: bool) -> str:
        """Whose limit a reply takes from: `post` or `message`."""
        ...

    async def post(self, reply: Reply) -> Exchange | ByHand:
        """Post the text as an answer, with one request that nothing repeats; never raises for what the network does.

        A request that was answered 401 is made once more where its token could be renewed. `NotSent` and `ByHand` are
        promises that there is no post.
        """
        ...

    async def look(self, reply: Reply) -> Sequence[OwnPost]:
        """The posts or messages of ours that this reply may be, newest first.

        Raises:
            Unavailable: they could not be read to the end; nothing follows from what is not among them.
        """
        ...

    async def probe(self, handle: str) -> None:
        """Return when the network lets this account read again: a read, never a post.

        Raises:
            Unavailable: not yet.
        """
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...
