"""What may differ between two deployments of ingest."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import Port, Settings


class IngestSettings(Settings):
    """Variables begin with INGEST_; those all services have, with GUICHET_ too."""

    model_config = SettingsConfigDict(env_prefix="INGEST_")

    port: Port = 8001
    file: Path | None = Field(None, description="A file of X-shaped NDJSON to read and to follow as it grows")
