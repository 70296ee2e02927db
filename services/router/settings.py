"""What may differ between two deployments of the router."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import Port, Settings


class RouterSettings(Settings):
    """The router's settings; variables begin with ROUTER_."""

    model_config = SettingsConfigDict(env_prefix="ROUTER_", frozen=True, extra="forbid")

    port: Port = 8003
    proxies: int = Field(
        default=0, ge=0, le=5, description="Trusted proxies before the public page, each adding X-Forwarded-For"
    )
    pool_size: int = Field(default=8, ge=2, le=100, description="Connections to PostgreSQL")
    post_budgets: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default={"x": 100, "bluesky": 416, "mastodon": 900},
        description="By network, how many replies each handle may post in 15 minutes: no wait is promised that is"
        " faster; a network that is not named has no limit",
    )
