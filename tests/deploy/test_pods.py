"""Pods of every overlay: what they are told, what they may, how they are asked, and how they end."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.installation import Installation, first_key
from cli.services import MIGRATIONS, AllSettings, build
from deploy.k8s import generate
from deploy.k8s.topology import HEARS, KAFKA_TLS_PORT, PORTS, SANDBOX_PORT, SERVICES, SETTINGS
from libs.common.errors import Misconfigured
from libs.common.process import CLOSE_SECONDS
from libs.common.topics import PARTITIONS, wanted
from sandbox.settings import SandboxSettings
from services.responder.settings import ResponderSettings
from services.router.settings import RouterSettings
from tests.deploy.manifests import OVERLAYS, Manifest, containers, named, of_kind, overlay, pods, selects, variables
from tests.servers.processes import ROOT

SPLIT = ("dev", "production")  # one pod a service; small has all in one
SECRETS = {  # what deploy/secrets.sh makes, and the how-to puts into the cluster
    "guichet-shared": {"secret", "keys.toml"},
    "guichet-migrate": {"database-url"},
    "guichet-ingest": {"database-url"},
    "guichet-router": {"database-url"},
    "guichet-responder": {"database-url", "x-token"},
    **{
        f"guichet-db-{role}": {"username", "password"}
        for role in ("migrate", "ingest", "router", "responder", "reports")
    },
    "guichet-db-ca": {"ca.crt"},  # CloudNativePG's own
    "guichet-cluster-ca-cert": {"ca.crt"},  # Strimzi's own, as are the users' passwords
    **{service: {"password"} for service in SERVICES},
}
MOUNTED = "/run/secrets/"
OF_THE_DRIVER = {"PGSSLMODE", "PGSSLROOTCERT"}  # no settings of ours: asyncpg reads them itself


def test_generated_manifests_are_what_the_code_says() -> None:
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_variable_is_a_setting_and_its_value_is_one(name: str, tmp_path: Path) -> None:
    asked = 0
    read = tuple(f"{each.upper()}_" for each in ("guichet", "sandbox", *SERVICES))
    for _, _, container in containers(name):
        if (load := _loader(container)) is not None:
            told = variables(name, container)
            load(_readable(told, tmp_path))
            assert {each for each in told if not each.startswith(read)} <= OF_THE_DRIVER  # nobody would refuse others
            asked += 1
    assert asked >= (1 if name == "small" else 5)


@pytest.mark.parametrize("service", SERVICES)
def test_a_variable_that_is_no_setting_is_refused_by_name(service: str, tmp_path: Path) -> None:
    container = pods("production")[service]["spec"]["containers"][0]
    told = _readable(variables("production", container), tmp_path) | {"GUICHET_PARTITION": "12"}
    with pytest.raises(Misconfigured, match="GUICHET_PARTITION is not a setting; did you mean GUICHET_PARTITIONS"):
        SETTINGS[service].load(told)


def _loader(container: Manifest) -> Callable[[dict[str, str]], object] | None:
    """Who reads this container's variables; None where it is not our image."""
    match container.get("args"):
        case ["python", "-m", "sandbox"]:
            return _sandbox
        case ["python", "-m", module]:
            return SETTINGS[module.removeprefix("services.")].load
        case ["guichet", "migrate" | "up" | "topics", *_]:
            return _everything
    return None


def _sandbox(told: dict[str, str]) -> object:
    assert set(told) <= {f"SANDBOX_{name}".upper() for name in SandboxSettings.model_fields}
    return told


def _everything(told: dict[str, str]) -> object:
    given = {"GUICHET_SECRET": "x" * 16} if "GUICHET_SECRET_FILE" not in told else {}
    others = {"RESPONDER_X_BASE_URL", "RESPONDER_X_TOKEN_FILE"}  # of one service; the rest is everybody's
    for name, kind in SETTINGS.items():
        kind.load({k: v for k, v in told.items() if name == "responder" or k not in others} | given)
    return told


def _readable(told: dict[str, str], folder: Path) -> dict[str, str]:
    """The same with files that are there, and with an ordinal."""
    file = folder / "secret"
    file.write_text("postgresql://someone@somewhere/guichet")
    known = {"<metadata.labels['apps.kubernetes.io/pod-index']>": "2"}
    return {k: str(file) if k.endswith("_FILE") else known.get(v, v) for k, v in told.items()}


