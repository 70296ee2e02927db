"""HTTP: how long a text is by the network's own rule."""

from typing import Annotated, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from libs.common.auth import Caller, needs
from services.responder.domain.length import Fault, Length, Limits, Network, measure


class Text(BaseModel):
    """What somebody is writing, as far as they are."""

    model_config = ConfigDict(extra="forbid")

    network: Network
    text: str


class LengthAnswer(BaseModel):
    """How long it is, in the network's own unit."""

    length: int = Field(description="X: weighted; Mastodon: characters, a link 23; Bluesky: graphemes")
    limit: int
    valid: bool = Field(description="The network would take it as it is")
    valid_prefix: int = Field(description="So many of its first code points fit; no link and no emoji is cut")
    fault: Fault | None = Field(None, description="Why it is not valid; `too_many_bytes`: Bluesky takes 3000")

    @classmethod
    def of(cls, length: Length) -> Self:
        return cls.model_validate(length, from_attributes=True)


def length_routes(limits: Limits) -> APIRouter:
    """`/v1/length`."""
    routes = APIRouter(prefix="/v1", tags=["replies"])

    @routes.post("/length")
    def length(wish: Text, caller: Annotated[Caller, needs("replies:read")]) -> LengthAnswer:
        """How long a text is, and how much of it fits. Nothing is kept."""
        return LengthAnswer.of(measure(wish.text, wish.network, limits))

    return routes
