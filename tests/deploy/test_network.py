"""Who may talk to whom: the policies as a network would apply them, against what the code does. And the way in."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from cli import openapi
from cli.asyncapi import HEARERS, TELLERS
from cli.services import MIGRATIONS
from deploy.k8s.generate import routes
from deploy.k8s.topology import HEARS, KAFKA_TLS_PORT, PEERS, PORTS, SERVICES
from libs.common.events import CLASSIFIED, REPLIES, WORK_ITEMS
from libs.common.topics import wanted
from tests.deploy.manifests import Manifest, named, of_kind, pods, selects

OURS = {"kubernetes.io/metadata.name": "guichet"}
ON_KAFKA = {*TELLERS.values(), *(hearer for hearers in HEARERS.values() for hearer in hearers)}


class Pod(NamedTuple):
    """One end of a connection."""

    labels: Mapping[str, str]
    namespace: Mapping[str, str] = OURS


DNS = Pod({"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"})
STRANGER = Pod({"app.kubernetes.io/name": "router"}, {"kubernetes.io/metadata.name": "elsewhere"})
OUTSIDE = {name: Pod(peer.labels, peer.namespace) for name, peer in PEERS.items() if peer.namespace is not None}


def test_in_dev_the_edges_are_those_of_the_code_and_no_others() -> None:
    expected = {(service, "kafka", 9092) for service in (*ON_KAFKA, "topics")}
    expected |= {(service, "postgresql", 5432) for service in (*MIGRATIONS, "migrate")}
    expected.add(("responder", "sandbox", 8009))
    assert set(_edges("dev", {})) == expected


def test_in_production_the_edges_are_those_of_the_code_and_no_others() -> None:
    operated = {
        "strimzi-kafka": Pod(PEERS["strimzi-kafka"].labels),
        "cnpg-postgresql": Pod(PEERS["cnpg-postgresql"].labels),
    }
    found = set(_edges("production", operated))
    kafka, database = "strimzi-kafka", "cnpg-postgresql"
    expected = {(service, kafka, 9094) for service in (*ON_KAFKA, "keda")}
    expected |= {(service, database, 5432) for service in (*MIGRATIONS, "migrate", "cnpg-operator")}
    expected |= {(caller, service, PORTS[service]) for caller in ("prometheus", "gateway") for service in SERVICES}
    expected |= {(caller, kafka, port) for caller in (kafka, "strimzi-operator") for port in (8443, 9090, 9091)}
    expected |= {("cnpg-operator", database, 8000), (database, database, 5432), (database, database, 8000)}
    assert found == expected


@pytest.mark.parametrize("name", ["dev", "production", "small"])
def test_every_pod_is_closed_both_ways_and_may_resolve_names(name: str) -> None:
    for workload, pod in pods(name).items():
        one = Pod(pod["metadata"]["labels"])
        assert {way for policy in _on(name, one) for way in policy["policyTypes"]} == {"Egress", "Ingress"}, workload
        assert _may(name, one, DNS, 53, protocol="UDP"), workload
        assert not any(_may(name, STRANGER, one, port) for port in _PORTS), workload


def test_only_the_responder_gets_out_and_not_into_the_cluster() -> None:
    for name, expected in (("dev", set()), ("production", {"responder"}), ("small", {"guichet"})):
        out: dict[str, list[Manifest]] = {}
        for workload, pod in pods(name).items():
            blocks = [
                (peer["ipBlock"], rule["ports"])
                for policy in _on(name, Pod(pod["metadata"]["labels"]))
                for rule in policy.get("egress", ())
                for peer in rule.get("to", ())
                if "ipBlock" in peer
            ]
            for block, ports in blocks:
                assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(block["except"])
                assert ports == [{"protocol": "TCP", "port": 443}]
                out.setdefault(workload, []).append(block)
        assert set(out) == expected


def test_kafka_opens_its_door_to_whom_the_policies_do() -> None:
    listeners = named("production", "Kafka", "guichet")["spec"]["kafka"]["listeners"]
    (door,) = listeners  # and no other, without a lock
    assert (door["port"], door["tls"], door["authentication"]) == (KAFKA_TLS_PORT, True, {"type": "scram-sha-512"})
    assert named("production", "Kafka", "guichet")["spec"]["kafka"]["authorization"] == {"type": "simple"}
    callers = {name: Pod({"app.kubernetes.io/name": name}) for name in (*SERVICES, "migrate")} | OUTSIDE
    let_in = {name for name, pod in callers.items() if any(_is(peer, pod) for peer in door["networkPolicyPeers"])}
    assert let_in == {*ON_KAFKA, "keda"}


def test_each_principal_may_what_its_service_does_and_no_more() -> None:
    users = {user["metadata"]["name"]: user for user in of_kind("production", "KafkaUser")}
    assert users.keys() == {*SERVICES, "keda", "operator"}
    for service, user in users.items():
        assert user["spec"]["authentication"] == {"type": "scram-sha-512"}
        acls = user["spec"]["authorization"]["acls"]
        may = {(each["resource"]["type"], each["resource"]["name"], op) for each in acls for op in each["operations"]}
        heard = {topic for topic, hearers in HEARERS.items() if service in hearers}
        told = {topic for topic, teller in TELLERS.items() if teller == service}
        dead = {f"{topic}.dlq" for topic in heard}
        need = {("topic", topic, "Read") for topic in heard | dead}
        need |= {("topic", topic, "Write") for topic in told | dead | heard}  # heard: an operator replays
        need |= {("topic", topic, "Describe") for topic in heard | told | dead}
        need |= {("group", service, op) for op in ("Read", "Describe")} if heard else set()
        if service == "keda":  # it counts what waits, and reads none of it
            need = {("topic", topic, "Describe") for topics in HEARS.values() for topic in topics}
            need |= {("group", name, "Describe") for name in SERVICES if HEARS[name]}
        if service == "operator":  # looks at all, reads what restore-finish asks, rewinds, and writes nothing
            need = {("topic", topic.name, op) for topic in wanted() for op in ("Describe", "DescribeConfigs")}
            need |= {("topic", topic, "Read") for topic in (CLASSIFIED, REPLIES, WORK_ITEMS)}
            need |= {("group", name, op) for name in ("router", "responder") for op in ("Read", "Describe")}
        assert may == need


def test_each_call_of_the_api_comes_to_its_service_and_nothing_else_gets_in() -> None:
    paths = openapi.document()["paths"]
    calls = [
        (method.upper(), path, operation["x-service"])
        for path, operations in paths.items()
        for method, operation in operations.items()
        if isinstance(operation, Mapping) and "x-service" in operation
    ]
    assert len(calls) > 70
    for method, path, service in calls:
        assert _routed(method, path.replace("{", "").replace("}", "")) == service, (method, path)
    for path in ("/metrics", "/readyz", "/livez", "/startupz", "/version", "/openapi.json", "/", "/v1"):
        assert _routed("GET", path) is None


def test_two_services_beneath_one_path_are_not_guessed_apart() -> None:
    with pytest.raises(ValueError, match=r"GET /v1/a/... goes to two services"):
        routes({"/v1/a/{id}/x": {"get": {"x-service": "router"}}, "/v1/a/{id}/y": {"get": {"x-service": "ingest"}}})


def _routed(method: str, path: str) -> str | None:
    """As the Gateway API says: of the matches that fit the longest path wins."""
    fitting: list[tuple[int, str]] = []
    for route in of_kind("production", "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            (backend,) = rule["backendRefs"]
            assert backend["port"] == PORTS[backend["name"]]
            for match in rule["matches"]:
                prefix = match["path"]["value"]
                if match["method"] == method and f"{path}/".startswith(f"{prefix}/"):
                    fitting.append((len(prefix), backend["name"]))
    best = {name for length, name in fitting if length == max(length for length, _ in fitting)}
    assert len(best) <= 1
    return best.pop() if best else None


_PORTS = sorted({*PORTS.values(), 443, 5432, 8000, 8009, 8443, 9090, 9091, 9092, 9094})


def _edges(name: str, more: Mapping[str, Pod]) -> Iterator[tuple[str, str, int]]:
    """Every connection the policies let through, where one end is ours."""
    here = {workload: Pod(pod["metadata"]["labels"]) for workload, pod in pods(name).items()} | dict(more)
    for source, one in (here | OUTSIDE).items():
        for target, other in here.items():
            for port in _PORTS:
                if _may(name, one, other, port):
                    yield source, target, port


def _may(name: str, source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
    out = source.namespace is not OURS or _let(_on(name, source), "egress", "to", target, port, protocol)
    return out and (target.namespace is not OURS or _let(_on(name, target), "ingress", "from", source, port, protocol))


def _on(name: str, pod: Pod) -> list[Manifest]:
    """The policies that select a pod of ours."""
    specs = [each["spec"] for each in of_kind(name, "NetworkPolicy")]
    return [spec for spec in specs if selects(spec["podSelector"], pod.labels)]


def _let(policies: Iterable[Manifest], way: str, end: str, other: Pod, port: int, protocol: str) -> bool:
    return any(
        any(_is(peer, other) for peer in rule[end])
        and ("ports" not in rule or {"protocol": protocol, "port": port} in rule["ports"])
        for policy in policies
        for rule in policy.get(way, ())
    )


def _is(peer: Mapping[str, Any], pod: Pod) -> bool:
    if "ipBlock" in peer:
        return False  # outside; asked above
    namespace = peer.get("namespaceSelector")
    there = pod.namespace is OURS if namespace is None else selects(namespace, pod.namespace)
    return there and selects(peer.get("podSelector", {}), pod.labels)
