"""What may differ between two deployments of the classifier."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import Port, Settings, Span


class ClassifierSettings(Settings):
    """Variables begin with CLASSIFIER_; those all services have, with GUICHET_ too."""

    model_config = SettingsConfigDict(env_prefix="CLASSIFIER_")

    port: Port = 8002
    model: Annotated[Path | None, Field(description="A model file of `guichet train`; unset: the one that ships")] = (
        None
    )
    cascade_share: float = Field(
        default=0,
        ge=0,
        le=1,
        description="Share of the least sure posts that the encoder of `[cascade]` reads again; 0: off",
    )
    cascade_budget: Span = Field(
        default=timedelta(milliseconds=250),
        description="Time for that in one batch; what is left keeps its first labels",
    )
