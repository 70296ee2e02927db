"""The events on the wire as an AsyncAPI document, generated from their classes."""

from collections.abc import Mapping
from typing import Any

import msgspec

from libs.common import __version__
from libs.common.events import CATALOGUE, CLASSIFIED, RAW, REPLIES, WORK_ITEMS, Event

TELLERS: Mapping[str, str] = {RAW: "ingest", CLASSIFIED: "classifier", WORK_ITEMS: "router", REPLIES: "responder"}
HEARERS: Mapping[str, tuple[str, ...]] = {
    RAW: ("classifier",),
    CLASSIFIED: ("router",),
    WORK_ITEMS: ("responder",),
    REPLIES: ("router",),
}

_ABOUT = """\
Facts in the past tense. Each record is a CloudEvent in Kafka's binary mode: the value is the event's JSON, its type
stands in the header `ce_type` alone. A field may be added, with a default; anything else is a new version of the
type, told beside the old one. Readers pass over fields and types they do not know. What a group cannot handle goes
to `<topic>.dlq`, byte for byte.
"""
_HEADERS = {
    "type": "object",
    "required": ["ce_specversion", "ce_type", "ce_source", "ce_id", "content-type"],
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_type": {"type": "string", "description": "The event's type and version"},
        "ce_source": {"type": "string", "description": "Who told it", "examples": ["/guichet/ingest"]},
        "ce_id": {"type": "string", "description": "The same for a repeat of the same event"},
        "content-type": {"type": "string", "const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C trace context, from the request to the last event"},
    },
}
_KEY = {
    "type": "string",
    "pattern": "^[0-9a-f]{24}$",
    "description": "Names one person to nobody; what concerns that person stays in order",
}


def document() -> dict[str, Any]:
    """The AsyncAPI 3 document; the same for the same classes."""
    plain = [_plain(event) for event in CATALOGUE]
    schemas, components = msgspec.json.schema_components(plain, ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Guichet events", "version": __version__, "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": {topic: _channel(topic) for topic in TELLERS},
        "operations": {**_told(), **_heard()},
        "components": {
            "messages": {event.type: _message(event, schema) for event, schema in zip(CATALOGUE, schemas, strict=True)},
            "messageTraits": {"cloudEvent": {"headers": _HEADERS, "bindings": {"kafka": {"key": _KEY}}}},
            "schemas": dict(sorted(components.items())),
        },
    }


def _plain(event: type[Event]) -> type[Any]:
    """The same fields, any JSON in place of a raw payload: msgspec writes no schema for a default that is one."""
    fields = msgspec.structs.fields(event)
    if not any(field.type is msgspec.Raw for field in fields):
        return event
    same: list[tuple[str, Any, Any]] = [
        (field.name, Any, None) if field.type is msgspec.Raw else (field.name, field.type, _default(field))
        for field in fields
    ]
    return msgspec.defstruct(event.__name__, same, kw_only=True, namespace={"__doc__": event.__doc__})


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return (
        field.default
        if field.default_factory is msgspec.NODEFAULT
        else msgspec.field(default_factory=field.default_factory)
    )


def _channel(topic: str) -> dict[str, Any]:
    return {
        "address": topic,
        "description": f"{TELLERS[topic]} tells, {' and '.join(HEARERS[topic])} hears.",
        "messages": {
            event.type: {"$ref": f"#/components/messages/{event.type}"} for event in CATALOGUE if topic in event.topics
        },
        "bindings": {"kafka": {"topic": topic}},
    }


def _told() -> dict[str, Any]:
    return {f"{teller}.tells.{topic}": _operation("send", topic, teller) for topic, teller in TELLERS.items()}


def _heard() -> dict[str, Any]:
    return {
        f"{hearer}.hears.{topic}": _operation("receive", topic, hearer)
        for topic, hearers in HEARERS.items()
        for hearer in hearers
    }


def _operation(action: str, topic: str, service: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "summary": f"{service} {'tells' if action == 'send' else 'hears'} {topic}",
        "messages": [
            {"$ref": f"#/channels/{topic}/messages/{event.type}"} for event in CATALOGUE if topic in event.topics
        ],
    }


def _message(event: type[Event], schema: dict[str, Any]) -> dict[str, Any]:
    teller, _, fact = " ".join((event.__doc__ or "").split()).partition(": ")
    return {
        "name": event.type,
        "title": event.__name__,
        "summary": fact or teller,
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": schema,
        "x-teller": teller if fact else "",
        "x-hearers": sorted({hearer for topic in event.topics for hearer in HEARERS[topic]}),
    }