@pytest.mark.parametrize("name", SPLIT)
def test_ports_and_probes_are_the_codes(name: str) -> None:
    paths = _paths()
    for service in SERVICES:
        container = pods(name)[service]["spec"]["containers"][0]
        assert container["args"] == ["python", "-m", f"services.{service}"]
        assert container["ports"] == [{"containerPort": PORTS[service], "name": "http"}]
        assert named(name, "Service", service)["spec"]["ports"][0]["port"] == PORTS[service]
        for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz"), ("startupProbe", "/startupz")):
            assert container[probe]["httpGet"] == {"path": path, "port": "http"}
            assert path in paths[service]
        assert "lifecycle" not in container  # it pauses itself
    if name == "dev":
        assert pods(name)["sandbox"]["spec"]["containers"][0]["ports"][0]["containerPort"] == SANDBOX_PORT


def test_the_one_pod_of_small_asks_all_four() -> None:
    container = pods("small")["guichet"]["spec"]["containers"][0]
    assert {each["name"]: each["containerPort"] for each in container["ports"]} == dict(PORTS)
    for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz"), ("startupProbe", "/startupz")):
        code = container[probe]["exec"]["command"][-1]
        assert f":{{port}}{path}" in code
        assert [int(port) for port in re.findall(r"\b80\d\d\b", code)] == list(PORTS.values())
    assert named("small", "StatefulSet", "guichet")["spec"]["replicas"] == 1


def _paths() -> dict[str, set[str]]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder), "local", "", environ={})
        settings = AllSettings.load(installation, {}, with_sandbox=False)
        first_key(installation.data, settings.ingest.keys)
        _, services = build(settings)
        return {each.name: {str(getattr(route, "path", "")) for route in each.app.routes} for each in services}


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_container_is_restricted(name: str) -> None:
    for workload, pod, container in containers(name):
        own = pod["securityContext"] | container["securityContext"]
        assert own["runAsNonRoot"] is True, workload
        assert own["runAsUser"] > 0, workload
        assert own["seccompProfile"] == {"type": "RuntimeDefault"}, workload
        assert own["allowPrivilegeEscalation"] is False, workload
        assert own["readOnlyRootFilesystem"] is True, workload
        assert own["capabilities"] == {"drop": ["ALL"]}, workload
        assert pod["automountServiceAccountToken"] is False, workload
        assert pod["enableServiceLinks"] is False, workload
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), workload
        assert all(
            volume.keys() & {"emptyDir", "secret", "projected", "configMap"} for volume in pod.get("volumes", ())
        )
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, workload
        assert "memory" in container["resources"]["limits"], workload
        assert "cpu" not in container["resources"]["limits"], workload  # a throttled loop loses its partitions
    labels = of_kind(name, "Namespace")[0]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("name", OVERLAYS)
