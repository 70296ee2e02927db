"""What may differ between two sandboxes: `SANDBOX_...` in the environment."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.common.settings import Port, Span


class SandboxSettings(BaseSettings):
    """The sandbox's settings; it needs none of those of the house."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", frozen=True)

    host: str = "127.0.0.1"
    port: Port = 8009
    ledger: Path | None = Field(
        default=None, description="File that keeps its posts over a restart; none keeps nothing"
    )
    posts_per_window: int = Field(default=10_000, ge=0, description="Posts an account may make in a window; X says 100")
    window: Span = timedelta(minutes=15)
    duplicates_within: Span = Field(default=timedelta(minutes=15), description="The same text is refused for so long")
    log_level: str = "info"
