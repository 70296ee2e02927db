"""`guichet classify`: a line in, a line out, whatever the line."""

import json
from pathlib import Path

from tests.integration.cli.command import guichet

KEYS = [
    "id", "language", "intent", "secondary_intent", "needs_response", "urgency", "reasons", "sentiment", "topics",
    "contact_channel", "channel_sentiment", "blamed_channel", "flags", "stated_wait_minutes", "confidence", "decision",
    "model",
]  # fmt: skip


def test_every_line_is_answered_in_its_order(tmp_path: Path) -> None:
    posts = [
        "@acme my parcel never came, this is a disgrace",
        "",
        json.dumps({"id": "77", "text": "merci beaucoup, tout est réglé !", "lang": "fr"}),
        '{"id": "not json',
        "Wo bleibt mein Paket? Ich warte seit Wochen",
        "<b>" + "x" * 100_000,
        "\u202eמה קורה עם ההזמנה שלי",
    ]
    path = tmp_path / "posts.txt"
    path.write_bytes("\n".join(posts).encode() + b"\n\xff\xfe broken bytes\n")
    ended = guichet("classify", path, "--scores")
    assert ended.returncode == 0, ended.stderr
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [one["id"] for one in told] == ["1", "2", "77", "4", "5", "6", "7", "8"]
    assert all(list(one) == [*KEYS, "scores"] for one in told)
    assert [(one["intent"], one["language"]) for one in (told[0], told[2])] == [
        ("complaint", "en"),
        ("praise_thanks", "fr"),
    ]
    assert [told[at]["language"] for at in (1, 4, 6)] == ["und", "de", "he"]
    assert sum(told[0]["scores"]["intent"].values()) > 0.99


def test_what_cannot_be_done_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"no model")
    (tmp_path / "a.txt").write_text("hello\n")
    for arguments, said in (
        ((tmp_path / "none.txt",), "none.txt cannot be read"),
        ((tmp_path / "a.txt", "--model", tmp_path / "bad.npz"), "bad.npz is not a model of Guichet"),
    ):
        ended = guichet("classify", *arguments)
        assert ended.returncode != 0
        assert said in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1
