"""The expected wait, as the public and those who work here read it."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.router.waits_office import Office, office_of

LOOK = timedelta(seconds=30)
STATUS = "/v1/public/acme/status"


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with office_of(database_url, tmp_path) as office:
        yield office


async def test_a_handle_without_a_page_is_unknown(office: Office) -> None:
    answer = await office.asks(STATUS)

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:guichet:problem:no-such-page"


async def test_the_public_reads_the_wait_without_a_key(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    await office.waits.look()
    await office.incident("Panne du site : nous y travaillons.")
    page = await office.page()

    answer = await office.asks(STATUS)

    assert page["served_by"] == "fr"
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    said = answer.json()
    assert said.pop("as_of")
    assert said == {
        "handle": "acme",
        "open": True,
        "next_change_at": None,
        "zone": "Europe/Paris",
        "opening_text": "Ouvert en permanence.",
        "expected_wait": {
            "state": "known", "p50_seconds": 600, "p80_seconds": 600, "more_than_hours": None,
            "text": "Réponse d'une personne : 8 fois sur 10 en 10 minutes au plus.",
        },
        "incident": "Panne du site : nous y travaillons.",
        "other_ways": ["01 23 45 67 89"],
        "language": "fr",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "headers"),
    [("?format=text&lang=en", {}), ("", {"Accept": "text/plain", "Accept-Language": "de, en;q=0.8, fr;q=0.2"})],
)
async def test_it_is_there_as_text_and_in_english(office: Office, query: str, headers: dict[str, str]) -> None:
    await office.page()

    answer = await office.asks(STATUS + query, headers=headers)

    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == (
        "@acme\nAlways open.\nResponse time: not known yet.\n\nOther ways to reach us:\n- 01 23 45 67 89\n"
    )


async def test_a_browser_gets_a_page_that_runs_and_fetches_nothing(office: Office) -> None:
    await office.incident("Panne <b>du site</b> & plus")
    await office.page()

    answer = await office.asks(STATUS, headers={"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8"})

    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for said in ('lang="fr"', "Panne &lt;b&gt;du", "Ouvert en permanence.", "?lang=en&amp;format=page"):
        assert said in answer.text
    assert re.search(r"<script|src=|https?://|@import|url\(", answer.text) is None
    assert (await office.asks(f"{STATUS}?format=page&lang=en")).text.count("Always open.") == 1


async def test_who_has_it_already_is_told_so(office: Office) -> None:
    await office.page()
    first = await office.asks(STATUS)

    again = await office.asks(STATUS, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("published", "days", "kept", "state"),
    [("auto", 15, 30, "known"), ("auto", 13, 30, "unknown"), ("auto", 15, 20, "unknown"), ("on", 1, 5, "known"),
     ("off", 15, 30, "unknown")],
)  # fmt: skip
async def test_it_is_published_after_fourteen_days_well_kept_or_by_a_supervisor(
    office: Office, published: str, days: int, kept: int, state: str
) -> None:
    await office.agent()
    await office.answered_before(1, 400, days_ago=days)
    await office.answered_before(kept, 400, days_ago=2)
    await office.answered_before(30 - kept, 400, days_ago=2.5, kept=False)
    await office.waits.look()
    await office.page(published=published)

    assert (await office.asks(STATUS)).json()["expected_wait"]["state"] == state


async def test_who_asks_too_often_is_told_when_to_come_back(office: Office) -> None:
    await office.page()
    answers = [(await office.asks(STATUS)).status_code for _ in range(101)]
    refused = await office.asks(STATUS)
    office.time += 2

    assert answers == [200] * 100 + [429]
    assert refused.headers["Retry-After"] == "2"
    assert refused.json()["type"] == "urn:guichet:problem:too-many"
    assert (await office.asks(STATUS)).status_code == 200


async def test_those_who_work_here_see_the_parts_and_the_score(office: Office) -> None:
    await office.agent()
    await office.answered_before(30, 400)
    await office.waits.look()

    wait = await office.calls("/v1/queues/fr/expected-wait")

    assert [one["urgency"] for one in wait["urgencies"]] == ["critical", "high", "normal", "low"]
    assert wait["urgencies"][3]["p80_seconds"] == 600
    assert (wait["agents"], wait["open"]) == (1, True)
    assert (wait["score"]["kept"], wait["score"]["scored"], wait["score"]["published"]) == (30, 30, False)
    assert (await office.asks("/v1/queues/fr/expected-wait")).status_code == 401
    assert office.registry.get_sample_value("expected_wait_seconds", {"queue": "fr", "quantile": "0.8"}) == 600
    assert office.registry.get_sample_value("expected_wait_kept_ratio", {"queue": "fr"}) == 1


async def test_a_page_is_changed_on_what_it_is(office: Office) -> None:
    assert (await office.page())["version"] == 1
    assert (await office.page())["version"] == 1
    assert (await office.page(published="off"))["version"] == 2
    headers = {"Authorization": f"Bearer {office.key}", "If-Match": '"1"'}

    stale = await office.asks("/v1/public/acme", "PUT", headers=headers, json={})

    assert stale.status_code == 412
    await office.calls("/v1/public/acme", "PUT", 422, {"zone": "Paris"})
    await office.calls("/v1/public/acme", "PUT", 404, {"queue": "nowhere"})
