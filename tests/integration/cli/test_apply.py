"""`guichet apply`: the two examples on running services, what it says, and files that are wrong."""

import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr
from rich.console import Console

from cli.apply import apply, read_setup
from cli.house import House
from cli.trouble import Trouble
from libs.common.bus_local import LocalBus
from libs.common.keys import create_key
from libs.common.migrate import migrate
from services.ingest import app as ingest
from services.ingest.settings import IngestSettings
from services.router import app as router
from services.router.settings import RouterSettings
from tests.integration.cli.command import ROOT, guichet

RAILWAY = ROOT / "config" / "railway.toml"
TELECOM = ROOT / "config" / "telecom.toml"


class _ByHost(httpx2.AsyncBaseTransport):
    """Each service under a name of its own."""

    def __init__(self, apps: dict[str, object]) -> None:
        self._apps = {host: httpx2.ASGITransport(app=app) for host, app in apps.items()}  # type: ignore[arg-type]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._apps[request.url.host].handle_async_request(request)


class Shop:
    """Two running services and the command."""

    def __init__(self, house: Callable[[str], House], key: str) -> None:
        self.house = house
        self.key = key

    async def apply(self, path: Path, *, dry_run: bool = False, prune: bool = False, key: str = "") -> str:
        """What it says."""
        said = io.StringIO()
        console, err = Console(file=said, width=10_000), Console(file=io.StringIO())
        assert await apply(path, self.house(key or self.key), console, err, dry_run=dry_run, prune=prune) == 0
        return said.getvalue()

    async def fails(self, path: Path, *, dry_run: bool = False, prune: bool = False) -> str:
        """Why not."""
        with pytest.raises(Trouble) as trouble:
            await self.apply(path, dry_run=dry_run, prune=prune)
        return str(trouble.value)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    url, keys = f"sqlite:///{tmp_path}", tmp_path / "keys.toml"
    key = create_key(keys, name="operator", role="admin", teams=["*"])
    await migrate(url, "ingest", ingest.MIGRATIONS)
    await migrate(url, "router", router.MIGRATIONS)
    bus = LocalBus(":memory:")
    secret = SecretStr("a secret of this test")
    services = [
        ingest.build(IngestSettings(data=tmp_path, database_url=url, keys=keys, secret=secret, port=0, file=None), bus),
        router.build(RouterSettings(data=tmp_path, database_url=url, keys=keys, secret=secret, port=0), bus),
    ]
    transport = _ByHost({service.name: service.app for service in services})
    addresses = {service.name: f"http://{service.name}" for service in services}
    yield Shop(lambda given: House(addresses, given, transport), key)
    for service in services:
        await service.close()
    await bus.close()


@pytest.mark.parametrize("example", [RAILWAY, TELECOM])
async def test_an_example_is_applied_and_the_second_time_nothing_changes(shop: Shop, example: Path) -> None:
    would = await shop.apply(example, dry_run=True)
    first = await shop.apply(example)
    again = await shop.apply(example)
    nothing = await shop.apply(example, dry_run=True)

    assert would.splitlines()[:-1] == first.splitlines()[:-1]
    assert would.splitlines()[-1].startswith("dry run: would create ")
    assert "created" in first.splitlines()[-1]
    assert "lang:fr 5" in first  # what is in a table is shown too
    assert again.splitlines()[-1].startswith("nothing changed: ")
    assert nothing.splitlines()[-1].startswith("dry run: nothing to change: ")
    assert not any(line.startswith(("+", "~", "-")) for line in again.splitlines())
    assert "!" not in first  # the examples have nothing strange in them


async def test_the_small_example_is_small() -> None:
    assert len(RAILWAY.read_text("utf-8").splitlines()) <= 40


