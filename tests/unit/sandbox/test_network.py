"""What the sandbox network keeps and refuses: ids that rise, no text twice, nothing lost over a restart."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.auth import account_name
from sandbox.faults import Fault
from sandbox.limits import Limits
from sandbox.people import account_named
from sandbox.posts import Post
from sandbox.refusals import Refused
from sandbox.state import Network

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACME = account_named("acme")


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def network(clock: Clock | None = None, ledger: Path | None = None, limits: Limits | None = None) -> Network:
    return Network(ledger, clock or Clock(), limits or Limits())


def seeded(id_: str = "1001", username: str = "jo") -> Post:
    return Post(id_, "Où est mon colis ?", account_named(username).id, username, NOON, id_)


def test_ids_are_snowflakes_that_rise() -> None:
    net = network()
    first, second = net.post(ACME, "un", ""), net.post(ACME, "deux", "")
    assert int(first.id) < int(second.id)
    assert (int(first.id) >> 22) + 1288834974657 == NOON.timestamp() * 1000


@pytest.mark.parametrize("mention", ["1001", str((1 << 62) + 5)])
def test_an_answer_has_a_higher_id_than_what_it_answers(mention: str) -> None:
    assert int(network().post(ACME, "un", mention).id) > int(mention)


def test_the_person_answered_is_named_in_front() -> None:
    net = network()
    net.seed([seeded()])
    assert net.post(ACME, "On regarde", "1001").text == "@jo On regarde"
    assert net.post(ACME, "@jo Déjà nommé", "1001").text == "@jo Déjà nommé"


def test_the_same_text_of_an_account_is_refused_for_a_while() -> None:
    clock = Clock()
    net = network(clock)
    net.post(ACME, "Merci !", "")
    with pytest.raises(Refused, match="duplicate content") as refused:
        net.post(ACME, "Merci !", "")
    assert (refused.value.status, refused.value.body["title"]) == (403, "Forbidden")
    net.post(account_named("other"), "Merci !", "")
    clock.now += timedelta(minutes=15)
    net.post(ACME, "Merci !", "")


def test_a_network_may_take_the_same_text_again_and_again() -> None:
    net = network(Clock(), limits=Limits(duplicates_within=timedelta(0)))
    assert len({net.post(ACME, "Merci !", "").id for _ in range(3)}) == 3


def test_the_same_words_to_two_people_are_two_texts() -> None:
    net = network()
    net.seed([seeded("1001", "jo"), seeded("1002", "lu")])
    for mention in ("1001", "1002", "404", "405"):  # the last two are not known here
        net.post(ACME, "Merci !", mention)
    for mention in ("1001", "404"):
        with pytest.raises(Refused, match="duplicate"):
            net.post(ACME, "Merci !", mention)


def test_an_account_asks_no_more_than_its_window_allows() -> None:
    clock = Clock()
    net = network(clock, limits=Limits(posts=2))
    passed = [net.windows.enter("POST /2/tweets", ACME.id)[0] for _ in range(3)]
    assert passed == [True, True, False]
    assert net.windows.enter("POST /2/tweets", "2")[0]
    clock.now += timedelta(minutes=15)
    passes, headers = net.windows.enter("POST /2/tweets", ACME.id)
    assert (passes, headers["x-rate-limit-remaining"]) == (True, "1")
    assert headers["x-rate-limit-reset"] == str(int((clock.now + timedelta(minutes=15)).timestamp()))


def test_a_timeline_is_newest_first_between_two_ids() -> None:
    net = network()
    ids = [net.post(ACME, f"n° {n}", "").id for n in range(5)]
    found, more = net.page(net.posts.by(ACME.id), since_id=int(ids[0]), until_id=int(ids[4]), most=2)
    assert ([post.id for post in found], more) == ([ids[3], ids[2]], True)


def test_a_late_post_is_there_and_not_yet_seen() -> None:
    clock = Clock()
    net = network(clock)
    net.faults.plant([Fault("late_timeline", seconds=60)])
    post = net.post(ACME, "un", "")
    assert (net.find(post.id), net.judge.counts()[0]) == (None, 1)
    assert net.page(net.posts.by(ACME.id), since_id=0, until_id=2**63, most=9) == ([], False)
    clock.now += timedelta(seconds=60)
    assert net.find(post.id) == post


def test_a_token_names_its_account() -> None:
    assert account_name("sandbox-acme") == "acme"
    assert account_name("whatever") == account_name("sandbox-") == "brand"
    assert account_named("ACME").id == ACME.id
    assert int(ACME.id) < 2**63


def test_everything_comes_back_after_a_restart(tmp_path: Path) -> None:
    ledger = tmp_path / "folder" / "posts.ndjson"
    net = network(ledger=ledger)
    net.seed([seeded(), seeded()])
    net.post(ACME, "On regarde « là » 🚆", "1001")

    again = network(ledger=ledger)

    assert again.posts.threads(9) == net.posts.threads(9)
    assert (again.judge.counts(), again.judge.received(9)) == (net.judge.counts(), net.judge.received(9))
    with pytest.raises(Refused, match="duplicate"):
        again.post(ACME, "On regarde « là » 🚆", "1001")
    assert int(again.post(ACME, "suite", "1001").id) > int(net.judge.received(1)[0].id)


def test_a_line_that_was_never_finished_is_cut_off(tmp_path: Path) -> None:
    ledger = tmp_path / "posts.ndjson"
    network(ledger=ledger).post(ACME, "un", "")
    whole = ledger.read_bytes()
    ledger.write_bytes(whole + b'{"id": "99", "te')

    again = network(ledger=ledger)

    assert again.judge.counts()[0] == 1
    assert ledger.read_bytes() == whole
    again.post(ACME, "deux", "")
    assert network(ledger=ledger).judge.counts()[0] == 2


def test_an_edit_keeps_its_place_in_the_thread_and_comes_back_after_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    ledger = tmp_path / "posts.ndjson"
    net = network(clock, ledger)
    net.seed([seeded()])
    clock.now += timedelta(minutes=1)
    reply = net.post(ACME, "On regarde", "1001")
    clock.now += timedelta(minutes=1)
    edited = net.edited("1001", "Où est donc mon colis ?")
    assert edited is not None
    assert net.posts.threads(9) == [("1001", [edited, reply])]
    assert network(clock, ledger).posts.threads(9) == net.posts.threads(9)


def test_what_was_deleted_stays_so_after_a_restart(tmp_path: Path) -> None:
    ledger = tmp_path / "posts.ndjson"
    net = network(ledger=ledger)
    net.seed([seeded()])
    sent = net.write(ACME, "222", "Bonjour")
    kept = net.write(ACME, "222", "Merci")
    net.removed("1001")
    assert net.unsend(ACME, sent.id)
    again = network(ledger=ledger)
    again.seed([seeded()])
    assert again.find("1001") is None
    assert again.messages.received() == [kept]
