"""events.md: the catalogue of events, from their classes, the comments beside their fields, and their samples."""

import inspect
import re
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from cli.asyncapi import HEARERS, TELLERS
from docs.words import HEADER, anchor, code, table, type_name, value_name
from libs.common.events import CATALOGUE, Event, Labels, Reach, StoppedClock
from libs.common.topics import wanted

SAMPLES = Path(__file__).parents[2] / "tests" / "contract" / "events"

_TOP = """\
# Events

Everything that the services tell each other, from `libs/common/events/`. Facts in the past tense, one class per
version. A field may be added, with a default; anything else is a new version of the type, told beside the old one.
Readers pass over fields and types they do not know. The same as AsyncAPI: [asyncapi.json](asyncapi.json).

Each record is a CloudEvent in Kafka's binary mode. The value is the event's JSON. The headers are `ce_specversion`,
`ce_type` (the type, and only there), `ce_source` (`/guichet/<service>`), `ce_id` (the same for a repeat of the same
event), `content-type` and, where there is one, `traceparent`. The record's key is the event's `key`: what concerns one
person stays in order, and the key names nobody. A field that has its default is left out of the JSON.
"""
_FIELD = re.compile(r"^    (\w+): [^#\n]+#\s*(.+)$", re.MULTILINE)


def page() -> str:
    """The whole file."""
    parts = [HEADER, _TOP, "\n## Topics\n\n", _topics(), "\n## Types\n\n", _types()]
    parts += ["\n## What every event carries\n\n", _fields(Event)]
    for event in CATALOGUE:
        parts.append(_event(event))
    for part in (Reach, Labels, StoppedClock):
        parts += [f"\n## {part.__name__}\n\n", f"{_about(part)}\n\n", _fields(part)]
    return "".join(parts)


def _topics() -> str:
    rows = []
    for topic in wanted():
        name = topic.name.removesuffix(".dlq")
        teller = TELLERS[name] if topic.name == name else f"whoever could not handle {code(name)}"
        hearers = ", ".join(HEARERS[name]) if topic.name == name else "nobody; `guichet dlq`"
        kept = f"{int(topic.settings['retention.ms']) // 86_400_000} days"
        rows.append((code(topic.name), teller, hearers, topic.settings["cleanup.policy"], kept))
    count = wanted()[0].partitions
    below = (
        f"\nAll topics have the same number of partitions, {count} unless `GUICHET_PARTITIONS` says otherwise. "
        "`guichet topics` makes them.\n"
    )
    return table(("topic", "told by", "heard by", "cleanup", "kept on Kafka"), rows) + below


def _types() -> str:
    rows = [
        (f"[{code(event.type)}](#{anchor(event.type)})", _on(event), _teller(event), _fact(event))
        for event in CATALOGUE
    ]
    return table(("type", "topics", "told by", ""), rows)


def _event(event: type[Event]) -> str:
    heard = sorted({hearer for topic in event.topics for hearer in HEARERS[topic]})
    text = (
        f"\n## {event.type}\n\n{_fact(event)[0].upper()}{_fact(event)[1:]}\n\n"
        f"Class `{event.__name__}`. Told by {_teller(event)} on {_on(event)}; "
        f"heard by {', '.join(heard)}.\n\n{_fields(event)}"
    )
    sample = (SAMPLES / f"{event.type}.json").read_text("utf-8").strip()
    return f"{text}\n```json\n{sample}\n```\n"


def _fields(kind: type[msgspec.Struct]) -> str:
    """A table of its own fields, in order; those every event carries stand apart."""
    notes = {
        name: note
        for part in reversed(kind.__mro__)
        if part is not msgspec.Struct and issubclass(part, msgspec.Struct)
        for name, note in _FIELD.findall(inspect.getsource(part))
    }
    hints = get_type_hints(kind, include_extras=True)
    common = () if kind is Event else Event.__struct_fields__
    rows = [
        (code(field.name), type_name(hints[field.name]), _default(field), notes.get(field.name, ""))
        for field in msgspec.structs.fields(kind)
        if field.name not in common
    ]
    return table(("field", "type", "default", ""), rows)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "**required**"
    value: Any = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if isinstance(value, msgspec.Raw):
        value = bytes(value).decode()
    if isinstance(value, tuple | dict | msgspec.Struct):
        return "empty"
    if isinstance(value, bool):
        return code(str(value).lower())
    return "null" if value is None else value_name(value)


def _on(event: type[Event]) -> str:
    return ", ".join(map(code, event.topics))


def _teller(event: type[Event]) -> str:
    return _about(event).partition(": ")[0]


def _fact(event: type[Event]) -> str:
    return _about(event).partition(": ")[2]


def _about(kind: type[Any]) -> str:
    return " ".join((kind.__doc__ or "").split())
