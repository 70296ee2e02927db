"""The rules as Prometheus' own tool reads them, and their unit tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "deploy" / "prometheus"

pytestmark = pytest.mark.prometheus


def test_the_configuration_and_its_rules_are_valid(tool: Callable[..., str]) -> None:
    said = tool("check", "config", FOLDER / "prometheus.yml")
    assert "2 rule files found" in said
    tool("check", "rules", *sorted((FOLDER / "rules").glob("*.yml")))


@pytest.mark.parametrize("file", sorted((FOLDER / "tests").glob("*.yml")), ids=lambda path: path.stem)
def test_the_rules_say_what_they_should(tool: Callable[..., str], file: Path) -> None:
    tool("test", "rules", file)
