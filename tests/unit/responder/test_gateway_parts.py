"""The small parts of gateways: facets, record keys, prices, words for answers, files of credentials."""

from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from libs.common.errors import Misconfigured
from services.responder.domain.posting import (
    Answered,
    ByHand,
    Exchange,
    Lost,
    NotSent,
    Outcome,
    Posted,
    Refused,
    Unknown,
)
from services.responder.gateways.bluesky import record_key
from services.responder.gateways.credentials import MastodonToken, XSigned, XToken, read_credentials
from services.responder.gateways.facets import facets, handles
from services.responder.gateways.mastodon import plain
from services.responder.gateways.meter import Meter, answer_of, read_prices
from tests.unit.responder.builders import reply


def test_facets_count_bytes_not_characters() -> None:
    text = "Désolé 😢 @jo.example.com voyez https://example.com/é #colis"
    found = facets(text, {"jo.example.com": "did:plc:bbb"})

    raw = text.encode()
    cut = [raw[each["index"]["byteStart"] : each["index"]["byteEnd"]].decode() for each in found]
    assert cut == ["@jo.example.com", "https://example.com/é", "#colis"]
    assert [each["features"][0]["$type"].partition("#")[2] for each in found] == ["mention", "link", "tag"]
    assert found[0]["features"][0]["did"] == "did:plc:bbb"
    assert found[2]["features"][0]["tag"] == "colis"


def test_a_name_that_nobody_has_and_a_number_stay_text() -> None:
    text = "@nobody.example.com n° #12, a@jo.example.com"
    assert handles(text) == ["nobody.example.com"]
    assert [each for each in facets(text, {}) if "link" not in each["features"][0]["$type"]] == []


def test_a_link_without_a_scheme_gets_one() -> None:
    [link] = facets("voyez example.com", {})
    assert link["features"][0]["uri"] == "https://example.com"


def test_a_record_key_is_the_replys_own_and_sorts_by_its_second() -> None:
    one, other = reply(id="rep_1"), reply(id="rep_2")
    later = reply(id="rep_1", created_at=one.created_at + timedelta(seconds=1))

    assert record_key(one) == record_key(reply("sending", id="rep_1", fence=7, text="other"))
    assert len({record_key(reply(id=f"rep_{n}")) for n in range(2000)}) == 2000
    assert record_key(one) < record_key(later)
    assert record_key(other) < record_key(later)
    assert set(record_key(one)) <= set("234567abcdefghijklmnopqrstuvwxyz")
    assert len(record_key(one)) == 13


def test_a_status_is_read_as_text_without_the_names_it_begins_with() -> None:
    assert plain(
        '<p><span class="h-card"><a href="u">@<span>jo</span></a></span> Oui &amp; non<br>ligne</p><p>fin</p>'
    ) == ("Oui & non\nligne\nfin")
    assert plain("<p>@jo@example.social Bonjour</p>") == "Bonjour"


ANSWERS: list[tuple[Exchange | ByHand, Outcome, str]] = [
    (Answered(201), Posted("1"), "posted"),
    (Answered(201), Unknown("no id"), "unclear"),
    (Answered(500), Unknown(""), "unclear"),
    (Answered(429), Refused(""), "limited"),
    (Answered(402), Refused(""), "credits"),
    (Answered(401), Refused(""), "credentials"),
    (Answered(403, {}, {"detail": "Your account is suspended"}), Refused(""), "credentials"),
    (Answered(403, {}, {"detail": "User has been suspended: [222]"}), Refused(""), "refused"),
    (Answered(403, {}, {"detail": "You are not permitted to perform this action"}), Refused(""), "credentials"),
    (
        Answered(403, {}, {"type": "https://api.x.com/2/problems/unsupported-authentication"}),
        Refused(""),
        "credentials",
    ),
    (Answered(403, {}, {"detail": "only reply to or quote"}), ByHand(""), "by_hand"),
    (ByHand("closed"), ByHand("closed"), "by_hand"),
    (Answered(404), Refused(""), "refused"),
    (Lost("ReadTimeout"), Unknown(""), "lost"),
    (NotSent("ConnectError"), Refused(""), "not_sent"),
]