def test_images_are_replaced_and_fixed(name: str) -> None:
    for workload, _, container in containers(name):
        image = container["image"]
        if container["name"] != "guichet":
            assert re.fullmatch(r"(apache/kafka|postgres):[\d.]+", image), workload
        elif name == "dev":
            assert image == "guichet:dev"
        else:
            assert re.fullmatch(r"registry\.example\.com/guichet@sha256:[0-9a-f]{64}", image), workload


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_secret_is_a_file_that_somebody_makes(name: str) -> None:
    assert not of_kind(name, "Secret")
    for workload, pod, container in containers(name):
        mounted = {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts", ())}
        volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
        for variable, value in variables(name, container).items():
            secret = re.search(r"SECRET|TOKEN|PASSWORD|DATABASE_URL|KEYS$|ROOTCERT|KAFKA_CA$", variable) is not None
            assert secret == value.startswith(MOUNTED), (workload, variable)
            if not secret:
                continue
            assert variable.endswith(("_FILE", "_KEYS", "ROOTCERT", "_KAFKA_CA")), (workload, variable)
            mount = max((path for path in mounted if value.startswith(f"{path}/")), key=len)
            if "secret" in (volume := volumes[mounted[mount]]):
                assert value.removeprefix(f"{mount}/") in SECRETS[volume["secret"]["secretName"]], (workload, variable)
        for volume in volumes.values():
            for source in (volume, *volume.get("projected", {}).get("sources", ())):
                if "secret" in source:
                    assert (source["secret"].get("secretName") or source["secret"]["name"]) in SECRETS
    for cluster in of_kind(name, "Cluster"):
        asked = {role["passwordSecret"]["name"] for role in cluster["spec"]["managed"]["roles"]}
        assert asked | {cluster["spec"]["bootstrap"]["initdb"]["secret"]["name"]} <= SECRETS.keys()


def test_nobody_has_anothers_secrets() -> None:
    for service in SERVICES:
        volumes = pods("production")[service]["spec"]["volumes"]
        had = {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}
        had |= {
            source["secret"]["name"] for volume in volumes for source in volume.get("projected", {}).get("sources", ())
        }
        own = {f"guichet-{service}", "guichet-db-ca"} if service in MIGRATIONS else set()
        assert had == {"guichet-shared", "guichet-cluster-ca-cert", service} | own


def test_nobody_talks_to_kafka_in_the_open() -> None:
    for service in SERVICES:
        pod = pods("production")[service]["spec"]
        (container,) = pod["containers"]
        told = variables("production", container)
        assert told["GUICHET_BUS"] == f"kafka://guichet-kafka-bootstrap:{KAFKA_TLS_PORT}"
        assert told["GUICHET_KAFKA_USER"] == service
        (login,) = [each["projected"]["sources"] for each in pod["volumes"] if each["name"] == "kafka-login"]
        (folder,) = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == "kafka-login"]
        files = {
            f"{folder}/{item['path']}": (each["secret"]["name"], item["key"])
            for each in login
            for item in each["secret"]["items"]
        }
        assert files == {
            told["GUICHET_KAFKA_CA"]: ("guichet-cluster-ca-cert", "ca.crt"),
            told["GUICHET_KAFKA_PASSWORD_FILE"]: (service, "password"),
        }
    (access,) = of_kind("production", "TriggerAuthentication")
    given = {each["parameter"]: (each["name"], each["key"]) for each in access["spec"]["secretTargetRef"]}
    assert given == {"password": ("keda", "password"), "ca": ("guichet-cluster-ca-cert", "ca.crt")}
    for scaled in of_kind("production", "ScaledObject"):
        for trigger in (each for each in scaled["spec"]["triggers"] if each["type"] == "kafka"):
            asked = trigger["metadata"]
            assert (asked["sasl"], asked["tls"]) == ("scram_sha512", "enable")
            assert asked["bootstrapServers"].endswith(f":{KAFKA_TLS_PORT}")
            assert trigger["authenticationRef"] == {"name": access["metadata"]["name"]}


def test_who_asks_the_database_insists_on_its_certificate() -> None:
    for workload in (*MIGRATIONS, "migrate"):
        pod = pods("production")[workload]["spec"]
        told = variables("production", pod["containers"][0])
        assert told["PGSSLMODE"] == "verify-full"
        (authority,) = [each["secret"] for each in pod["volumes"] if each["name"] == "database-authority"]
        assert authority["items"] == [{"key": "ca.crt", "path": "ca.crt"}]  # and not the key beside it


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_line_a_process_ends_with_stands_in_the_pods_description(name: str) -> None:
    for workload, _, container in containers(name):
        if container["name"] == "guichet" and workload != "sandbox":
            assert container["terminationMessagePolicy"] == "FallbackToLogsOnError", workload


@pytest.mark.parametrize("name", SPLIT)
def test_selectors_select(name: str) -> None:
    labels = {workload: pod["metadata"]["labels"] for workload, pod in pods(name).items()}
    budgets = {each["metadata"]["name"]: each["spec"]["selector"] for each in of_kind(name, "PodDisruptionBudget")}
    assert set(budgets) == set(SERVICES)
    services = {
        each["metadata"]["name"]: {"matchLabels": each["spec"]["selector"]} for each in of_kind(name, "Service")
    }
    workloads = {
        each["metadata"]["name"]: each["spec"]["selector"] for each in of_kind(name, "Deployment", "StatefulSet")
    }
    for kind in (budgets, services, workloads):
        for wanted_one, selector in kind.items():
            assert [each for each in labels if selects(selector, labels[each])] == [wanted_one]
    for service in SERVICES:
        for spread in pods(name)[service]["spec"]["topologySpreadConstraints"]:
            assert selects(spread["labelSelector"], labels[service])


