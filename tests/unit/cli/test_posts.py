"""Posts and users as files have them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli import posts
from cli.posts import Handle
from cli.trouble import Trouble


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def test_notes_of_the_file_are_stripped_and_the_rest_is_kept() -> None:
    post, posted_at = posts.parse(
        '{"id":"1","text":"é","created_at":"2017-10-04T08:00:00.000Z","_meta":{"x":1}}'.encode()
    )
    assert post == {"id": "1", "text": "é", "created_at": "2017-10-04T08:00:00.000Z"}
    assert posted_at == datetime(2017, 10, 4, 8, tzinfo=UTC)


@pytest.mark.parametrize("line", [b"", b"[1]", b"{", b'"text"', b"\xff\xfe", b'{"a":\xff}'])
def test_a_line_that_is_no_object_is_no_post(line: bytes) -> None:
    assert posts.parse(line) == (None, None)


@pytest.mark.parametrize("told", ["yesterday", 7, None, "2017-13-01T00:00:00Z"])
def test_a_time_nobody_can_read_is_none_and_the_post_stays(told: object) -> None:
    assert posts.time_of({"created_at": told}) is None


def test_a_moved_post_bears_its_time_as_the_network_writes_it() -> None:
    moved = posts.at({"id": "1", "created_at": "x"}, datetime(2026, 3, 2, 6, 1, 36, 303000, tzinfo=UTC))
    assert moved == {"id": "1", "created_at": "2026-03-02T06:01:36.303Z"}


def test_reading_can_go_on_where_it_stopped(tmp_path: Path) -> None:
    file = write(tmp_path / "p.ndjson", '{"id":"1"}', "", '{"id":"2"}', "junk", '{"id":"3"}')
    first, second, *_ = posts.read(file)
    rest = list(posts.read(file, second.end, second.number))
    assert (first.number, second.number) == (1, 3)
    assert [(line.number, line.post) for line in rest] == [(4, None), (5, {"id": "3"})]


def test_a_survey_counts_posts_and_knows_first_and_last(tmp_path: Path) -> None:
    times = ["2017-10-04T08:00:00Z", "2017-10-04T09:00:00Z", "2017-10-04T10:00:00Z"]
    file = write(tmp_path / "p.ndjson", *(f'{{"id":"{n}","created_at":"{t}"}}' for n, t in enumerate(times)))
    assert posts.survey(file) == (3, datetime(2017, 10, 4, 8, tzinfo=UTC), datetime(2017, 10, 4, 10, tzinfo=UTC))
    assert posts.survey(file, limit=2) == (
        2,
        datetime(2017, 10, 4, 8, tzinfo=UTC),
        datetime(2017, 10, 4, 9, tzinfo=UTC),
    )


def test_a_file_without_posts_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="holds no posts"):
        posts.survey(write(tmp_path / "p.ndjson", "id,text", "1,hello"))


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="No such file"):
        posts.survey(tmp_path / "nothing.ndjson")


def test_our_handles_are_the_verified_brands_of_the_users_beside(tmp_path: Path) -> None:
    file = tmp_path / "twcs.ndjson"
    beside = posts.users_beside(file)
    write(beside, '{"id":"9","username":"Ask_Amex","name":"Amex","verified_brand":true}', '{"id":"2","username":"bob"}')
    assert beside.name == "twcs_users.ndjson"
    assert posts.brands_in(beside) == [Handle("ask-amex", "9", "Ask_Amex", "Amex")]


def test_handles_can_be_named_where_there_is_no_such_file() -> None:
    assert posts.brands_named("XboxSupport, @AskAmex,") == [
        Handle("xboxsupport", "XboxSupport", "XboxSupport", "XboxSupport"),
        Handle("askamex", "AskAmex", "AskAmex", "AskAmex"),
    ]


@pytest.mark.parametrize(
    ("username", "slug"), [("VerizonSupport", "verizonsupport"), ("Ask_Amex", "ask-amex"), ("_x_", "x"), ("é" * 40, "")]
)
def test_a_slug_is_lower_case_with_hyphens(username: str, slug: str) -> None:
    assert posts.slug_of(username) == slug
