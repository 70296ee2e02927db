"""Prometheus and its tool, where they can be had; with CI=true they must be."""

import os
from collections.abc import Callable

import pytest

from tests.servers.processes import NotFound
from tests.servers.prometheus import promtool


@pytest.fixture
def tool() -> Callable[..., str]:
    """Runs promtool and gives what it said; a test fails where it is not content."""
    had()

    def run(*arguments: object) -> str:
        ended = promtool(*map(str, arguments))
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return run


@pytest.fixture
def prometheus_there() -> None:
    """Without it the test is skipped, loudly."""
    had()


def had() -> None:
    """Fail or skip where there is no Prometheus."""
    try:
        promtool("--version")
    except NotFound as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI has everything, but not this: {missing}", pytrace=False)
        pytest.skip(f"NOT PROVEN HERE, for want of {missing}")
