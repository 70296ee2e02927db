"""Start Kafka or PostgreSQL in the foreground: python -m tests.servers kafka, or postgres."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from tests.servers.kafka import KafkaCluster
from tests.servers.postgres import Postgres
from tests.servers.processes import ROOT, NotFound, NotStarted

KAFKA_PORT = 9092
POSTGRES_PORT = 5432


def main() -> int:
    """Start what is asked for, say where it is, and stop it on Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    which = parser.add_subparsers(dest="server", required=True)
    kafka = which.add_parser("kafka", help="Apache Kafka, from its published jars")
    kafka.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    postgres = which.add_parser("postgres", help="PostgreSQL, from the installed binaries")
    for one in (kafka, postgres):
        one.add_argument("--folder", type=Path, help="keeps the data between two starts; default: in .cache/dev")
    arguments = parser.parse_args()

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that both also end a start half-way
    try:
        server: KafkaCluster | Postgres
        if arguments.server == "kafka":
            name = "kafka" if arguments.brokers == 1 else f"kafka-{arguments.brokers}"
            folder = arguments.folder or ROOT / ".cache" / "dev" / name
            server = KafkaCluster.start(folder, arguments.brokers, port=KAFKA_PORT)
            address, use = server.bootstrap, f"guichet up --bus kafka://{server.bootstrap}"
        else:
            folder = arguments.folder or ROOT / ".cache" / "dev" / "postgres"
            server = Postgres.start(folder, POSTGRES_PORT)
            address, use = server.url, f"guichet up --database {server.url}"
        with server:
            print(f"{address}: {use} (Ctrl-C ends it, its data stays in {folder})", flush=True)
            while server.running:
                time.sleep(1)
        print(f"{arguments.server} has ended by itself; its log is in {folder}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    except NotFound as missing:
        print(f"needs {missing}", file=sys.stderr)
        return 1
    except NotStarted as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
