"""Events as values: what is told is what is read, and a repeat has the same id."""

import json
from datetime import UTC

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import (
    MentionClassified,
    MentionReceived,
    Reach,
    WorkItemAssigned,
    decode,
    derived_id,
    encode,
    of_type,
)
from tests.builders import NOON, assigned, classified, received

texts = st.text(max_size=60)


@given(
    text=texts,
    author=texts,
    at=st.datetimes(timezones=st.just(UTC)),
    version=st.integers(0, 2**31),
    named=st.lists(texts, max_size=3),
    followers=st.none() | st.integers(0, 2**40),
    raw=st.recursive(st.none() | st.booleans() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)),
)
def test_what_is_told_is_what_is_read(
    text: str, author: str, at: object, version: int, named: list[str], followers: int | None, raw: object
) -> None:
    told = msgspec.structs.replace(
        received("e-1"),
        text=text,
        author_username=author,
        posted_at=at,
        version=version,
        also_named=tuple(named),
        reach=Reach(followers=followers),
        raw=msgspec.Raw(msgspec.json.encode(raw)),
    )
    read = decode(MentionReceived.type, encode(told))
    assert isinstance(read, MentionReceived)
    assert json.loads(bytes(read.raw)) == raw
    assert msgspec.structs.replace(read, raw=told.raw) == told


def test_a_value_can_be_read_by_a_person() -> None:
    assert '"text":"où est ma valise ? 🧳"'.encode() in encode(received(text="où est ma valise ? 🧳"))


def test_what_is_not_set_is_not_told() -> None:
    assert set(json.loads(encode(assigned()))) == {
        "event_id",
        "occurred_at",
        "key",
        "item_id",
        "conversation_id",
        "queue",
        "agent",
        "version",
        "waited_seconds",
    }


def test_a_time_in_another_zone_is_the_same_instant() -> None:
    value = encode(assigned()).replace(b"2025-06-02T12:00:00Z", b"2025-06-02T14:00:00+02:00")
    read = decode(WorkItemAssigned.type, value)
    assert read is not None
    assert read.occurred_at == NOON


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        received().text = "something else"  # type: ignore[misc]


def test_those_of_one_class_keep_their_order() -> None:
    one, two, three = received("1"), classified("2"), received("3")
    assert of_type(MentionReceived, [one, two, three]) == [one, three]
    assert of_type(MentionClassified, [one, two, three]) == [two]
    assert of_type(WorkItemAssigned, [one, two, three]) == []


@given(texts, texts, texts, texts, texts, texts)
def test_a_repeat_of_a_cause_is_a_repeat_of_its_effect_and_nothing_else_is(
    cause: str, type_: str, subject: str, cause2: str, type2: str, subject2: str
) -> None:
    one, other = derived_id(cause, type_, subject), derived_id(cause2, type2, subject2)
    assert one == derived_id(cause, type_, subject)
    if "\n" not in cause + type_ + subject + cause2 + type2 + subject2:
        assert (one == other) == ((cause, type_, subject) == (cause2, type2, subject2))


def test_a_derived_id_never_changes() -> None:
    assert derived_id("e-1", "mention.classified.v1", "x/1") == "b699aaa8a981797cb88ebfa7fd1431"
