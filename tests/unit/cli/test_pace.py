"""When a replayed post goes, and what time it then bears."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.pace import MAX_BYTES, MAX_POSTS, Faster, Full, Rate, Shift, due_seconds, has_room, parse_speed, seconds_left

FIRST = datetime(2017, 10, 4, 8, tzinfo=UTC)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "speed"),
    [("60", Faster(60)), ("60x", Faster(60)), ("0.5", Faster(0.5)), ("200/s", Rate(200)), ("max", Full())],
)
def test_a_speed_is_a_factor_a_rate_or_max(text: str, speed: object) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["", "fast", "-1", "0", "0/s", "10/m", "1e3", "60 x", "٣"])
def test_anything_else_is_no_speed_and_says_what_is(text: str) -> None:
    with pytest.raises(ValueError, match="write 60"):
        parse_speed(text)


def test_sixty_times_faster_an_hour_takes_a_minute() -> None:
    assert due_seconds(Faster(60), 7, FIRST + HOUR, FIRST) == 60


def test_at_a_fixed_rate_the_posts_own_times_do_not_matter() -> None:
    assert due_seconds(Rate(200), 400, FIRST + HOUR, FIRST) == 2


def test_at_full_speed_everything_is_due_at_once() -> None:
    assert due_seconds(Full(), 400, FIRST + HOUR, FIRST) == 0


def test_a_post_out_of_order_is_due_at_once_and_not_in_the_past() -> None:
    assert due_seconds(Faster(60), 7, FIRST - HOUR, FIRST) == 0


def test_at_full_speed_all_times_move_by_the_same_span() -> None:
    shift = Shift(by=NOW - FIRST, started_at=NOW)
    assert shift.moved(Full(), FIRST, 0) == NOW
    assert shift.moved(Full(), FIRST - HOUR, 0) == NOW - HOUR


def test_with_a_pace_a_post_bears_the_moment_it_is_due() -> None:
    shift = Shift(by=NOW - FIRST, started_at=NOW)
    assert shift.moved(Faster(60), FIRST + HOUR, 60) == NOW + timedelta(seconds=60)


def test_a_batch_has_room_for_so_many_posts_and_bytes_and_always_for_one() -> None:
    assert has_room(MAX_POSTS - 1, 0, 10)
    assert not has_room(MAX_POSTS, 0, 10)
    assert not has_room(1, MAX_BYTES - 5, 10)
    assert has_room(0, 0, MAX_BYTES * 2)


def test_what_is_left_takes_as_long_as_the_speed_says() -> None:
    assert seconds_left(Rate(200), 400, 0.0, FIRST, FIRST + HOUR) == 2
    assert seconds_left(Faster(60), 400, 0.0, FIRST, FIRST + HOUR) == 60
    assert seconds_left(Full(), 400, 100.0, FIRST, FIRST + HOUR) == 4
    assert seconds_left(Full(), 400, 0.0, FIRST, FIRST + HOUR) is None
