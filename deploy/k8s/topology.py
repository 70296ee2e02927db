"""Who talks to whom, from the code: ports from the settings, topics from the catalogue, tables from the migrations."""

from collections.abc import Mapping
from dataclasses import dataclass

from cli.asyncapi import HEARERS, TELLERS
from cli.services import MIGRATIONS
from libs.common.settings import Settings
from sandbox.settings import SandboxSettings
from services.classifier.settings import ClassifierSettings
from services.ingest.settings import IngestSettings
from services.responder.settings import ResponderSettings
from services.router.settings import RouterSettings

SETTINGS: Mapping[str, type[Settings]] = {
    "ingest": IngestSettings,
    "classifier": ClassifierSettings,
    "router": RouterSettings,
    "responder": ResponderSettings,
}
SERVICES = tuple(SETTINGS)
PORTS: Mapping[str, int] = {name: int(kind.model_fields["port"].default) for name, kind in SETTINGS.items()}
SANDBOX_PORT = int(SandboxSettings.model_fields["port"].default)
KAFKA_PORT = 9092
KAFKA_TLS_PORT = 9094  # with a name and a password
DATABASE_PORT = 5432
STRIMZI = (9090, 9091, 8443)  # control plane, replication, the agent beside each broker
CNPG_STATUS = 8000

HEARS: Mapping[str, tuple[str, ...]] = {
    name: tuple(topic for topic, hearers in HEARERS.items() if name in hearers) for name in SERVICES
}
TELLS: Mapping[str, tuple[str, ...]] = {
    name: tuple(topic for topic, teller in TELLERS.items() if teller == name) for name in SERVICES
}
WITH_TABLES = tuple(name for name in SERVICES if name in MIGRATIONS)


@dataclass(frozen=True)
class Peer:
    """Pods that are one end of an edge: by their labels and, outside our namespace, by its name or labels."""

    labels: Mapping[str, str]
    namespace: Mapping[str, str] | None = None  # None: our own


@dataclass(frozen=True)
class Edge:
    """Who may open a connection to whom."""

    source: str
    target: str
    port: int


def _ours(name: str) -> Peer:
    return Peer({"app.kubernetes.io/name": name})


def _namespace(name: str) -> Mapping[str, str]:
    return {"kubernetes.io/metadata.name": name}


OUR_PODS = {name: _ours(name) for name in (*SERVICES, "migrate", "topics", "sandbox", "kafka", "postgresql")}

PEERS: Mapping[str, Peer] = {
    **OUR_PODS,
    "strimzi-kafka": Peer({"strimzi.io/cluster": "guichet", "strimzi.io/kind": "Kafka"}),
    "strimzi-operator": Peer({"strimzi.io/kind": "cluster-operator"}, _namespace("strimzi")),
    "keda": Peer({"app": "keda-operator"}, _namespace("keda")),
    "cnpg-postgresql": Peer({"cnpg.io/cluster": "guichet-db"}),
    "cnpg-operator": Peer({"app.kubernetes.io/name": "cloudnative-pg"}, _namespace("cnpg-system")),
    "prometheus": Peer({"app.kubernetes.io/name": "prometheus"}, _namespace("monitoring")),
    # a gateway's pods are named by whoever made it: its namespace says that it is one
    "gateway": Peer({}, {"guichet.dev/gateway": "true"}),
}

EDGES: Mapping[str, tuple[Edge, ...]] = {
    "overlays/dev": (
        *(Edge(name, "kafka", KAFKA_PORT) for name in (*SERVICES, "topics")),
        *(Edge(name, "postgresql", DATABASE_PORT) for name in (*WITH_TABLES, "migrate")),
        Edge("responder", "sandbox", SANDBOX_PORT),
    ),
    "components/strimzi": (
        *(Edge(name, "strimzi-kafka", KAFKA_TLS_PORT) for name in SERVICES),
        # brokers, controllers and the entity operator among themselves, and the operator: Strimzi's own ports
        *(Edge(caller, "strimzi-kafka", port) for caller in ("strimzi-kafka", "strimzi-operator") for port in STRIMZI),
    ),
    "components/cnpg": (
        *(Edge(name, "cnpg-postgresql", DATABASE_PORT) for name in (*WITH_TABLES, "migrate")),
        Edge("cnpg-postgresql", "cnpg-postgresql", DATABASE_PORT),  # replicas follow the primary
        Edge("cnpg-postgresql", "cnpg-postgresql", CNPG_STATUS),  # and ask its status
        Edge("cnpg-operator", "cnpg-postgresql", CNPG_STATUS),
        Edge("cnpg-operator", "cnpg-postgresql", DATABASE_PORT),
    ),
    "components/keda": (Edge("keda", "strimzi-kafka", KAFKA_TLS_PORT),),  # it reads the groups' offsets itself
    "components/monitoring": tuple(Edge("prometheus", name, PORTS[name]) for name in SERVICES),
    "components/gateway": tuple(Edge("gateway", name, PORTS[name]) for name in SERVICES),
}
"""Folder -> the edges its policies open. All else is closed by the base, which opens name resolution only."""

OUTWARD: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "overlays/production": {"responder": (443,)},  # the networks' API
    # their operators' agents speak with the API server, whose address no label names
    "components/strimzi": {"strimzi-kafka": (443, 6443)},
    "components/cnpg": {"cnpg-postgresql": (443, 6443)},
}
"""Folder -> pods -> ports anywhere outside."""
