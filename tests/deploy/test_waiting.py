"""Kafka and PostgreSQL as services find them: what may come is waited for; what waiting cannot mend ends them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cli.installation import free_ports
from cli.services import MIGRATIONS
from deploy.k8s.topology import HEARS, SERVICES
from libs.common import topics
from libs.common.migrate import migrate
from tests.deploy.asking import ask, until_it_says
from tests.servers import KafkaCluster, Postgres
from tests.servers.processes import ROOT

CONSUMERS = tuple(service for service in SERVICES if HEARS[service])


class Started:
    """A service in a process of its own."""

    def __init__(self, service: str, folder: Path, told: Mapping[str, str]) -> None:
        self.port = free_ports([service])[service]
        self._log = folder / f"{service}.log"
        env = {k: v for k, v in os.environ.items() if not k.startswith(("GUICHET_", "PG"))}
        env |= {
            "GUICHET_SECRET": "a-deployments-secret",
            "GUICHET_KEYS": str(folder / "keys"),
            "GUICHET_DATA": str(folder / "data"),
            "GUICHET_LOG_LEVEL": "error",
            f"{service.upper()}_PORT": str(self.port),
        }
        (folder / "keys").touch()
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", f"services.{service}"]
            self.process = subprocess.Popen(command, cwd=ROOT, env={**env, **told}, stderr=log)

    def ended(self) -> tuple[int, str]:
        """Status and last line."""
        status = self.process.wait(60)
        return status, self._log.read_text().splitlines()[-1]


@contextmanager
def _started(service: str, folder: Path, told: Mapping[str, str]) -> Iterator[Started]:
    one = Started(service, folder, told)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()


@pytest.mark.parametrize("service", MIGRATIONS)
async def test_a_service_waits_for_its_tables_and_says_so(tmp_path: Path, service: str) -> None:
    with _started(service, tmp_path, {}) as one:
        until_it_says(one.port, f"the tables of {service} are at nothing, ")
        until_it_says(one.port, "is needed: run `guichet migrate`")
        assert ask(one.port, "livez")[0] == 200  # a restart would not help
        await migrate(f"sqlite:///{tmp_path}/data", service, MIGRATIONS[service])
        assert ask(one.port, "readyz", wanted=200)[0] == 200


@pytest.mark.kafka
async def test_topics_are_waited_for_and_such_with_other_partitions_end_every_service(
    tmp_path: Path, kafka_to_crash: KafkaCluster
) -> None:
    for service, folder in MIGRATIONS.items():
        await migrate(f"sqlite:///{tmp_path}/data", service, folder)
    for service in (*CONSUMERS, "ingest"):
        with _started(service, tmp_path, {"GUICHET_BUS": f"kafka://{kafka_to_crash.bootstrap}"}) as one:
            if service == CONSUMERS[0]:
                until_it_says(one.port, f"topic {HEARS[service][0]}: run `guichet topics`")
                assert ask(one.port, "livez")[0] == 200
                await topics.create(kafka_to_crash.bootstrap, partitions=6)
            status, said = one.ended()
            assert status == 2
            assert re.fullmatch(r"topic [a-z.]+ has 6 partitions; the set-up says 12", said), said


@pytest.mark.postgres
def test_an_expired_certificate_of_the_database_ends_who_insists_on_a_good_one(
    tmp_path: Path, certified: tuple[str, Path]
) -> None:
    url, authority = certified
    strict = {"GUICHET_DATABASE_URL": f"{url}?ssl=verify-full", "PGSSLROOTCERT": str(authority)}
    says = (
        f"the certificate of the database at {urlsplit(url).netloc.removeprefix('postgres@')} is refused:"
        " certificate has expired; renew it, or correct PGSSLROOTCERT"
    )
    with _started("router", tmp_path, strict) as one:
        assert one.ended() == (2, says)
    migrating = subprocess.run(
        [f"{sys.prefix}/bin/guichet", "migrate", "--data", tmp_path / "data"],
        env=os.environ | strict | {"GUICHET_SECRET": "a-deployments-secret"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (migrating.returncode, migrating.stderr) == (2, f"guichet: {says}\n")
    with _started("router", tmp_path, {"GUICHET_DATABASE_URL": url}) as one:  # who does not is served
        until_it_says(one.port, "run `guichet migrate`")


@pytest.fixture
def certified(tmp_path: Path, postgres_to_crash: Postgres) -> tuple[str, Path]:
    """A PostgreSQL whose certificate ended in 2021: a database's address, and the file of who issued it."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    for name, text in {
        "index": "",
        "serial": "01",
        "names": "subjectAltName=IP:127.0.0.1",
        "ca.cnf": AUTHORITY,
    }.items():
        (folder / name).write_text(text)
    for line in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=authority -days 2",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=database",
        "ca -batch -config ca.cnf -cert ca.crt -keyfile ca.key -in server.csr -out server.crt -extfile names"
        " -startdate 20200101000000Z -enddate 20210101000000Z",
    ):
        subprocess.run(["openssl", *line.split()], cwd=folder, check=True, capture_output=True)
    home = tmp_path / "postgres"
    data = (home / "elsewhere" if (home / "elsewhere").exists() else home) / "data"
    for name in ("server.crt", "server.key"):  # where PostgreSQL looks for them
        shutil.copy(folder / name, data)
        os.chown(data / name, data.stat().st_uid, data.stat().st_gid)
        (data / name).chmod(0o600)
    postgres_to_crash.execute("ALTER SYSTEM SET ssl = on")
    postgres_to_crash.restart()
    return postgres_to_crash.create_database("certified"), folder / "ca.crt"


AUTHORITY = """
[ca]
default_ca = it
[it]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = names
[names]
commonName = supplied
"""
