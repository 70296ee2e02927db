"""Kafka behind a lock: TLS, names and passwords, and each name no more than its service needs."""

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest
from pydantic import SecretStr

from cli.restore import rewind_kafka
from cli.trouble import Trouble
from libs.common import topics
from libs.common.bus import Record
from libs.common.bus_kafka import KafkaBus, parse
from libs.common.errors import Misconfigured, Unavailable
from libs.common.events import CLASSIFIED, RAW, REPLIES, WORK_ITEMS
from libs.common.kafka_login import OnlyKafka, login_of
from libs.common.keys import create_key
from libs.common.migrate import migrate
from tests.builders import PARTITIONS, record
from tests.buses import until
from tests.proof.fleet import JSON, Fleet, running
from tests.proof.house import eventually
from tests.servers import KafkaCluster, NotFound
from tests.servers.certificates import Authority
from tests.servers.kafka import Locked
from tests.servers.processes import ROOT

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

USERS = ROOT / "deploy" / "k8s" / "components" / "strimzi" / "users.yaml"
SERVICES = ("ingest", "classifier", "router", "responder")
NAMES = (*SERVICES, "operator")
PASSWORDS = {name: f"the password of {name}".replace(" ", "-") for name in NAMES}

PATIENCE = 60.0

_TOPIC, _GROUP = 2, 3
_OPERATIONS = {"Read": 3, "Write": 4, "Describe": 8, "DescribeConfigs": 10}
_LITERAL, _ALLOW = 3, 3


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    try:
        return Authority.made(tmp_path_factory.mktemp("authority") / "it")
    except NotFound as error:
        pytest.skip(f"NOT PROVEN HERE, for want of {error}")


