"""The demo, watched by a real Prometheus with the committed configuration."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.cli.command import running
from tests.servers.prometheus import Prometheus

ROOT = Path(__file__).parents[1]
SPEED = 240


@contextmanager
def watched(folder: Path) -> Iterator[Prometheus]:
    """Asked every second, so that a rate has a past soon.

    Raises:
        NotFound: there is no Prometheus.
    """
    with running("demo", "--plain", "--speed", str(SPEED), data=folder / "demo") as (process, standing, _):
        text = (ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8")
        for port, service in enumerate(("ingest", "classifier", "router", "responder"), 8001):
            text = text.replace(f"127.0.0.1:{port}", standing.addresses[service].removeprefix("http://"))
        text = re.sub(r"(_interval:) 15s", r"\1 1s", text)
        text = text.replace("rules/", f"{ROOT}/deploy/prometheus/rules/")
        (folder / "prometheus.yml").write_text(text)
        with Prometheus.start(folder / "server", folder / "prometheus.yml") as server:
            yield server
            assert process.poll() is None, "the demo broke off"


def until(true: Callable[[], bool], seconds: float) -> None:
    """Ask until it is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.5)


def seen(server: Prometheus, seconds: int) -> Callable[[], bool]:
    """Whether every service was asked for so long."""
    return lambda: bool(server.query(f"min(count_over_time(up[1h])) >= {seconds}"))
