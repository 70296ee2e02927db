"""Every version of every event stays readable for ever: one sample a version, kept as it was first told."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.common.events import CATALOGUE, TOPICS, Event, MentionClassified, decode, encode

SAMPLES = {sample.stem: sample for sample in sorted(Path(__file__).with_name("events").glob("*.json"))}
CLASSES = {event.type: event for event in CATALOGUE}


def sample(type_: str) -> dict[str, Any]:
    """The fields of the sample."""
    fields: dict[str, Any] = json.loads(SAMPLES[type_].read_text("utf-8"))
    return fields


def test_every_event_has_its_sample_and_every_sample_its_event() -> None:
    assert sorted(SAMPLES) == sorted(CLASSES)


@pytest.mark.parametrize("type_", SAMPLES)
def test_a_sample_can_be_read_and_is_told_again_with_the_same_value(type_: str) -> None:
    event = decode(type_, SAMPLES[type_].read_bytes())
    assert type(event) is CLASSES[type_]
    assert json.loads(encode(event)) == sample(type_)


@pytest.mark.parametrize("type_", SAMPLES)
def test_a_sample_shows_every_field_that_must_be_there(type_: str) -> None:
    required = {field.encode_name for field in msgspec.structs.fields(CLASSES[type_]) if field.required}
    assert required <= set(sample(type_))
    assert set(sample(type_)) <= set(CLASSES[type_].__struct_encode_fields__)


@pytest.mark.parametrize("type_", SAMPLES)
def test_fields_of_a_newer_teller_are_ignored(type_: str) -> None:
    newer = sample(type_) | {"since_next_year": {"deep": [1, {"x": None}]}}
    event = decode(type_, json.dumps(newer).encode())
    assert event is not None
    assert json.loads(encode(event)) == sample(type_)


def test_fields_of_a_newer_teller_are_ignored_inside_too() -> None:
    newer = sample(MentionClassified.type)
    newer["labels"]["mood"] = "stormy"
    newer["reach"]["bookmarks"] = 7
    assert json.loads(encode(read(newer))) == sample(MentionClassified.type)


@pytest.mark.parametrize("type_", SAMPLES)
def test_a_missing_field_is_named(type_: str) -> None:
    for field in msgspec.structs.fields(CLASSES[type_]):
        if field.required:
            without = {name: value for name, value in sample(type_).items() if name != field.encode_name}
            with pytest.raises(msgspec.ValidationError, match=f"`{field.encode_name}`"):
                decode(type_, json.dumps(without).encode())


@pytest.mark.parametrize("type_", SAMPLES)
def test_what_may_be_left_out_has_a_default(type_: str) -> None:
    required = {field.encode_name for field in msgspec.structs.fields(CLASSES[type_]) if field.required}
    bare = {name: value for name, value in sample(type_).items() if name in required}
    event = decode(type_, json.dumps(bare).encode())
    assert event is not None
    assert json.loads(encode(event)) == bare  # and a default is not told


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"occurred_at": "yesterday"}, "$.occurred_at"),
        ({"occurred_at": "2025-06-02T12:00:00"}, "$.occurred_at"),  # no zone
        ({"posted_at": 7}, "$.posted_at"),
        ({"version": "two"}, "$.version"),
        ({"also_named": ["a", 1]}, "$.also_named[1]"),
        ({"labels": {"language": "en"}}, "$.labels"),
        ({"reach": {"followers": "many"}}, "$.reach.followers"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(change: dict[str, Any], path: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(f"`{path}`")):
        read(sample(MentionClassified.type) | change)


def test_a_label_that_nobody_knows_is_named_by_its_path() -> None:
    wrong = sample(MentionClassified.type)
    wrong["labels"]["urgency"] = "apocalyptic"
    with pytest.raises(msgspec.ValidationError, match=re.escape("`$.labels.urgency`")):
        read(wrong)


def test_a_type_that_nobody_knows_is_nothing_to_us() -> None:
    assert decode("mention.received.v99", b"{}") is None
    assert decode("", b"not even JSON") is None


@pytest.mark.parametrize("event", CATALOGUE, ids=lambda event: event.__name__)
def test_a_class_says_its_type_its_version_its_topics_and_who_tells_it(event: type[Event]) -> None:
    name, version = event.type.rsplit(".v", 1)
    words = [word.capitalize() for word in re.split(r"[._]", name)]
    assert event.__name__ == "".join(words) + ("" if version == "1" else f"V{version}")
    assert event.topics
    assert set(event.topics) <= set(TOPICS)
    assert re.match(r"(ingest|classifier|router|responder): ", inspect.getdoc(event) or "")


def test_no_two_classes_share_a_type() -> None:
    assert len(CLASSES) == len(CATALOGUE)


def read(fields: dict[str, Any]) -> Event:
    """A classified mention with these fields."""
    event = decode(MentionClassified.type, json.dumps(fields).encode())
    assert event is not None
    return event
