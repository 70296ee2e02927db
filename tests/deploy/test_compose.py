"""compose.yaml: the same image, settings and secrets as on Kubernetes, and the files it names are there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.k8s.topology import HEARS, PORTS, SANDBOX_PORT, SERVICES, SETTINGS
from sandbox.settings import SandboxSettings
from tests.servers.processes import ROOT

FILE = ROOT / "compose.yaml"
READ: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
CONTAINERS: dict[str, dict[str, Any]] = READ["services"]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What deploy/secrets.sh makes; run twice, for it must not change what is there."""
    folder = tmp_path_factory.mktemp("secrets")
    command = [str(ROOT / "deploy" / "secrets.sh"), str(folder), "postgresql:5432"]
    guichet = f"{sys.prefix}/bin/guichet"
    said = [subprocess.run(command, env={"PATH": "/usr/bin:/bin", "GUICHET": guichet}, check=True, capture_output=True)]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    said += [
        subprocess.run(command, env={"PATH": "/usr/bin:/bin", "GUICHET": guichet}, check=True, capture_output=True)
    ]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [each.stdout.count(b"gk_") for each in said] == [1, 0]  # the key is said once
    return folder


def test_every_secret_is_a_file_that_the_script_makes(secrets: Path) -> None:
    for name, secret in READ["secrets"].items():
        file = secret["file"]
        assert file.startswith("deploy/compose/secrets/"), name
        made = secrets / file.removeprefix("deploy/compose/secrets/")
        assert made.read_text().strip(), name
    asked = {name for container in CONTAINERS.values() for name in container.get("secrets", ())}
    assert asked == set(READ["secrets"])
    ignored = subprocess.run(["git", "check-ignore", "deploy/compose/secrets/shared/secret"], cwd=ROOT, check=False)
    assert ignored.returncode == 0


def test_the_databases_passwords_fit(secrets: Path) -> None:
    for role in ("migrate", "ingest", "router", "responder", "reports"):
        password = (secrets / role / "password").read_text()
        expected = f"postgresql://guichet_{role}:{password}@postgresql:5432/guichet"
        assert (secrets / role / "database-url").read_text() == expected
        assert re.fullmatch(r"[0-9a-f]{48}", password)


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_a_setting_and_its_value_is_one(service: str, secrets: Path) -> None:
    container = CONTAINERS[service]
    told = {name: str(value) for name, value in container["environment"].items()}
    for name, value in told.items():
        if value.startswith("/run/secrets/"):
            secret = value.removeprefix("/run/secrets/")
            assert secret in container["secrets"]
            told[name] = str(ROOT / READ["secrets"][secret]["file"]).replace(
                str(ROOT / "deploy/compose/secrets"), str(secrets)
            )
    settings = SETTINGS[service].load(told)
    assert settings.host == "0.0.0.0"
    assert settings.partitions == 12
    assert container["command"] == ["python", "-m", f"services.{service}"]
    assert container["ports"] == [f"127.0.0.1:{PORTS[service]}:{PORTS[service]}"]
    assert f":{PORTS[service]}/livez" in container["healthcheck"]["test"][-1]


def test_the_sandbox_is_where_replies_go() -> None:
    assert set(CONTAINERS["sandbox"]["environment"]) <= {
        f"SANDBOX_{name}".upper() for name in SandboxSettings.model_fields
    }
    assert CONTAINERS["responder"]["environment"]["RESPONDER_X_BASE_URL"] == f"http://sandbox:{SANDBOX_PORT}"


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_may_little(name: str) -> None:
    container = CONTAINERS[name]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in container
    for variable, value in container.get("environment", {}).items():
        assert not re.search("SECRET|TOKEN|PASSWORD", variable) or value.startswith("/run/secrets/")
    assert all(port.startswith("127.0.0.1:") for port in container.get("ports", ()))  # metrics need no key
    if container["image"] == "guichet:dev":
        assert container["read_only"] is True
        assert container["cap_drop"] == ["ALL"]
        assert container["stop_grace_period"] == "60s"
    else:
        assert re.fullmatch(r"[a-z]+(/[a-z]+)?:v?[\d.]+", container["image"])


def test_what_is_mounted_is_there() -> None:
    for name, container in CONTAINERS.items():
        for volume in container.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), name
            else:
                assert source in READ["volumes"], name


def test_prometheus_asks_every_service_and_has_the_rules() -> None:
    ours = yaml.safe_load((ROOT / "deploy/compose/prometheus.yml").read_text("utf-8"))
    there = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    assert {key: value for key, value in ours.items() if key != "scrape_configs"} == {
        key: value for key, value in there.items() if key != "scrape_configs"
    }
    (job,) = ours["scrape_configs"]
    targets = {each["labels"]["service"]: each["targets"] for each in job["static_configs"]}
    assert targets == {service: [f"{service}:{PORTS[service]}"] for service in SERVICES}
    assert set(targets) <= set(CONTAINERS)


def test_grafana_is_told_all_its_variables() -> None:
    provisioning = ROOT / "deploy/grafana/provisioning"
    asked = set(re.findall(r"\$\{(\w+)\}", "".join(path.read_text("utf-8") for path in provisioning.rglob("*.yaml"))))
    grafana = CONTAINERS["grafana"]
    given = set(grafana["environment"]) | set(re.findall(r"(\w+)=", " ".join(grafana["entrypoint"])))
    assert asked <= given


def test_the_services_wait_for_tables_and_topics() -> None:
    for service in SERVICES:
        awaited = CONTAINERS[service]["depends_on"]
        assert {"topics", "migrate"} == set(awaited)
    assert any(HEARS.values())
