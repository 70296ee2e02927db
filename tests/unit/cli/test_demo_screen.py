"""The demo's screen: what the services say, understood in five seconds, in a hundred columns and thirty lines."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from cli.demo.screen import BAR, Header, bar, draw, plain
from cli.demo.snapshot import (
    AgentView,
    AnswerView,
    Latency,
    PostView,
    QueueView,
    Snapshot,
    fate_of,
    latency_of,
    latest,
    post_of,
    queues_of,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SERVICES = ("ingest", "classifier", "router", "responder", "sandbox")
HEADER = Header(
    {name: f"http://127.0.0.1:{8001 + n}" for n, name in enumerate(SERVICES)},
    ["curl http://127.0.0.1:8001/v1/mentions \\", '-H "Authorization: Bearer gk_' + "x" * 60 + '" \\', "-d '{}'"],
    "data/demo/key",
)


def queue(name: str = "fr", high: int = 3, low: int = 2) -> QueueView:
    return QueueView(
        name, {"critical": 0, "high": high, "normal": 0, "low": low, "none": 0}, high + low, 600, 1, 2, 1, 0
    )


def post(n: int = 1, text: str = "Where is my train?") -> PostView:
    at = NOW - timedelta(seconds=n)
    return PostView("early_otter", "rivage-en", text, at, "en", "complaint", "high", ("deadline",), "ana has it")


def told(n: int = 1) -> AnswerView:
    return AnswerView("early_otter", "rivage-en", "Where is my train?", "ana", f"Here it is, number {n}. ^Ana", 34)


def snapshot(**other: Any) -> Snapshot:
    whole: dict[str, Any] = {
        "now": NOW,
        "queues": [queue("default", 0, 0), queue("en"), queue("fr", 60, 40)],
        "posts": [post(n) for n in range(9)],
        "answers": [told(n) for n in range(8)],
        "agents": [AgentView(name, "writes to @x") for name in ("ana", "malo", "ines", "joris", "priya", "tom")],
        "latency": Latency(122, 746.0, 11822.0),
        "counts": {"posts": 423},
    }
    return Snapshot(**{**whole, **other})


def rendered(shown: Snapshot, width: int = 100, height: int = 30) -> list[str]:
    console = Console(file=StringIO(), width=width, height=height, force_terminal=False, no_color=True)
    console.print(draw(HEADER, shown, width, height))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(100, 30), (80, 24), (160, 50)])
def test_the_screen_fits_the_terminal(width: int, height: int) -> None:
    lines = rendered(snapshot(posts=[post(n, "é🚆" * 200) for n in range(9)]), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_addresses_key_queues_posts_answers_agents_and_latency_are_on_it() -> None:
    text = "\n".join(rendered(snapshot()))
    for part in (
        ":8005 sandbox",
        "Bearer gk_",
        "@early_otter to rivage-en",
        "▓ high: deadline · complaint · en → ana has it",
        "ana after 34 s  Here it is",
        "100 wait, oldest 10 min, 1 late",
        "agents: 2 free 1 full",
        "p50 12 min, p90 3 h 17",
        "122 answered",
        "Ctrl-C stops",
    ):
        assert part in text


def test_before_the_first_post_it_says_so() -> None:
    assert "the first posts are on their way" in "\n".join(rendered(Snapshot(NOW)))


def test_a_service_that_is_away_is_named_at_the_bottom() -> None:
    assert rendered(snapshot(problem="router is away"))[-1] == "router is away"


def test_the_longest_queue_fills_the_bar_and_a_single_item_is_seen() -> None:
    drawn = dict(bar({"critical": 1, "high": 400, "low": 200}, 601))
    assert drawn["critical"] == 1
    assert sum(drawn.values()) <= BAR
    assert drawn["high"] > drawn["low"] > 1


def test_short_queues_have_a_cell_an_item() -> None:
    assert bar({"high": 3, "none": 1}, 4) == [("high", 3), ("none", 1)]
    assert bar({}, 0) == []


def test_a_terminal_too_narrow_for_the_call_shows_where_the_key_is() -> None:
    lines = rendered(snapshot(), 80)
    assert lines[1].startswith("key   data/demo/key")
    assert not any("Bearer" in line for line in lines)


def test_plain_lines_say_the_same() -> None:
    assert plain(snapshot()) == [
        "12:00:00  default 0, en 5, fr 100; answered after p50 12 min, p90 3 h 17, 122 answered; 423 posts",
        "  @early_otter to rivage-en: Where is my train? -> high, ana has it",
        "  ana to @early_otter: Here it is, number 0. ^Ana",
    ]


# --- from what the services answer


def mention(**other: Any) -> dict[str, Any]:
    whole = {
        "post_id": "1",
        "author_username": "ana\u202e",
        "author_id": "7",
        "handle": "rivage-fr",
        "text": "Où\nest mon train ?",
        "posted_at": "2026-03-02T11:59:00Z",
        "received_at": "2026-03-02T11:59:01Z",
        "labels": {"language": "fr", "intent": "complaint", "urgency": "high", "reasons": ["deadline"]},
        "state": "opened",
        "queue": "fr",
        "item": {"state": "pending", "agent": None, "urgency": "high", "due_at": "2026-03-02T12:10:00Z"},
        "answered_at": None,
    }
    return {**whole, **other}


def item(state: str, agent: str | None = None) -> dict[str, Any]:
    return {"state": state, "agent": agent, "urgency": "high", "due_at": None}


@pytest.mark.parametrize(
    ("seen", "fate"),
    [
        (mention(), "waits in fr for a free agent, due in 10 min"),
        (
            mention(item=mention()["item"] | {"due_at": "2026-03-02T11:30:00Z"}),
            "waits in fr for a free agent, 30 min late",
        ),
        (mention(item=item("pending")), "waits in fr for a free agent"),
        (mention(item=item("pending") | {"urgency": "low"}), "waits in fr behind more urgent ones"),
        (mention(item=item("assigned", "malo")), "malo has it"),
        (mention(item=None, state="set_aside"), "set aside: needs no answer"),
        (mention(item=None, state="deleted"), "deleted by its author"),
        (
            mention(item=item("completed", "malo"), state="answered", answered_at="2026-03-02T12:00:00Z"),
            "malo answered after 60 s",
        ),
        (mention(item=None, state="answered", answered_at="2026-03-02T12:00:00Z"), "the brand answered after 60 s"),
    ],
)
def test_a_posts_fate_is_said_in_a_few_words(seen: dict[str, Any], fate: str) -> None:
    assert fate_of(seen, [queue()], NOW) == fate


def test_a_posts_text_is_one_harmless_line() -> None:
    view = post_of(mention(), [], NOW)
    assert (view.author, view.text) == ("ana", "Où est mon train ?")


def test_a_queues_agents_are_those_who_speak_its_language() -> None:
    agents = [
        {"skills": ["lang:fr"], "availability": "available", "presence": "available"},
        {"skills": ["lang:en"], "availability": "at_capacity", "presence": "available"},
        {"skills": ["lang:fr"], "availability": "away", "presence": "away"},
    ]
    told_of = {"depth": {"high": 1}, "states": {"pending": 1}, "oldest_age_seconds": 5, "overdue": 0}
    french, rest = queues_of(
        [{"queue": "fr", "languages": ["fr"], **told_of}, {"queue": "default", "languages": [], **told_of}], agents
    )
    assert (french.available, french.at_capacity, french.away) == (1, 0, 1)
    assert (rest.available, rest.at_capacity, rest.away) == (1, 1, 1)


def test_the_last_posts_are_those_that_came_last_not_those_that_changed_last() -> None:
    old, new = mention(post_id="2"), mention(post_id="1", received_at="2026-03-02T11:59:59Z")
    assert [each["post_id"] for each in latest([old, new])] == ["1", "2"]


def test_without_answers_there_is_no_latency() -> None:
    assert latency_of({"groups": []}) == Latency()
    assert latency_of({"groups": [{"answered": 3, "p50": 1.0, "p90": 2.0}]}) == Latency(3, 1.0, 2.0)
