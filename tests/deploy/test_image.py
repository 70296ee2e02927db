"""The image, without Docker: its Dockerfile's lines carried out, then every service started as it would be there."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.installation import free_ports
from deploy.k8s.topology import SERVICES
from tests.deploy.asking import ask, until_it_says
from tests.deploy.dockerfile import Stage, build, instructions
from tests.deploy.manifests import pods


@pytest.fixture(scope="module")
def image() -> Iterator[Stage]:
    """Outside pytest's own folders, which nobody but their owner may enter."""
    folder = Path(tempfile.mkdtemp(prefix="guichet-image-"))
    folder.chmod(0o755)
    try:
        yield build(folder)
    finally:
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)
        shutil.rmtree(folder)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Stands for /tmp and for volumes: the only place the process may write to."""
    folder = Path(tempfile.mkdtemp(prefix="guichet-scratch-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def test_the_file_is_in_stages_and_ends_as_nobody() -> None:
    found = instructions()
    assert [name for name, _ in found].count("FROM") == 2
    last = found[max(i for i, (name, _) in enumerate(found) if name == "FROM") :]
    assert ("USER", "10001:10001") in last
    assert not any(name in ("ADD", "RUN") for name, _ in last)  # what builds stays in the stage that builds
    for name, rest in found:
        if name == "RUN" and "pip" in rest and "install" in rest:
            assert rest.count(" install ") == rest.count("--require-hashes") + rest.count("--no-index")


@pytest.mark.slow
def test_what_is_built_is_read_only_and_holds_what_was_compiled(image: Stage) -> None:
    assert image.user == "10001:10001"
    compiled = list((image.root / "opt/guichet/compiled").rglob("*.nbc"))
    assert len(compiled) >= 5
    for path in (image.root / "opt/guichet").rglob("*"):
        assert path.is_symlink() or not path.stat().st_mode & 0o222, path
    assert not (image.root / "opt/guichet/bin/pip").exists()


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_there_and_says_what_it_waits_for(image: Stage, scratch: Path, service: str) -> None:
    port = free_ports([service])[service]
    secret = scratch / "secret"
    secret.write_text("a deployment's secret")
    told = {
        "GUICHET_BUS": "kafka://127.0.0.1:1",
        "GUICHET_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "GUICHET_SECRET_FILE": str(secret),
        "GUICHET_KEYS": str(scratch / "keys.toml"),
        "GUICHET_STOP_PAUSE": "0s",
        f"{service.upper()}_PORT": str(port),
    }
    (scratch / "keys.toml").write_text("")
    with _running(image, scratch, told, "python", "-m", f"services.{service}") as process:
        assert ask(port, "startupz")[0] == 200
        assert ask(port, "livez")[0] == 200
        until_it_says(port, "Kafka is away" if service == "classifier" else "the database is away")
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    if service == "classifier":  # it took what was compiled for it, and compiled nothing
        prepared = image.root / "opt/guichet/compiled"
        (copy,) = scratch.glob("guichet-compiled-*")
        assert {path.relative_to(copy) for path in copy.rglob("*")} == {
            path.relative_to(prepared) for path in prepared.rglob("*")
        }


@pytest.mark.slow
@pytest.mark.parametrize("job", ["migrate", "topics"])
def test_a_job_says_in_one_line_what_it_cannot_reach(image: Stage, scratch: Path, job: str) -> None:
    arguments = pods("dev")[job]["spec"]["containers"][0]["args"]
    (scratch / "url").write_text("postgresql://guichet_migrate:a-password@127.0.0.1:1/guichet")
    (scratch / "secret").write_text("a deployment's secret")
    told = {"GUICHET_BUS": "kafka://127.0.0.1:1", "GUICHET_SECRET_FILE": str(scratch / "secret")}
    told |= {"GUICHET_DATABASE_URL_FILE": str(scratch / "url")} if job == "migrate" else {}
    with _running(image, scratch, told, *(each.replace("/tmp/", f"{scratch}/") for each in arguments)) as process:
        assert process.wait(60) == 1
    said = (scratch / "log").read_text()
    assert said.startswith("guichet: ")
    assert said.count("\n") == 1
    assert "away" in said
    assert "a-password" not in said


@pytest.mark.slow
def test_all_in_one_starts_there_as_small_starts_it(image: Stage, scratch: Path) -> None:
    container = pods("small")["guichet"]["spec"]["containers"][0]
    ports = free_ports(list(SERVICES))
    arguments = [str(scratch / "data") if each == "/data" else each for each in container["args"]]
    token = scratch / "token"
    token.write_text("some-token")
    told = {f"{name.upper()}_PORT": str(port) for name, port in ports.items()}
    told |= {"RESPONDER_X_BASE_URL": "https://api.x.com", "RESPONDER_X_TOKEN_FILE": str(token)}
    with _running(image, scratch, told, *arguments):
        for path, probe in (("startupz", "startupProbe"), ("readyz", "readinessProbe"), ("livez", "livenessProbe")):
            for port in ports.values():
                assert ask(port, path, wanted=200)[0] == 200
            code = container[probe]["exec"]["command"][-1]
            for (name, port), usual in zip(ports.items(), (8001, 8002, 8003, 8004), strict=True):
                assert str(usual) in code, name
                code = code.replace(str(usual), str(port))
            asked = subprocess.run(
                [image.root / "opt/guichet/bin/python", "-c", code], check=False, capture_output=True
            )
            assert asked.returncode == 0, asked.stderr


@contextmanager
def _running(image: Stage, scratch: Path, told: dict[str, str], *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """As the container's user, with the image's variables and those of the pod."""
    program = image.root / "opt/guichet/bin" / command[0]
    env = image.env | {"HOME": str(scratch), "TMPDIR": str(scratch)} | told
    log = (scratch / "log").open("wb")
    process = subprocess.Popen(
        [*_as_nobody(image.user), program, *command[1:]], cwd=scratch, env=env, stdout=log, stderr=log
    )
    try:
        yield process
    except AssertionError as error:
        raise AssertionError(f"{error}\n{(scratch / 'log').read_text()[-2000:]}") from error
    finally:
        process.kill()
        process.wait()
        log.close()


def _as_nobody(user: str) -> list[str]:
    """A command before the command: the image's user, whom no list of users names, without any rights.

    In a namespace of its own, so that the machine's Python may lie where only its owner gets to.
    """
    if os.geteuid():
        return []  # somebody without rights already
    number = user.split(":")[0]
    nobody = ["unshare", "--user", f"--map-user={number}", f"--map-group={number}"]
    if subprocess.run([*nobody, "true"], capture_output=True, check=False).returncode:
        pytest.skip("NOT PROVEN HERE, for want of user namespaces: root could write anywhere")
    return nobody