@pytest.mark.parametrize(("exchange", "outcome", "word"), ANSWERS)
def test_each_answer_has_its_word(exchange: Exchange | ByHand, outcome: Outcome, word: str) -> None:
    assert answer_of(exchange, outcome) == word


def test_the_shipped_prices_are_those_of_the_network() -> None:
    prices = read_prices(None)["x"]
    assert (prices["reply"], prices["reply_with_link"], prices["message"]) == (0.010, 0.200, 0.015)


def test_what_has_no_price_costs_nothing() -> None:
    registry = CollectorRegistry()
    meter = Meter(registry, {"x": {"reply": 0.01}})
    meter.spent("x", "reply", 3)
    meter.spent("x", "message")
    meter.spent("mastodon", "reply")

    labels = {"network": "x", "operation": "reply"}
    assert registry.get_sample_value("network_cost_dollars_total", labels) == pytest.approx(0.03)
    assert registry.get_sample_value("network_cost_dollars_total", labels | {"operation": "message"}) is None


@pytest.mark.parametrize("content", ["x = 1", "[x]\nreply = 'much'", "[x", "\xff"])
def test_prices_that_cannot_be_read_stop_the_process_with_a_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(Misconfigured, match=r"prices\.toml"):
        read_prices(file)


FILE = """
[x.acme]
consumer_key = "key"
consumer_secret = "s3cret-1"
token = "s3cret-2"
token_secret = "s3cret-3"
[x.acme_en]
client_id = "id"
access_token = "s3cret-4"
refresh_token = "s3cret-5"
[mastodon.acme]
base_url = "https://social.example"
access_token = "s3cret-6"
"""


def test_a_file_and_a_folder_say_the_same(tmp_path: Path) -> None:
    file, folder = tmp_path / "all.toml", tmp_path / "each"
    file.write_text(FILE)
    folder.mkdir()
    (folder / "..data").mkdir()  # as Kubernetes mounts a secret
    for section in FILE.strip().split("[")[1:]:
        name, _, content = section.partition("]")
        (folder / f"{name}.toml").write_text(content)

    read = read_credentials(file)

    assert read == read_credentials(folder)
    assert {key: type(each) for key, each in read.items()} == {
        ("x", "acme"): XSigned,
        ("x", "acme_en"): XToken,
        ("mastodon", "acme"): MastodonToken,
    }
    assert "s3cret" not in repr(read)
    assert read_credentials(None) == {}


WRONG = [
    (FILE.replace('token_secret = "s3cret-3"', ""), r"x\.acme in .*: token_secret: field required"),
    (FILE.replace('"s3cret-6"', '""'), r"mastodon\.acme in .*: access_token: .*printable ASCII"),
    (FILE.replace('client_id = "id"', ""), r"x\.acme_en in .*: client_id is missing"),
    (FILE.replace("consumer_key", "consumer_kye"), r"x\.acme in .*: .*consumer_kye: extra"),
    (FILE.replace("mastodon", "myspace"), r"there is no way to post on myspace"),
    (FILE.replace('"s3cret-1"', '"s3cret-1'), "are not TOML"),
    ('x = "s3cret"', "is not a section"),
    ('[x]\nacme = "s3cret"', "are not a section"),
    ("", "there are no credentials in"),
]


@pytest.mark.parametrize(("content", "line"), WRONG)
def test_what_is_wrong_with_a_secret_is_one_line_that_does_not_tell_it(tmp_path: Path, content: str, line: str) -> None:
    file = tmp_path / "credentials.toml"
    file.write_text(content)
    with pytest.raises(Misconfigured, match=line) as error:
        read_credentials(file)
    assert "\n" not in str(error.value)
    assert "s3cret" not in str(error.value)


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"nowhere\.toml cannot be read: No such file"):
        read_credentials(tmp_path / "nowhere.toml")
    (tmp_path / "acme.toml").write_text("")
    with pytest.raises(Misconfigured, match=r"acme\.toml is not named NETWORK\.HANDLE\.toml"):
        read_credentials(tmp_path)
