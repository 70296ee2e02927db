"""What of the network's behaviour can be switched while it runs."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Behaviour(BaseModel):
    """The switches; each has a default under which nothing stands in the way."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: Literal["enterprise", "self_serve"] = Field(
        default="enterprise",
        description="self_serve: only who was summoned may reply, one cashtag, no quotes, no unasked mentions",
    )
    longest: Annotated[int, Field(ge=1, le=25_000)] = Field(default=280, description="Weighted length of a post")
    vocabulary: Literal["asked", "old", "new"] = Field(
        default="asked", description="asked: new names for who asks with post.fields, old ones for the others"
    )
    keep_alive_seconds: Annotated[float, Field(gt=0, le=3_600)] = Field(
        default=20, description="An empty line after so long"
    )
    chunk_bytes: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="A stream's lines come in pieces of this size"
    )
    most_rules: Annotated[int, Field(ge=0)] = Field(default=1_000, description="Rules of the filtered stream")
    subscription_answer: Literal["list", "object", "nested"] = Field(
        default="list", description="X's pages show three answers to a new subscription"
    )
    webhook_urls: Literal["any", "public"] = Field(
        default="any", description="public: https, a public name, no port, as on X"
    )
    limits: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default={}, description="Requests a window, by endpoint as X spells it, instead of X's own figure"
    )