async def test_what_was_applied_stands_there(shop: Shop) -> None:
    await shop.apply(TELECOM)

    async with shop.house(shop.key) as house:
        queue = await house.ask("router", "GET", "/v1/queues/fr")
        policy = await house.ask("router", "GET", "/v1/routing-policies/private-customers")
        agent = await house.ask("router", "GET", "/v1/agents/elif")
        handle = await house.ask("ingest", "GET", "/v1/handles/telco-pro")

    assert (queue["reservation_seconds"], queue["first_reply_seconds"], queue["dispatch"]) == (45, 1200, "push")
    assert policy["rules"][2]["steps"][1]["requires"][1] == {"skill": "billing", "drop_after_seconds": 3600}
    assert (agent["teams"], agent["skills"]["billing"]) == (["main"], 5)
    assert (handle["username"], handle["team"]) == ("telco_pro", "business")


async def test_a_change_is_told_field_by_field(shop: Shop, tmp_path: Path) -> None:
    await shop.apply(RAILWAY)
    changed = tmp_path / "railway.toml"
    text = RAILWAY.read_text("utf-8")
    text = text.replace('high = "1 h"', 'high = "45 min"').replace("capacity = 4", "capacity = 2")
    changed.write_text(text.replace('other_ways = ["+33 1 00 00 00 00, 7:00-22:00"]\n', ""), "utf-8")

    would = await shop.apply(changed, dry_run=True)
    said = await shop.apply(changed)

    assert "~ sla-policies first-answer\n    high: 1 h -> 45 min\n" in said
    assert "~ agents bruno\n    capacity: 4 -> 2\n" in said
    assert "~ handles railway-help\n    other ways: +33 1 00 00 00 00, 7:00-22:00 -> none\n" in said
    assert said.splitlines()[-1].startswith("3 changed; ")
    assert would.splitlines()[:-1] == said.splitlines()[:-1]


async def test_what_is_not_in_the_file_goes_only_with_prune(shop: Shop, tmp_path: Path) -> None:
    await shop.apply(RAILWAY)
    smaller = tmp_path / "smaller.toml"
    smaller.write_text('procedures = []\n[queues.fr]\nlanguages = ["fr"]\n[agents.ana]\n', "utf-8")

    kept = await shop.apply(smaller)
    would = await shop.apply(smaller, dry_run=True, prune=True)
    gone = await shop.apply(smaller, prune=True)
    again = await shop.apply(smaller, prune=True)

    assert "  queues en is not in the file; --prune takes it out\n" in kept
    assert "- queues en\n" in would
    assert [line for line in gone.splitlines() if line.startswith("- ")] == [
        "- queues en", "- procedures delay", "- agents bruno", "- agents chloe", "- agents denis",
    ]  # fmt: skip
    assert again.splitlines()[-1].startswith("nothing changed")
    async with shop.house(shop.key) as house:
        assert set((await house.ask("router", "GET", "/v1/setup"))["business-hours"]) == {"desk"}  # no such section
        assert [each["slug"] for each in (await house.ask("ingest", "GET", "/v1/handles"))["items"]] == ["railway-help"]


async def test_a_file_may_name_what_is_there_already(shop: Shop, tmp_path: Path) -> None:
    await shop.apply(RAILWAY)
    more = tmp_path / "more.toml"
    more.write_text('[queues.night]\nhours = "desk"\noverflow = "fr"\n', "utf-8")

    assert (await shop.apply(more)).splitlines()[-1] == "1 created"
    with pytest.raises(Trouble, match='no business hours are called "desk"'):
        read_setup(more)


