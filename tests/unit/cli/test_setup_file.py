"""Lengths of time, and the lines of a set-up file."""

import pytest

from cli.setup_lines import Lines
from cli.spans import seconds_of, told


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45 s", 45), ("45s", 45), ("30 min", 1800), ("1 h 30", 5400), ("1h30", 5400), ("1 h 30 min", 5400),
        ("2 h", 7200), ("2 days", 172_800), ("1 d 2 h 3 min 4 s", 93_784), ("0 s", 0), ("90 MIN", 5400),
        ("", None), ("30", None), ("soon", None), ("1 h 30 h", None), ("5 s 3 min", None), ("-5 s", None),
        ("1.5 h", None), ("1 min 30", None),
    ],
)  # fmt: skip
def test_a_length_of_time_is_read(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("seconds", [0, 1, 45, 60, 90, 3600, 5400, 86_400, 93_784])
def test_what_is_told_reads_as_the_same(seconds: int) -> None:
    assert seconds_of(told(seconds)) == seconds


TEXT = """\
# a comment = 1
[[queues]]
slug = "a"
languages = [
  "fr", # ] not the end
  "en",
]
hours = "x"

[[queues]]
slug = "b"

[[policies]]
slug = "p"
[[policies.rules]]
name = "[[no]]"
[[policies.rules]]
when.private = true
[[policies.rules.steps]]
share = 0.5

[agents.ana]
skills = { "lang:fr" = 5 }
[agents."b o"]
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("queues", 0), 2),
        (("queues", 0, "languages"), 4),
        (("queues", 0, "languages", 1), 4),
        (("queues", 0, "hours"), 8),
        (("queues", 1, "hours"), 10),
        (("policies", 0, "rules", 0, "name"), 16),
        (("policies", 0, "rules", 1, "when", "private"), 18),
        (("policies", 0, "rules", 1, "steps", 0, "share"), 20),
        (("policies", 0, "rules", 1, "steps", 0, "requires"), 19),
        (("agents", "ana", "skills", "lang:fr"), 23),
        (("agents", "b o", "capacity"), 24),
        (("agents",), 22),
        (("nowhere",), None),
    ],
)
def test_the_line_of_a_place(place: tuple[str | int, ...], line: int | None) -> None:
    assert Lines(TEXT).of(*place) == line
