"""A text is as long as the network says, and what is said to fit fits."""

import unicodedata

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from services.responder.domain.length import Length, Limits, Network, measure
from services.responder.domain.links import links

LIMITS = Limits(x=40, mastodon=40, bluesky=20, bluesky_bytes=60)
NETWORKS: tuple[Network, ...] = ("x", "mastodon", "bluesky")
GRAPHEME = regex.compile(r"\X")
FAMILY = "👨\u200d👩\u200d👧\u200d👦"
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
KANA = "あいうえおかきくけこ"
LINK = "https://example.com/a/rather/long/path?that=counts#as-one"

_PIECES = [
    "a", "é", "e\u0301", "\u1112\u1161\u11ab", "日本", "שּׁ", " ", "\n", "\r\n", ".", "-", "@jo", "#ici",
    "@jo@example.social", "🙋🏽", FAMILY, "🇫🇷", "1️⃣", ENGLAND, "😮\u200d💨", "❤️\u200d🔥",
    "\u200d", "\ufe0f", "©", "example.com", "foo.com",
    "munity", LINK, "http://t.co/aBc123", "http://", "\ufeff",
]  # fmt: skip
texts = st.lists(st.sampled_from(_PIECES) | st.characters(exclude_categories=["Cs"]), max_size=40).map("".join)


def on_x(text: str) -> Length:
    return measure(text, "x")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("Hello, world! 👋", 16),
        ("café", 4),
        ("cafe\u0301", 4),
        ("Ünïcödé", 7),
        ("Привет", 6),
        ("日本語", 6),
        ("１２３", 6),
        ("“q” … –", 8),
        ("@brand @other hello", 19),
        (LINK, 23),
        ("http://test.co", 23),
        ("Hi http://test.co", 26),
        ("see example.com now", 31),
        ("http://localhost:8000/", 22),
        ("Test https://test.com test https://test.com test.com test", 86),
        ("https://www.example.com/aloha " * 10, 240),
        ("randomurl" * 7 + "s.com", 68),  # a label of 64 characters is none
        (f"{KANA * 12} http://{KANA * 5}あいう.com", 358),  # nor is one of more than 63 once it is encoded
        (f"{KANA * 12} http://{KANA * 5}あい.com", 264),
    ],
)
def test_x_weighs_letters_and_links(text: str, length: int) -> None:
    assert on_x(text).length == length


@pytest.mark.parametrize(
    "emoji",
    [
        "😷", "☺", "☺️", "©️", "™", FAMILY, "👩🏽\u200d🚀",
        "👩🏻\u200d❤️\u200d💋\u200d👨🏿", "🧑🏿\u200d🤝\u200d🧑🏻",  # people, skin tones
        "🙋🏽", "👍🏿", "✌🏾", "🇩🇪", "🇪🇺", ENGLAND, "🏳️\u200d🌈", "🏴\u200d☠️",  # flags
        "1️⃣", "#️⃣", "*⃣", "0⃣",  # keycaps
        "😮\u200d💨", "❤️\u200d🔥", "😶\u200d🌫️",  # emoji 13.1
        "🫠", "🫱🏻\u200d🫲🏿", "🩷", "🐦\u200d⬛",  # 14 and 15
        "🙂\u200d↔️", "👨\u200d🦽\u200d➡️", "⛓️\u200d💥", "🫩", "🫆",  # 15.1 and 16
        "\U0001faff",  # one that does not exist yet
    ],
)  # fmt: skip
def test_an_emoji_counts_2_on_x_however_it_is_made(emoji: str) -> None:
    assert on_x(emoji) == Length(2, 280, True, len(emoji))
    assert on_x(f"a{emoji}{emoji}b").length == 6


@pytest.mark.parametrize(("text", "length"), [("©", 1), ("12#*", 4), ("☺\ufe0e", 4), ("🇩🇪🇫", 4), ("👨👩👧👦", 8)])
def test_what_only_looks_like_one_emoji_is_counted_letter_by_letter(text: str, length: int) -> None:
    assert on_x(text).length == length


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("a" * 281, 280),
        ("字" * 160, 140),
        ("the" + "字" * 160, 141),
        ("😷" * 160, 140),
        (FAMILY * 141, 140 * len(FAMILY)),
        ("a" * 279 + "🇫🇷", 279),
        ("a" * 258 + " https://www.example.com/jack", 259),
        ("a " + LINK + " b" * 200, 2 + len(LINK) + 255),
        ("a" * 279 + "e\u0301b", 281),
        ("b\ufeffa", 1),
        ("", 0),
    ],
)
def test_what_fits_ends_before_what_does_not(text: str, prefix: int) -> None:
    assert (on_x(text).valid, on_x(text).valid_prefix) == (False, prefix)