async def test_nothing_is_kept_of_a_file_with_one_mistake(shop: Shop, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[queues.a]\n[queues.b]\nhours = "desk"\n', "utf-8")

    said = await shop.fails(wrong)

    assert said.startswith(f"{wrong}:3: queues b hours: ")
    async with shop.house(shop.key) as house:
        assert "a" not in (await house.ask("router", "GET", "/v1/setup"))["queues"]


async def test_a_queue_that_the_file_no_longer_names_is_not_pruned_while_something_names_it(
    shop: Shop, tmp_path: Path
) -> None:
    await shop.apply(RAILWAY)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[queues.en]\nlanguages = ["en"]\n', "utf-8")  # agents still take from fr

    for dry_run in (True, False):
        assert 'no queue is called "fr"' in await shop.fails(wrong, prune=True, dry_run=dry_run)


def test_a_set_up_is_read_alone() -> None:
    setup, agents = read_setup(TELECOM)

    assert setup.queues["contracts"].overflow == "fr"
    assert {agent.slug: agent.hours.slug for agent in agents if agent.hours} == {"dario": "night"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[queus.a]\nname = "A"\n', '1: queus: this section is not known; did you mean "queues"?'),
        ('[queues.a]\nlangauges = []\n', '2: queues a langauges: this field is not known; did you mean "languages"?'),
        ('[[queues]]\nname = "A"\n', '1: queues: it has no slug; write slug = "..." under [[queues]]'),
        ('[[queues]]\nslug = "a"\n[[queues]]\nslug = "a"\n', "4: queues a slug: it stands there twice"),
        ('[queues.A]\nname = "A"\n', '1: queues A slug: "A" cannot be; write lower-case letters'),
        ('[queues.a]\nreservation = 30\n', '2: queues a reservation: 30 has no unit; write reservation = "45 s"'),
        ('[queues.a]\n\nreservation = "2 s"\n', "3: queues a reservation_seconds: 2 cannot be; write a whole number"),
        ('[queues.a]\nreservation = "soon"\n', '2: queues a reservation: "soon" is no length of time'),
        ('[queues.a]\nhours = "ofice"\n', '2: queues a hours: no business hours are called "ofice"; set it up too'),
        ('[queues.a]\noverflow = "b"\n[queues.b]\noverflow = "a"\n', "a -> b -> a; leave `overflow` out of one"),
        ('[agents.ana]\ncapacity = -1\n', "2: agents ana capacity: -1 cannot be; write a whole number of at least 1"),
        ('[agents.ana]\nskills = { "lang:fr" = 7 }\n', "2: agents ana skills.lang:fr: 7 cannot be"),
        ('[business-hours.d]\nzone = "Europe/Pari"\nweek = { mon = ["9-12"] }\n', '2: business-hours d zone: no zone'),
        ('[business-hours.d]\nweek.mon = ["9-12", "11-14"]\n', "mon 11:00-14:00 overlaps mon 09:00-12:00; let one end"),
        ('[[routing-policies]]\nslug = "p"\n\n[[routing-policies.rules]]\nname = "r"\nqueue = "default"\n'
         '[[routing-policies.rules]]\nname = "s"\nqueue = "default"\nwhen = { private = true }\n',
         '10: routing-policies p rules[1].when: "s" never gets anything: "r" comes before it'),
        ('[handles.h]\nnetwork = "x"\n', "1: handles h username: this field is missing; write it"),
        ('[public-pages.h]\nqueue = "frr"\n[queues.fr]\n', '2: public-pages h queue: no queue is called "frr"; did'),
        ('[public-pages.h]\nzone = "Pari"\n', '2: public-pages h zone: no zone is called "Pari"; did you mean'),
        ('[[queues]\n', " is not TOML: "),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_in_one_line_with_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text, "utf-8")

    with pytest.raises(Trouble) as trouble:
        read_setup(file)

    line = str(trouble.value)
    assert line.startswith(str(file))
    assert says in line
    assert "\n" not in line


def test_the_command_says_every_mistake_on_a_line_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text('[queues.a]\ncolour = "red"\n[agents.ana]\ncapacity = 0\n', "utf-8")

    told = guichet("apply", file, "--data", tmp_path)
    nothing = guichet("apply", tmp_path / "nowhere.toml", "--data", tmp_path)
    away = guichet("apply", RAILWAY, "--to", "http://127.0.0.1:9", "--data", tmp_path)

    first, second = told.stderr.splitlines()
    assert (told.returncode, told.stdout) == (2, "")
    assert first.startswith(f"guichet: {file}:2: queues a colour: this field is not known; ")
    assert second.startswith(f"guichet: {file}:4: agents ana capacity: 0 cannot be; ")
    assert (nothing.returncode, nothing.stderr.count("\n")) == (2, 1)
    assert "cannot be read" in nothing.stderr
    assert (away.returncode, away.stderr.count("\n")) == (1, 1)
