"""Times and hostile texts on a terminal."""

import pytest

from cli.words import clean, span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (99.4, "99 s"),
        (100, "2 min"),
        (3540, "59 min"),
        (3599, "60 min"),
        (11100, "3 h 05"),
        (200_000, "2 days"),
    ],
)
def test_a_span_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\x1b[2Jb", "a[2Jb"),
        ("line\r\nline", "line line"),
        ("\u202eevil\u2066", "evil"),
        ("zero\u200bwidth", "zerowidth"),
        ("[bold]as it is[/]", "[bold]as it is[/]"),
        ("Où est mon train ? 🚆", "Où est mon train ? 🚆"),
    ],
)
def test_a_post_cannot_move_the_cursor_or_hide_anything(hostile: str, shown: str) -> None:
    assert clean(hostile) == shown
