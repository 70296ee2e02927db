"""A real Apache Kafka: one broker or several, each in a JVM of its own, to kill, pause and restart."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import signal
import socket
import struct
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

from tests.servers import jars
from tests.servers.ports import HOST, Port
from tests.servers.processes import PATIENCE, NotStarted, Process, claim, wait_for, wait_until_ready

START_LIMIT = 90.0  # seconds; a broker needs two, a busy machine more
_MESSAGE_BYTES = 2 * 1024 * 1024

_QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData")
# what Kafka's own start script sets
_FAST = ("-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35")

TunedFor = Literal["start", "throughput"]


@dataclass(frozen=True)
class Locked:
    """A second door of every broker: TLS, and names with passwords (SCRAM-SHA-512). The first one stays open to who is
    to set up what those names may: there, everybody may do everything.
    """

    certificate: Path  # key and certificate, in one PEM file, of "localhost"
    users: Mapping[str, str]  # name -> password


class KafkaCluster:
    """Brokers that are their own controllers, on the loopback address; broker `index` has node id `index`."""

    def __init__(self, folder: Path, java: jars.Java, flags: Sequence[str], lock: IO[bytes]) -> None:
        """Use `start`."""
        self._folder = folder
        self._java = java
        self._flags = flags
        self._lock = lock
        self._nodes: list[_Node] = []

    @classmethod
    def start(
        cls,
        folder: Path,
        brokers: int = 1,
        *,
        heap_mb: int = 512,
        tuned_for: TunedFor = "start",
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        locked: Locked | None = None,
    ) -> KafkaCluster:
        """Start the brokers and wait until each answers and knows all of them.

        Args:
            folder: Keeps the data: a second start there, with as many brokers, finds the topics again.
            brokers: Three give every internal topic three replicas.
            heap_mb: The most each broker takes for its heap.
            tuned_for: "start" compiles little and answers early; "throughput" is for benchmarks.
            port: Of the first broker, with the others after it; one that is taken is replaced by a free one.
            settings: Of the broker, over ours.
            locked: A second door; its address is `locked_bootstrap`.

        Raises:
            NotFound: Java, Maven or the jars are missing.
            NotStarted: a broker did not come up, or `folder` is in use or holds a cluster of another size.
        """
        java = jars.kafka()
        folder = folder.absolute()
        flags = [f"-Xmx{heap_mb}m"]
        if tuned_for == "start":
            flags += [f"-Xms{min(256, heap_mb)}m", *_QUICK]
        else:
            flags += [f"-Xms{heap_mb}m", *_FAST]
        cluster = cls(folder, java, flags, claim(folder))
        try:
            cluster._lay_out(brokers, port, settings or {}, locked)
            cluster._format(locked.users if locked else {})
            for node in cluster._nodes:
                cluster._run(node)
            cluster._wait(cluster._nodes, brokers)
        except BaseException:
            cluster.stop()
            raise
        return cluster

    @property
    def bootstrap(self) -> str:
        """As clients take it: "127.0.0.1:9092,127.0.0.1:9093"."""
        return ",".join(f"{HOST}:{node.port.number}" for node in self._nodes)

    @property
    def locked_bootstrap(self) -> str:
        """The second door."""
        return ",".join(f"localhost:{node.locked_port.number}" for node in self._nodes if node.locked_port)

    @property
    def pids(self) -> list[int]:
        """Of the brokers that run, also of paused ones, in their order."""
        return [node.process.pid for node in self._nodes if node.process and node.process.running]

    @property
    def running(self) -> bool:
        """Whether every broker does; a paused one counts."""
        return all(node.process and node.process.running for node in self._nodes)

    def kill(self, index: int) -> None:
        """As a power cut would, but that the system still writes what the broker gave it."""
        self._process(index).kill()

    def pause(self, index: int) -> None:
        """It keeps its connections and answers nothing; after 3 s the others take it for dead."""
        self._process(index).signal(signal.SIGSTOP)

    def resume(self, index: int) -> None:
        """Go on after a pause."""
        self._process(index).signal(signal.SIGCONT)

    def restart(self, *indexes: int) -> None:
        """Start these again, or all, on their ports and data, after stopping those that run.

        Returns when they serve again. Of three brokers two must run for that: name them together.
        """
        nodes = [self._nodes[index] for index in indexes] or self._nodes
        running = [node.process for node in nodes if node.process and node.process.running]
        for process in running:
            process.ask_to_stop()
        for process in running:
            process.end()
        for node in nodes:
            self._run(node)
        self._wait(nodes, len(nodes))

    def stop(self) -> None:
        """End all brokers; harmless when they have ended already."""
        processes = [node.process for node in self._nodes if node.process]
        for process in processes:
            process.ask_to_stop()
        last = 1 if len(processes) > 1 else 0
        wait_for(lambda: sum(process.running for process in processes) <= last, PATIENCE)
        for process in processes:
            process.end(1)  # the last of several would wait long for controllers that are gone
        for node in self._nodes:
            node.port.release()
            node.controller_port.release()
            if node.locked_port:
                node.locked_port.release()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _process(self, index: int) -> Process:
        process = self._nodes[index].process
        if process is None:
            raise ValueError(f"broker {index} was never started")
        return process

    def _lay_out(self, brokers: int, port: int | None, settings: Mapping[str, str], locked: Locked | None) -> None:
        """Give each broker its ports, its folder and its settings; ports may differ from the last start's."""
        formatted = self._folder / "cluster.json"
        if formatted.exists() and (before := json.loads(formatted.read_text())["brokers"]) != brokers:
            raise NotStarted(f"{self._folder} holds a cluster of {before} brokers, not {brokers}: take another folder")
        for index in range(brokers):
            wanted = 0 if port is None else port + index
            node = _Node(index, self._folder / f"broker-{index}", Port(wanted), Port(), Port() if locked else None)
            self._nodes.append(node)
        voters = ",".join(f"{node.index}@{HOST}:{node.controller_port.number}" for node in self._nodes)
        for node in self._nodes:
            node.folder.mkdir(exist_ok=True)
            if locked:
                shutil.copy(locked.certificate, node.folder / "server.pem")
            all_of_it = {**_settings(node, brokers, voters), **_second_door(node), **settings}
            lines = [f"{name}={value}" for name, value in all_of_it.items()]
            (node.folder / "server.properties").write_text("\n".join(lines) + "\n")

    def _format(self, users: Mapping[str, str]) -> None:
        """Make empty storage for every broker, unless an earlier start has."""
        done = self._folder / "cluster.json"
        if done.exists():
            return
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        formatting = []
        for node in self._nodes:
            shutil.rmtree(node.folder / "data", ignore_errors=True)  # an earlier start did not get to the end
            command = self._java_command("kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}")
            for name, password in users.items():
                command += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
            with (node.folder / "format.log").open("wb") as log:
                formatting.append(
                    subprocess.Popen(
                        [*command, "-c", "server.properties"],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        cwd=node.folder,
                    )
                )
        for node, process in zip(self._nodes, formatting, strict=True):
            if process.wait(START_LIMIT) != 0:
                said = (node.folder / "format.log").read_text(errors="replace")
                raise NotStarted(f"Kafka's storage in {node.folder} could not be formatted:\n{said[-2000:]}")
        done.write_text(json.dumps({"id": cluster_id, "brokers": len(self._nodes)}) + "\n")

    def _run(self, node: _Node) -> None:
        flags = [*self._flags, f"-Dlog4j2.configurationFile={jars.LOGGING.as_uri()}"]
        command = self._java_command("kafka.Kafka", "server.properties", flags=flags)
        node.process = Process(command, node.folder / "broker.log")

    def _java_command(self, main: str, *arguments: str, flags: Sequence[str] = _QUICK) -> list[str]:
        """A JVM with Kafka's classes; the folder it runs in holds the files it is given by name.

        So no path of ours stands in a properties file, where commas, backslashes and accents mean trouble.
        """
        common = ["-Djava.net.preferIPv4Stack=true", "-Djava.awt.headless=true", "-cp", self._java.class_path]
        return [str(self._java.program), *flags, *common, main, *arguments]

    def _wait(self, nodes: Sequence[_Node], least: int) -> None:
        """Wait until each of these brokers serves and counts itself and so many in all as alive."""

        def ready() -> bool:
            for node in nodes:
                alive = brokers_alive(node.port.number)
                if node.index not in alive or len(alive) < least:
                    return False
            return True

        wait_until_ready(ready, [node.process for node in nodes if node.process], START_LIMIT, "Kafka")


