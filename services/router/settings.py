"""What may differ between two deployments of the router."""

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
