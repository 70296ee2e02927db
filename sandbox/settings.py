"""What may differ between two sandboxes: `SANDBOX_...` in the environment."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.common.errors import Misconfigured
from libs.common.settings import Port, Span
from sandbox.auth import Credentials
from sandbox.behaviour import Behaviour


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
    duplicates_within: Span = Field(
        default=timedelta(minutes=15), description="The same text is refused for so long; `0s`: never"
    )
    plan: Literal["enterprise", "self_serve"] = Field(
        default="enterprise", description="self_serve: X's rules of 2026, only who was summoned may reply"
    )
    longest: int = Field(default=280, ge=1, le=25_000, description="Weighted length of a post")
    credentials: Path | None = Field(
        default=None, description="JSON file of the keys and tokens that are accepted; without one every bearer is"
    )
    log_level: str = "info"

    def behaviour(self) -> Behaviour:
        """The switches it starts with."""
        return Behaviour(plan=self.plan, longest=self.longest)

    def read_credentials(self) -> Credentials | None:
        """Those of the file; None where there is none.

        Raises:
            Misconfigured: it cannot be read.
        """
        if self.credentials is None:
            return None
        try:
            return Credentials.model_validate_json(self.credentials.read_text("utf-8"))
        except OSError as error:
            raise Misconfigured(f"SANDBOX_CREDENTIALS: {self.credentials}: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise Misconfigured(f"SANDBOX_CREDENTIALS: {self.credentials}: {where}: {first['msg']}") from None