class _Node:
    """One broker: what stays the same over its lives, and the process of the present one."""

    def __init__(
        self, index: int, folder: Path, port: Port, controller_port: Port, locked_port: Port | None = None
    ) -> None:
        self.index = index
        self.folder = folder
        self.port = port
        self.controller_port = controller_port
        self.locked_port = locked_port
        self.process: Process | None = None


def _settings(node: _Node, brokers: int, voters: str) -> dict[str, str]:
    replicas = str(min(brokers, 3))
    in_sync = str(min(brokers, 2))
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.index),
        "controller.quorum.voters": voters,
        "listeners": f"CLIENTS://{HOST}:{node.port.number},CONTROLLER://{HOST}:{node.controller_port.number}",
        "advertised.listeners": f"CLIENTS://{HOST}:{node.port.number}",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENTS",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": "data",
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": "3",  # the default of 50 makes a cluster's first group wait for 50 topics
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": "3",
        "group.initial.rebalance.delay.ms": "0",
        # a killed broker may come back only when its last life counts as dead: not after Kafka's 9 s, but 3
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "1000",
        "message.max.bytes": str(_MESSAGE_BYTES),
        "replica.fetch.max.bytes": str(_MESSAGE_BYTES),
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),  # the default is a quarter of our heap
    }


def _second_door(node: _Node) -> dict[str, str]:
    if node.locked_port is None:
        return {}
    first = _settings(node, 1, "")
    number = node.locked_port.number
    return {
        "listeners": f"{first['listeners']},LOCKED://{HOST}:{number}",
        "advertised.listeners": f"{first['advertised.listeners']},LOCKED://localhost:{number}",
        "listener.security.protocol.map": f"{first['listener.security.protocol.map']},LOCKED:SASL_SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.locked.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": "server.pem",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",  # who comes through the first door
    }


def brokers_alive(port: int) -> set[int]:
    """The node ids that a broker names in its metadata: those not fenced off; empty while it does not answer.

    Source: the Kafka protocol guide, Metadata version 1, https://kafka.apache.org/protocol
    """
    request = struct.pack("!hhih", 3, 1, 1, -1) + struct.pack("!i", 0)  # no client id; of no topic
    with (
        contextlib.suppress(OSError, struct.error),
        socket.create_connection((HOST, port), timeout=2) as connection,
        connection.makefile("rb") as answers,
    ):
        connection.sendall(struct.pack("!i", len(request)) + request)
        (size,) = struct.unpack("!i", answers.read(4))
        answer = answers.read(size)
        (count,) = struct.unpack_from("!i", answer, 4)  # after the correlation id
        found, at = set(), 8
        for _ in range(count):
            (broker, host_bytes) = struct.unpack_from("!ih", answer, at)
            at += 6 + host_bytes + 4
            (rack_bytes,) = struct.unpack_from("!h", answer, at)
            at += 2 + max(rack_bytes, 0)
            found.add(broker)
        return found
    return set()