@pytest.mark.parametrize("name", SPLIT)
def test_who_consumes_keeps_its_name(name: str) -> None:
    for service in SERVICES:
        told = variables(name, pods(name)[service]["spec"]["containers"][0])
        consumes = bool(HEARS[service])
        assert [
            each["kind"] for each in of_kind(name, "StatefulSet", "Deployment") if each["metadata"]["name"] == service
        ] == ["StatefulSet" if consumes else "Deployment"]
        assert ("GUICHET_ORDINAL" in told) == consumes
        assert told["GUICHET_PARTITIONS"] == str(PARTITIONS)


def test_never_more_replicas_than_partitions() -> None:
    assert {each["spec"]["partitions"] for each in of_kind("production", "KafkaTopic")} == {PARTITIONS}
    scaled = {each["metadata"]["name"]: each["spec"] for each in of_kind("production", "ScaledObject")}
    assert set(scaled) == {service for service in SERVICES if HEARS[service]}
    for service, spec in scaled.items():
        assert 2 <= spec["minReplicaCount"] <= spec["maxReplicaCount"] <= PARTITIONS
        assert "replicas" not in named("production", "StatefulSet", service)["spec"]  # KEDA's to say
        lags = [each["metadata"] for each in spec["triggers"] if each["type"] == "kafka"]
        assert {each["topic"] for each in lags} == set(HEARS[service])
        assert {each["consumerGroup"] for each in lags} == {service}
        assert sum(each["type"] == "prometheus" for each in spec["triggers"]) == 1
    for each in of_kind("dev", "StatefulSet", "Deployment"):
        assert each["spec"]["replicas"] == 1


def test_topics_are_those_of_the_code() -> None:
    found = {each["metadata"]["name"]: each["spec"] for each in of_kind("production", "KafkaTopic")}
    assert found == {
        topic.name: {"partitions": topic.partitions, "replicas": 3, "config": dict(topic.settings)}
        for topic in wanted(replication=3)
    }


@pytest.mark.parametrize("name", SPLIT)
def test_it_has_ended_before_it_is_killed(name: str, tmp_path: Path) -> None:
    for service in SERVICES:
        pod = pods(name)[service]["spec"]
        told = SETTINGS[service].load(_readable(variables(name, pod["containers"][0]), tmp_path))
        longest = told.stop_pause + told.drain + timedelta(seconds=2 * CLOSE_SECONDS)
        assert longest < timedelta(seconds=pod["terminationGracePeriodSeconds"])


def test_a_lost_reply_is_looked_for_after_the_longest_life_of_a_frozen_pod() -> None:
    pod = pods("production")["responder"]["spec"]
    probe = pod["containers"][0]["livenessProbe"]
    seconds = probe["periodSeconds"] * probe["failureThreshold"] + pod["terminationGracePeriodSeconds"]
    fields = ResponderSettings.model_fields
    sending = fields["send_within"].default + fields["post_limit"].default
    assert fields["recover_after"].default > sending + timedelta(seconds=seconds)


def test_a_pod_asks_for_the_memory_that_was_measured() -> None:
    measured = dict(re.findall(r"MiB (\w+) (\d+)", (ROOT / "docs" / "benchmarks.md").read_text("utf-8")))
    assert set(measured) == set(SERVICES)
    for service in SERVICES:
        resources = pods("production")[service]["spec"]["containers"][0]["resources"]
        asked, allowed = (int(resources[kind]["memory"].removesuffix("Mi")) for kind in ("requests", "limits"))
        assert int(measured[service]) <= asked <= allowed / 2, service


def test_the_database_has_a_connection_for_everybody() -> None:
    allowed = int(of_kind("production", "Cluster")[0]["spec"]["postgresql"]["parameters"]["max_connections"])
    pool = RouterSettings.model_fields["pool_size"].default
    most = {each["metadata"]["name"]: each["spec"]["maxReplicaCount"] for each in of_kind("production", "ScaledObject")}
    replicas = named("production", "Deployment", "ingest")["spec"]["replicas"] + most["router"] + most["responder"]
    assert replicas * pool + 10 <= allowed


def test_small_says_what_it_is() -> None:
    kinds = sorted(each["kind"] for each in overlay("small"))
    assert kinds == ["Namespace", "NetworkPolicy", "NetworkPolicy", "Service", "StatefulSet"]
    claim: dict[str, Any] = named("small", "StatefulSet", "guichet")["spec"]["volumeClaimTemplates"][0]["spec"]
    assert claim["accessModes"] == ["ReadWriteOnce"]