@pytest.fixture(scope="module")
def locked(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """A broker with a second door, where each service may do what our manifests say and nothing else."""
    door = Locked(authority.issue("broker", "localhost"), PASSWORDS)
    try:
        started = KafkaCluster.start(tmp_path_factory.mktemp("locked"), locked=door)
    except NotFound as error:
        pytest.skip(f"NOT PROVEN HERE, for want of {error}")
    with started as cluster:
        asyncio.run(_prepare(cluster.bootstrap))
        yield cluster


async def _prepare(bootstrap: str) -> None:
    await topics.create(bootstrap, PARTITIONS)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        for user in yaml.safe_load_all(USERS.read_text()):
            if user["metadata"]["name"] in NAMES:
                await _allow(admin, user)
    finally:
        await admin.close()


async def _allow(admin: AIOKafkaAdminClient, user: Mapping[str, Any]) -> None:
    for rule in user["spec"]["authorization"]["acls"]:
        of = rule["resource"]
        assert of.get("patternType", "literal") == "literal"
        kind = {"topic": _TOPIC, "group": _GROUP}[of["type"]]
        for operation in rule["operations"]:
            answer = await admin._send_request(
                CreateAclsRequest(
                    kind, of["name"], _LITERAL, f"User:{user['metadata']['name']}", "*", _OPERATIONS[operation], _ALLOW
                )
            )
            assert [each[0] for each in answer.creation_responses] == [0]


def settings(cluster: KafkaCluster, ca: Path | None, user: str = "", password: str = "", bus: str = "") -> OnlyKafka:
    return OnlyKafka(
        bus=bus or f"kafka://{cluster.locked_bootstrap}",
        kafka_ca=ca,
        kafka_user=user,
        kafka_password=SecretStr(password),
        partitions=PARTITIONS,
    )


def bus_of(given: OnlyKafka) -> KafkaBus:
    return KafkaBus(parse(given.bus), PARTITIONS, login=login_of(given))


def connected() -> bool:
    """Whether any connection of this process is open."""
    return any(each.status == psutil.CONN_ESTABLISHED for each in psutil.Process().net_connections("tcp"))


@pytest.fixture(autouse=True)
async def good_byes() -> AsyncIterator[None]:
    """aiokafka waits for no broker's good-bye where it was refused, and TLS has one: what a test's end cuts off is told
    as a leak, of another test.
    """
    yield
    await until(lambda: not connected(), PATIENCE)


@pytest.fixture
async def buses(locked: KafkaCluster, authority: Authority) -> AsyncIterator[dict[str, KafkaBus]]:
    """Each service's own."""
    opened = {name: bus_of(settings(locked, authority.file, name, PASSWORDS[name])) for name in SERVICES}
    yield opened
    for bus in opened.values():
        await bus.close()


@pytest.fixture
async def house(locked: KafkaCluster, authority: Authority, tmp_path: Path) -> AsyncIterator[Fleet]:
    """The four services, each with a name and a password of its own."""
    more = {"GUICHET_KAFKA_CA": str(authority.file), "GUICHET_PARTITIONS": str(PARTITIONS)}
    for name in SERVICES:
        file = tmp_path / f"{name}.password"
        file.write_text(PASSWORDS[name] + "\n")
        more |= {f"{name.upper()}_KAFKA_USER": name, f"{name.upper()}_KAFKA_PASSWORD_FILE": str(file)}
    database = f"sqlite:///{tmp_path}"

    async def prepare() -> None:
        for name in ("ingest", "router", "responder"):
            await migrate(database, name, ROOT / "services" / name / "migrations")

    one_each = dict.fromkeys(SERVICES, 1)
    bus = f"kafka://{locked.locked_bootstrap}"
    async with running(tmp_path, bus, database, replicas=one_each, more=more, prepare=prepare) as fleet:
        yield fleet


async def test_a_mention_goes_all_the_way_with_what_the_manifests_allow(house: Fleet) -> None:
    mention = b'{"network": "crm", "id": "A-17", "text": "Where is my parcel?", "author": {"id": "c9"}}'
    taken = await house.call("ingest", "POST", "/v1/mentions", mention)
    assert taken is not None
    assert taken.status_code == 202, taken.text

    async def routed() -> bool:
        answer = await house.call("router", "GET", "/v1/mentions/crm/A-17")
        return answer is not None and answer.status_code == 200

    await eventually("it is routed", routed, PATIENCE)
    url = next(replica.url for replica in house.replicas if replica.service == "responder")

    async def answered() -> bool:  # nobody can post there: it becomes a person's, and the router hears of it
        sent = await house.http.post(
            f"{url}/v1/replies",
            json={"network": "crm", "post_id": "A-17", "text": "It is on its way."},
            headers=JSON | {"Idempotency-Key": "1"},
        )
        return sent.status_code == 202 and sent.json()["state"] == "manual_required"

    await eventually("it is a person's to answer", answered, PATIENCE)

    async def heard() -> bool:
        said = await house.call("router", "GET", "/v1/conversations?author=crm:c9")
        return said is not None and bool(said.json()["items"][0]["version"] > 1)

    await eventually("the router hears of it", heard, PATIENCE)
    for name in ("classifier", "router", "responder"):
        letters = await house.call(name, "GET", f"/v1/{name}/dead-letters")
        assert letters is not None
        assert letters.status_code == 200, letters.text


@pytest.mark.parametrize(
    ("who", "topic"),
    [("ingest", CLASSIFIED), ("classifier", WORK_ITEMS), ("router", RAW), ("responder", RAW), ("ingest", REPLIES)],
)
async def test_nobody_writes_what_is_another_s_to_tell(buses: dict[str, KafkaBus], who: str, topic: str) -> None:
    with pytest.raises(Unavailable, match=r"(?i)authoriz"):
        await buses[who].publish([record(topic, b"{}")])


async def test_nobody_reads_what_does_not_concern_them(buses: dict[str, KafkaBus]) -> None:
    await buses["responder"].publish([record(REPLIES, b'{"only": "for the router"}')])

    assert [each async for each in buses["ingest"].scan(REPLIES)] == []
    assert [each async for each in buses["router"].scan(REPLIES)] != []


async def test_an_operator_looks_at_all_reads_what_was_told_and_rewinds_and_writes_nothing(
    locked: KafkaCluster, authority: Authority, buses: dict[str, KafkaBus]
) -> None:
    given = settings(locked, authority.file, "operator", PASSWORDS["operator"])
    await buses["responder"].publish([record(REPLIES, b'{"told": "by the responder"}')])
    bus = bus_of(given)
    try:
        assert await topics.problems(parse(given.bus), PARTITIONS, login=login_of(given)) == []
        assert [each async for each in bus.scan(REPLIES)] != []

        async def rewound() -> bool:
            with suppress(Trouble):  # a member of the house above may have left without a word: it lives 15 s longer
                done = await rewind_kafka(given, datetime.now(UTC) - timedelta(hours=1))
                return {group for group, _ in done} == {"router", "responder"}
            return False

        await eventually("both groups are rewound", rewound, PATIENCE)
        with pytest.raises(Unavailable, match=r"(?i)authoriz"):
            await bus.publish([record(REPLIES, b"{}")])
    finally:
        await bus.close()


async def test_what_is_told_over_the_lock_is_read_over_it(buses: dict[str, KafkaBus]) -> None:
    told = record(RAW, b'{"over": "TLS"}')
    await buses["ingest"].publish([told])

    read: list[Record] = [each async for each in buses["classifier"].scan(RAW)]

    assert told.value in [each.value for each in read]


async def test_where_nothing_is_told_nobody_waits(buses: dict[str, KafkaBus]) -> None:
    """With a fetch under way each takes a second, and sometimes half a minute until the broker says good-bye."""
    bus = buses["classifier"]
    async with asyncio.timeout(8):
        found = [[each async for each in bus.scan(f"{RAW}.dlq")] for _ in range(12)]

    assert found == [[]] * 12


# --- who stays outside, and what they are told


async def refused(given: OnlyKafka) -> str:
    """What the service says as it stops."""
    bus = bus_of(given)
    try:
        with pytest.raises(Misconfigured) as caught:
            await bus.ping()
        with pytest.raises(Misconfigured) as asked:
            await topics.problems(parse(given.bus), PARTITIONS, login=login_of(given))
    finally:
        await bus.close()
    assert str(asked.value) == str(caught.value)
    return str(caught.value)


async def test_a_wrong_password_is_named_without_it(locked: KafkaCluster, authority: Authority) -> None:
    said = await refused(settings(locked, authority.file, "router", "guessed-it"))

    assert said == f"Kafka at {locked.locked_bootstrap} does not take GUICHET_KAFKA_USER router and its password"


async def test_a_broker_of_another_authority_is_not_trusted(locked: KafkaCluster, tmp_path: Path) -> None:
    other = Authority.made(tmp_path / "other")

    said = await refused(settings(locked, other.file, "router", PASSWORDS["router"]))

    assert said.startswith(f"Kafka at {locked.locked_bootstrap} is not trusted: ")
    assert said.endswith("(GUICHET_KAFKA_CA)")


async def test_a_broker_called_by_another_name_than_its_own_is_not_trusted(
    locked: KafkaCluster, authority: Authority
) -> None:
    port = locked.locked_bootstrap.rpartition(":")[2]

    said = await refused(
        settings(locked, authority.file, "router", PASSWORDS["router"], bus=f"kafka://127.0.0.1:{port}")
    )

    assert f"Kafka at 127.0.0.1:{port} is not trusted: " in said
    assert "127.0.0.1" in said.partition("trusted")[2]


async def test_a_certificate_whose_time_is_over_is_said(authority: Authority, tmp_path: Path) -> None:
    old = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    old.load_cert_chain(authority.issue("old", "localhost", expired=True))

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", ssl=old)
    try:
        port = server.sockets[0].getsockname()[1]
        given = OnlyKafka(bus=f"kafka://localhost:{port}", kafka_ca=authority.file)
        said = await refused(given)
    finally:
        server.close()
        await server.wait_closed()

    assert said == f"Kafka at localhost:{port} is not trusted: certificate has expired (GUICHET_KAFKA_CA)"


def test_authorities_whose_time_is_over_are_said(authority: Authority) -> None:
    old = authority.issue("old-authority", "localhost", expired=True, authority=True)

    with pytest.raises(Misconfigured, match=r"whose certificate expired on Jan  1 00:00:00 2021 GMT"):
        login_of(OnlyKafka(bus="kafka://localhost:9094", kafka_ca=old))


async def test_the_open_door_takes_no_passwords(locked: KafkaCluster) -> None:
    said = await refused(settings(locked, None, "router", PASSWORDS["router"], bus=f"kafka://{locked.bootstrap}"))

    assert said.startswith(f"Kafka at {locked.bootstrap} takes no SCRAM-SHA-512")


async def test_a_broker_that_is_away_is_only_away(authority: Authority) -> None:
    bus = bus_of(OnlyKafka(bus="kafka://localhost:9", kafka_ca=authority.file))
    try:
        with pytest.raises(Unavailable):
            await bus.ping()
    finally:
        await bus.close()


def test_a_service_that_is_not_let_in_stops_with_one_line(
    locked: KafkaCluster, authority: Authority, tmp_path: Path
) -> None:
    create_key(tmp_path / "keys.toml", name="test", role="service", scopes=["classify"])
    environment = {
        "GUICHET_BUS": f"kafka://{locked.locked_bootstrap}",
        "GUICHET_KAFKA_CA": str(authority.file),
        "GUICHET_KAFKA_USER": "classifier",
        "GUICHET_KAFKA_PASSWORD": "guessed-it",
        "GUICHET_KEYS": str(tmp_path / "keys.toml"),
        "GUICHET_SECRET": "a-deployments-secret",
        "GUICHET_STOP_PAUSE": "0s",
        "CLASSIFIER_PORT": "0",
        "GUICHET_LOG_LEVEL": "error",
    }

    ended = subprocess.run(
        [sys.executable, "-m", "services.classifier"],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip

    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.splitlines()[-1].endswith("does not take GUICHET_KAFKA_USER classifier and its password")
    assert "Traceback" not in ended.stderr
    assert "guessed-it" not in ended.stderr + ended.stdout
