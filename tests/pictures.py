"""`python -m tests.pictures [SECONDS]`: draws the dashboards for the docs, from the demo and made-up months of work.

Needs PostgreSQL, Prometheus and Chromium. It takes as long as the lines in the pictures are.
"""

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from deploy.grafana.ask import Source, Span
from deploy.grafana.draw import draw
from tests.months import batches
from tests.report_house import as_role, with_past, with_roles
from tests.servers import NotFound, Postgres
from tests.watched import seen, until, watched

SECONDS = 420


async def _past(url: str) -> None:
    await with_roles(url)
    await with_past(url, batches(datetime.now(UTC), a_day=60))


def main() -> int:
    """Draw them; returns the exit status."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            folder = Path(name)
            with Postgres.start(folder / "postgres", settings={"fsync": "off"}) as postgres:
                url = postgres.create_database("guichet")
                asyncio.run(_past(url))
                with watched(folder) as prometheus:
                    until(seen(prometheus, seconds), 2 * seconds + 60)
                    now = time.time()
                    source = Source(prometheus.url, as_role(url, "reports"), Span(now - seconds, now))
                    empty = asyncio.run(draw(source))
    except (NotFound, FileNotFoundError) as missing:
        print(f"needs {missing}", file=sys.stderr)
        return 1
    for place in empty:
        print(f"nothing to show: {place}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
