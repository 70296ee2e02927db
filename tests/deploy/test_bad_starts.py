"""A service that is told something wrong ends at once with one line that says what; never a traceback."""

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.services import MIGRATIONS
from deploy.k8s.topology import SERVICES, SETTINGS
from libs.common.migrate import migrate
from tests.servers.processes import ROOT

pytestmark = pytest.mark.slow  # all together: each is a process

Told = dict[str, str]
SECRET = "a-deployments-secret"
PASSWORD = "hunter2-of-the-database"


def _start(service: str, told: Told) -> tuple[int, str]:
    """Its exit status and what it says on stderr; it has to end by itself."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GUICHET_", *(f"{s.upper()}_" for s in SERVICES)))}
    ended = subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        cwd=ROOT,
        env=env | told,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stderr


def _good(folder: Path) -> Told:
    (folder / "keys").write_text("")
    return {
        "GUICHET_SECRET": SECRET,
        "GUICHET_KEYS": str(folder / "keys"),
        "GUICHET_DATA": str(folder / "data"),
        "GUICHET_PORT": "0",
        "GUICHET_LOG_LEVEL": "error",
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_setting_nobody_knows_is_refused_with_the_nearest(tmp_path: Path, service: str) -> None:
    variable = f"{service.upper()}_LOG_LEVLE"
    status, said = _start(service, _good(tmp_path) | {variable: "info"})
    assert (status, said) == (2, f"{variable} is not a setting; did you mean {service.upper()}_LOG_LEVEL?\n")


def _no_file(folder: Path) -> Told:
    return {"GUICHET_SECRET": "", "GUICHET_SECRET_FILE": str(folder / "nowhere")}


def _a_folder(folder: Path) -> Told:
    return {"GUICHET_SECRET": "", "GUICHET_SECRET_FILE": str(folder)}


def _an_empty_file(folder: Path) -> Told:
    (folder / "empty").write_text("\n")
    return {"GUICHET_SECRET": "", "GUICHET_SECRET_FILE": str(folder / "empty")}


def _bytes(folder: Path) -> Told:
    (folder / "bytes").write_bytes(b"\xff\xfe\x00")
    return {"GUICHET_SECRET": "", "GUICHET_SECRET_FILE": str(folder / "bytes")}


def _keys_that_are_no_toml(folder: Path) -> Told:
    (folder / "keys.toml").write_text("[[key\n")
    return {"GUICHET_KEYS": str(folder / "keys.toml")}


def _say(**told: str) -> Callable[[Path], Told]:
    return lambda _: told


CASES: dict[str, tuple[str, Callable[[Path], Told], str]] = {
    "no secret": ("classifier", _say(GUICHET_SECRET=""), "CLASSIFIER_SECRET is missing"),
    "a short secret": ("router", _say(GUICHET_SECRET="short"), "GUICHET_SECRET: "),
    "a secret that is not there": ("ingest", _no_file, "which cannot be read: No such file or directory"),
    "a secret that cannot be read": ("router", _a_folder, "which cannot be read: Is a directory"),
    "an empty secret": ("responder", _an_empty_file, "which is empty"),
    "a secret of bytes": ("ingest", _bytes, "which cannot be read: not UTF-8"),
    "a bus without a port": ("classifier", _say(GUICHET_BUS="kafka://kafka"), "GUICHET_BUS cannot be read."),
    "a bus with a space": ("router", _say(GUICHET_BUS="kafka://a:1, b:2"), "GUICHET_BUS cannot be read."),
    "a bus with a port that is none": ("ingest", _say(GUICHET_BUS="kafka://a:9092,b:92092"), "92092 is not a port"),
    "another log": ("responder", _say(GUICHET_BUS="redis://a:1"), "GUICHET_BUS cannot be read."),
    "another database": (
        "router",
        _say(GUICHET_DATABASE_URL=f"mysql://me:{PASSWORD}@db/x"),
        "GUICHET_DATABASE_URL cannot be read.",
    ),
    "a database with a wrong port": (
        "responder",
        _say(GUICHET_DATABASE_URL=f"postgresql://me:{PASSWORD}@db:port/x"),
        "GUICHET_DATABASE_URL: the port in the address is not one",
    ),
    "a database with a word that only libpq knows": (
        "router",
        _say(GUICHET_DATABASE_URL=f"postgresql://me:{PASSWORD}@db/x?sslrootcert=/ca.crt"),
        "GUICHET_DATABASE_URL: sslrootcert is not understood",
    ),
    "a database asked for in a way that is none": (
        "responder",
        _say(GUICHET_DATABASE_URL=f"postgresql://me:{PASSWORD}@db/x?sslmode=full"),
        "GUICHET_DATABASE_URL: sslmode is one of disable, allow, prefer, require, verify-ca, verify-full",
    ),
    "a database whose password holds a question mark": (
        "ingest",
        _say(GUICHET_DATABASE_URL=f"postgresql://me:1?{PASSWORD}@db/x"),
        "GUICHET_DATABASE_URL: ",
    ),
    "an authority that is not there": (
        "router",
        lambda _: {"GUICHET_DATABASE_URL": "postgresql://me@127.0.0.1:1/x", "PGSSLROOTCERT": "/nowhere/ca.crt"},
        "PGSSLROOTCERT names /nowhere/ca.crt, which holds no certificate that can be read: No such file or directory",
    ),
    "no keys": ("ingest", _say(GUICHET_KEYS="/nowhere/keys.toml"), "there is no keys file /nowhere/keys.toml"),
    "keys that are no TOML": ("ingest", _keys_that_are_no_toml, "keys.toml"),
    "a model that is not there": ("classifier", _say(CLASSIFIER_MODEL="/nowhere.npz"), "/nowhere.npz"),
    "partitions in words": ("router", _say(GUICHET_PARTITIONS="twelve"), "GUICHET_PARTITIONS: "),
    "no network at all": ("responder", _say(RESPONDER_X_BASE_URL="api.x.com"), "RESPONDER_X_BASE_URL cannot be read."),
    "links of Kubernetes": ("router", _say(ROUTER_PORT="tcp://10.0.0.1:8003"), "ROUTER_PORT: "),
}


@pytest.mark.parametrize(("service", "told", "says"), CASES.values(), ids=CASES)
def test_a_wrong_value_is_one_line(tmp_path: Path, service: str, told: Callable[[Path], Told], says: str) -> None:
    status, said = _start(service, _good(tmp_path) | told(tmp_path))
    assert status == 2, said
    assert said.count("\n") == 1, said
    assert says in said
    assert PASSWORD not in said


def test_a_databases_address_may_be_written_as_others_write_it(tmp_path: Path) -> None:
    told = _good(tmp_path) | {"GUICHET_DATABASE_URL": "postgresql://me@db/x?sslmode=verify-full"}
    assert SETTINGS["router"].load(told).database == "postgresql://me@db/x?ssl=verify-full"


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, said = _start("ingest", _good(tmp_path) | {"INGEST_PORT": port})
    assert status == 2
    assert said.count("\n") == 1
    assert f"ingest cannot listen on 127.0.0.1 port {port}: Address already in use" in said


@pytest.mark.parametrize("service", MIGRATIONS)
async def test_tables_of_a_newer_version_are_left_alone(tmp_path: Path, service: str) -> None:
    await migrate(f"sqlite:///{tmp_path}/data", service, MIGRATIONS[service])
    with sqlite3.connect(tmp_path / "data" / f"{service}.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    assert _start(service, _good(tmp_path)) == (
        2,
        f"the tables of {service} are at version 9999, which this program does not know: "
        "a newer Guichet has migrated them; start that one\n",
    )
