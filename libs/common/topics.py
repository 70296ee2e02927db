"""The topics on Kafka: what they have to be like, making those that are missing, saying which are wrong."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code

from libs.common.errors import Misconfigured, Unavailable
from libs.common.events import TOPICS
from libs.common.kafka_login import IN_THE_OPEN, Login, why_not

PARTITIONS = 12
CONNECT_SECONDS = 10
ANSWER_SECONDS = 30
KNOWN_SECONDS = 15

_DAY_MS = 24 * 3600 * 1000
_MESSAGE_BYTES = 2 << 20  # more than a service may publish: others may write here too
_DEAD_BYTES = 3 << 20  # the largest message, and why nobody could handle it


class Topic(NamedTuple):
    """One topic as it has to be. All have the same number of partitions, so that order survives every hop."""

    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Report:
    """What was found and done. `wrong` is for a person: nothing was changed there."""

    created: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def wanted(partitions: int = PARTITIONS, replication: int = 1) -> list[Topic]:
    """The four topics and their dead letters.

    Dead letters are compacted, so that a tombstone (replayed, discarded) takes its record away for good.
    """
    common = {
        "max.message.bytes": str(_MESSAGE_BYTES),
        "min.insync.replicas": "2" if replication >= 3 else "1",
        "unclean.leader.election.enable": "false",
    }
    kept_7_days = {"cleanup.policy": "delete", "retention.ms": str(7 * _DAY_MS), **common}
    kept_30_days = {
        **common,
        "cleanup.policy": "compact,delete",
        "retention.ms": str(30 * _DAY_MS),
        "max.message.bytes": str(_DEAD_BYTES),
    }
    return [Topic(name, partitions, replication, kept_7_days) for name in TOPICS] + [
        Topic(f"{name}.dlq", partitions, replication, kept_30_days) for name in TOPICS
    ]


async def create(
    bootstrap: str,
    partitions: int = PARTITIONS,
    replication: int | None = None,
    *,
    login: Login = IN_THE_OPEN,
) -> Report:
    """Make the topics that are missing; leave the others as they are, and say what is wrong with them.

    Args:
        bootstrap: the brokers, `host:port,host:port`.
        login: how to get in.
        replication: copies of each record; by default one a broker, at most three.

    Raises:
        Unavailable: Kafka does not answer.
        Misconfigured: it refuses to make them.
    """
    async with _admin(bootstrap, login) as admin:
        brokers = len((await admin.describe_cluster())["brokers"])
        there = await _look(admin)
        topics = wanted(partitions, min(3, brokers) if replication is None else replication)
        created = await _create(admin, [topic for topic in topics if topic.name not in there], brokers)
        await _all_known(admin, [topic.name for topic in topics])
        kept = [topic.name for topic in topics if topic.name not in created]
        return Report(created, kept, await _wrong(admin, kept, partitions))


async def problems(bootstrap: str, partitions: int = PARTITIONS, *, login: Login = IN_THE_OPEN) -> list[str]:
    """What is wrong with the topics, a line each with what to do; nothing is changed.

    Raises:
        Unavailable: Kafka does not answer.
    """
    async with _admin(bootstrap, login) as admin:
        there = await _look(admin)
        names = [topic.name for topic in wanted(partitions)]
        missing = [name for name in names if name not in there]
        lines = [f"no topic {', '.join(missing)}: run `guichet topics`"] if missing else []
        return lines + await _wrong(admin, [name for name in names if name in there], partitions)


@asynccontextmanager
async def _admin(bootstrap: str, login: Login) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=ANSWER_SECONDS * 1000, **login)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await admin.start()
        async with asyncio.timeout(ANSWER_SECONDS * 2):
            yield admin
    except (KafkaError, TimeoutError, OSError) as error:
        if reason := await why_not(bootstrap, login):
            raise Misconfigured(reason) from error
        raise Unavailable(f"Kafka at {bootstrap}", _plain(error)) from error
    finally:
        with suppress(Exception):
            await admin.close()


def _plain(error: Exception) -> str:
    """aiokafka's own words name address families and its classes."""
    return "no broker answers" if isinstance(error, KafkaConnectionError | TimeoutError) else str(error)


async def _look(admin: AIOKafkaAdminClient) -> dict[str, Topic]:
    """The topics there are, without their settings."""
    return {
        found["topic"]: Topic(
            found["topic"],
            len(found["partitions"]),
            min((len(partition["replicas"]) for partition in found["partitions"]), default=0),
            {},
        )
        for found in await admin.describe_topics()
    }


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[Topic], brokers: int) -> list[str]:
    """The names of those that were made; one that somebody else made meanwhile is not among them."""
    if not topics:
        return []
    new = [NewTopic(t.name, t.partitions, t.replication, topic_configs=dict(t.settings)) for t in topics]
    answer: Any = await admin.create_topics(new)
    created = []
    for name, code, message in (tuple(each)[:3] for each in answer.topic_errors):
        error = for_code(code)
        if code == 0:
            created.append(name)
        elif error.__name__ == "InvalidReplicationFactorError":
            wished = topics[0].replication
            raise Misconfigured(
                f"{wished} copies of {name} need {wished} brokers, there are {brokers}: --replication {brokers}"
            )
        elif error is not TopicAlreadyExistsError:
            raise Misconfigured(f"Kafka does not make {name}: {message or error.__name__}")
    return created


async def _all_known(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    """Wait until the broker we ask has heard of them: that comes a moment after the controller made them."""
    async with asyncio.timeout(KNOWN_SECONDS):
        while not set(names) <= set(await _look(admin)):  # noqa: ASYNC110 - nobody here could set an event
            await asyncio.sleep(0.05)


async def _wrong(admin: AIOKafkaAdminClient, names: Sequence[str], partitions: int) -> list[str]:
    if not names:
        return []
    there = await _look(admin)
    found = [there[name] for name in names if name in there]
    lines = []
    for count in sorted({topic.partitions for topic in found} - {partitions}):
        wrong = ", ".join(topic.name for topic in found if topic.partitions == count)
        lines.append(
            f"{count} partitions instead of {partitions} in {wrong}: say {count} everywhere (GUICHET_PARTITIONS), "
            "or delete them and run `guichet topics`"
        )
    settings = await _settings(admin, names)
    for topic in found:
        expected = next(each for each in wanted(partitions, topic.replication) if each.name == topic.name)
        for name, value in expected.settings.items():
            is_set = settings.get(topic.name, {}).get(name, value)
            if is_set != value:
                lines.append(f"{topic.name} has {name}={is_set} instead of {value}: mend it with kafka-configs.sh")
    return lines


async def _settings(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Each topic's settings as the broker has them, its defaults among them."""
    answers: Any = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    found: dict[str, dict[str, str]] = {}
    for answer in answers:
        for resource in answer.resources:
            code, _message, _kind, name, entries = tuple(resource)[:5]
            if code == 0:
                found[name] = {entry[0]: entry[1] for entry in entries}
    return found
