"""The real parts tests may ask for: started once a session, and only when a test asks."""

import itertools
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from libs.common import faults
from libs.common.bus import Bus
from tests.buses import Buses, InMemory, OnFile, OnKafka
from tests.servers import KafkaCluster, NotFound, Postgres

Server = TypeVar("Server", KafkaCluster, Postgres)

_NOT_PROVEN = "NOT PROVEN HERE, for want of"
_names = (f"t{n}" for n in itertools.count(1))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """One broker for the whole session; a test that stops it starts it again."""
    with _had(lambda: KafkaCluster.start(tmp_path_factory.mktemp("kafka"))) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One server for the whole session, not durable: for all but tests that crash it."""
    fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
    with _had(lambda: Postgres.start(tmp_path_factory.mktemp("postgres"), settings=fast)) as server:
        yield server


@pytest.fixture
def kafka_to_crash(tmp_path: Path) -> Iterator[KafkaCluster]:
    """A broker of the test's own: Guichet's topics have fixed names."""
    with _had(lambda: KafkaCluster.start(tmp_path / "kafka")) as cluster:
        yield cluster


@pytest.fixture
def postgres_to_crash(tmp_path: Path) -> Iterator[Postgres]:
    """A server of the test's own, as durable as in production."""
    with _had(lambda: Postgres.start(tmp_path / "postgres")) as server:
        yield server


@pytest.fixture
def postgres_with_commit_times(tmp_path: Path) -> Iterator[Postgres]:
    """A server of the test's own that says when each row was committed."""
    with _had(lambda: Postgres.start(tmp_path / "postgres", settings={"track_commit_timestamp": "on"})) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of the test's own, as `connect` takes it; the test runs on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database(next(_names))


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """An empty PostgreSQL database, for what only PostgreSQL does."""
    return postgres.create_database(next(_names))


@pytest.fixture(params=["local-file", "local-memory", pytest.param("kafka", marks=pytest.mark.kafka)])
async def buses(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Buses]:
    """Opens buses on one log, and makes topics there; the test runs on all three."""
    made: Buses
    if request.param == "kafka":
        cluster: KafkaCluster = request.getfixturevalue("kafka")
        made = OnKafka(cluster.bootstrap)
    else:
        made = OnFile(tmp_path / "log.db") if request.param == "local-file" else InMemory()
    yield made
    await made.close()


@pytest.fixture
async def bus(buses: Buses) -> Bus:
    """A bus on that log."""
    return await buses.open()


@pytest.fixture
async def topic(buses: Buses) -> str:
    """An empty topic of the test's own."""
    return await buses.topic()


@pytest.fixture(autouse=True)
def _no_faults_left() -> Iterator[None]:
    yield
    faults.clear()


def _had(start: Callable[[], Server]) -> Server:
    try:
        return start()
    except NotFound as error:
        missing = str(error)
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI has everything, but not this: {missing}", pytrace=False)
    pytest.skip(f"{_NOT_PROVEN} {missing}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """All tests that miss the same thing are one line in the summary, not a line each."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and _NOT_PROVEN in report.longrepr[2]:
        report.longrepr = (__file__, 1, report.longrepr[2])
    return report
