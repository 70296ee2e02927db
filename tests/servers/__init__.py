"""Real servers for the tests: Apache Kafka from its published jars, PostgreSQL from its binaries."""

from tests.servers.kafka import KafkaCluster
from tests.servers.postgres import Postgres
from tests.servers.processes import NotFound, NotStarted

__all__ = ["KafkaCluster", "NotFound", "NotStarted", "Postgres"]
