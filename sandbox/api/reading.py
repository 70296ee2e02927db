"""What reads have in common: ids, pages, and the fields that were asked for."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import AwareDatetime, Field

from sandbox.posts import Post
from sandbox.shapes import Asked, asked

PostId = Annotated[str, Field(pattern=r"^[0-9]{1,19}$")]
PageSize = Annotated[int, Query(ge=5, le=100)]
LARGEST = str(2**63)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which ids, the two left out, and which times, the later one left out."""

    after: int
    before: int
    start_time: AwareDatetime | None
    end_time: AwareDatetime | None

    def holds(self, post: Post) -> bool:
        """Whether the post was made between the times."""
        early = self.start_time is not None and post.created_at < self.start_time
        return not early and (self.end_time is None or post.created_at < self.end_time)


async def _asked(request: Request) -> Asked:
    return asked(request.query_params, request.app.state.network.behaviour.vocabulary)


async def _bounds(
    since_id: PostId = "0",
    until_id: PostId = LARGEST,
    pagination_token: PostId = LARGEST,
    next_token: PostId = LARGEST,
    start_time: AwareDatetime | None = None,
    end_time: AwareDatetime | None = None,
) -> Bounds:
    return Bounds(int(since_id), min(map(int, (until_id, pagination_token, next_token))), start_time, end_time)


AskedOf = Annotated[Asked, Depends(_asked)]
BoundsOf = Annotated[Bounds, Depends(_bounds)]
