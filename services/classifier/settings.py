"""What may differ between two deployments of the classifier."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import Port, Settings


class ClassifierSettings(Settings):
    """Variables begin with CLASSIFIER_; those all services have, with GUICHET_ too."""

    model_config = SettingsConfigDict(env_prefix="CLASSIFIER_")

    port: Port = 8002
    model: Annotated[Path | None, Field(description="A model file of `guichet train`; unset: the one that ships")] = (
        None
    )
