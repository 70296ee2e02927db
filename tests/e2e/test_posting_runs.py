"""An answer goes out once: real responders on real Kafka and PostgreSQL, struck on the way; the sandbox judges."""

import itertools
from pathlib import Path

import pytest

from tests.proof.posting_runs.agents import at_once
from tests.proof.posting_runs.limits import at_full_load
from tests.proof.posting_runs.play import Wanted, judged, play
from tests.proof.routing.verdict import Verdict
from tests.servers import KafkaCluster, Postgres

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]

SMALL = Wanted(runs=40, kills=1, give_up_seconds=8)

_numbers = itertools.count(1)


@pytest.fixture
def servers(kafka_to_crash: KafkaCluster, postgres: Postgres) -> tuple[str, str]:
    """Kafka and an empty database, by their addresses."""
    return f"kafka://{kafka_to_crash.bootstrap}", postgres.create_database(f"posting_{next(_numbers)}")


def broken(verdicts: list[Verdict]) -> dict[str, list[str]]:
    """Examples of what did not hold, by the promise; one that was never looked at does not hold either."""
    return {each.promise: each.examples for each in verdicts if each.broken or not each.looked_at}


async def test_what_is_posted_is_what_the_network_counted_wherever_a_responder_is_killed(
    servers: tuple[str, str], tmp_path: Path
) -> None:
    played = await play(SMALL, *servers, tmp_path / "house", print)

    assert broken(judged(played)) == {}
    assert len(played.runs) >= SMALL.runs


async def test_of_eight_agents_who_press_send_at_once_one_wins(servers: tuple[str, str], tmp_path: Path) -> None:
    assert broken(await at_once(*servers, tmp_path / "house", print, mentions=40)) == {}


async def test_four_responders_at_full_load_never_exceed_what_the_network_allows(
    servers: tuple[str, str], tmp_path: Path
) -> None:
    assert broken(await at_full_load(*servers, tmp_path / "house", print, public=120, private=40)) == {}
