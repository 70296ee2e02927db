"""`python -m deploy.grafana.generate [--check]`: writes the dashboards from the code, or says what differs from it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from deploy import files
from deploy.grafana import latency, networks, pipeline, queues, understanding
from deploy.grafana.boards import Board

FOLDER = Path(__file__).parent / "dashboards"

BOARDS: Sequence[Board] = (queues.BOARD, latency.BOARD, pipeline.BOARD, understanding.BOARD, networks.BOARD)


def wanted() -> dict[str, str]:
    """File name -> content."""
    return {f"{board.slug}.json": board.json() for board in BOARDS}


if __name__ == "__main__":
    sys.exit(files.run("python -m deploy.grafana.generate", FOLDER, wanted()))