@pytest.mark.parametrize(("text", "valid"), [("a" * 280, True), ("a" * 281, False), ("", False), ("a\uffff", False)])
def test_x_takes_280(text: str, valid: bool) -> None:
    assert on_x(text).valid is valid
    assert measure(text, "x", Limits(x=25_000)).valid is (valid or len(text) == 281)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("café " + FAMILY, 6),
        (LINK, 23),
        ("see example.com now", 19),  # no link without a scheme
        ("@jo@mastodon.social bonjour", 11),
        ("@jo bonjour", 11),
        ("jo@example.com", 14),
        ("https://example.com/@jo@mastodon.social", 23),
    ],
)
def test_mastodon_counts_graphemes_links_and_names_without_their_server(text: str, length: int) -> None:
    assert measure(text, "mastodon") == Length(length, 500, True, len(text))


def test_the_limit_of_mastodon_is_the_servers() -> None:
    assert not measure("é" * 501, "mastodon").valid
    assert measure("é" * 501, "mastodon", Limits(mastodon=5000)) == Length(501, 5000, True, 501)


def test_bluesky_counts_graphemes_and_links_in_full() -> None:
    assert measure("see https://example.com " + FAMILY, "bluesky").length == 25
    assert measure("é" * 301, "bluesky") == Length(301, 300, False, 300, "too_long")


def test_bluesky_counts_bytes_too() -> None:
    told = measure(FAMILY * 121, "bluesky")  # 25 bytes each
    assert told == Length(121, 300, False, 120 * len(FAMILY), "too_many_bytes")


@given(texts, st.sampled_from(NETWORKS))
@example("foo.community is where we are, all of us", "x")
@example("e\u0301" * 60, "bluesky")
def test_the_prefix_fits_and_a_longer_one_does_not(text: str, network: Network) -> None:
    told = measure(text, network, LIMITS)
    assert told.valid == (told.fault is None) == (told.valid_prefix == len(text) and bool(text.strip()))
    assert told.valid_prefix <= len(text)
    prefix = text[: told.valid_prefix]
    assert not prefix.strip() or measure(prefix, network, LIMITS).valid
    assert "\ufeff" not in prefix
    if told.fault in ("too_long", "too_many_bytes") and network == "bluesky":
        rest = text[told.valid_prefix :]
        assert any(not measure(prefix + rest[:n], network, LIMITS).valid for n in range(1, len(rest) + 1))


@given(texts)
def test_nothing_is_cut_in_two(text: str) -> None:
    cut = measure(text, "x", LIMITS).valid_prefix
    composed = unicodedata.normalize("NFC", text)
    at = len(unicodedata.normalize("NFC", text[:cut]))
    assert unicodedata.normalize("NFC", text[:cut]) == composed[:at]  # no letter from its accent
    assert not any(start < at < end for start, end in links(composed))
    assert not any(found.start() < cut < found.end() for found in GRAPHEME.finditer(text))


@given(texts, st.sampled_from(NETWORKS))
def test_composed_or_not_it_is_as_long(text: str, network: Network) -> None:
    limits = Limits()
    lengths = {measure(unicodedata.normalize(form, text), network, limits).length for form in ("NFC", "NFD")}
    assert lengths == {measure(text, network, limits).length}


@given(texts, texts, st.sampled_from(NETWORKS))
def test_two_texts_on_two_lines_are_as_long_as_both(one: str, other: str, network: Network) -> None:
    one, other = one.replace("\r", ""), other.replace("\r", "").lstrip("\u200d\ufe0f")
    together = measure(f"{one}\n\n{other}", network).length
    assert together == measure(one, network).length + 2 + measure(other, network).length


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(http://example.com/a_(b)).", ["http://example.com/a_(b)"]),
        ("http://example.com:3000/?q=1#x, ok", ["http://example.com:3000/?q=1#x"]),
        ("http://example.com/path.....", ["http://example.com/path"]),
        ("foo.co.jp it.so foo.jp tar.bz2 a.somecom", ["foo.co.jp", "it.so", "foo.jp"]),
        ("@test.com #test.com $TVI.CA ＠http://test.com jo.gov@mail.com", []),
        ("日本語example.comです http://例え.テスト", ["example.com"]),
        ("http://foobar.みんな/ x", ["http://foobar.みんな/"]),
        ("http://t.co/pbY2NfTZ's http://t.co/abc?amp=1", ["http://t.co/pbY2NfTZ", "http://t.co/abc?amp=1"]),
        ("http://t.co/" + "a" * 41, []),
        ("http://twitter_underscore.com http://-a.com http://a-.com", []),
        ("http://sub_domain.example.com", ["http://sub_domain.example.com"]),
        ("http://xn--ls8h.la/ http://xn--はじめよう.com/", ["http://xn--ls8h.la/"]),
        ("Élpaís.com -example.com _x.com", ["Élpaís.com"]),
    ],
)
def test_links_are_those_x_would_make(text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in links(text)] == found
