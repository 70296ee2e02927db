"""The generated documents: complete, closed in themselves, and the same every time."""

import json
from typing import Any

import pytest

from cli import asyncapi
from cli.openapi import merged
from libs.common.events import CATALOGUE, TOPICS


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(references(each) for each in value))
    return set()


def resolves(document: dict[str, Any], reference: str) -> bool:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        if part not in found:
            return False
        found = found[part]
    return True


def test_every_event_and_topic_stands_in_the_asyncapi_document() -> None:
    document = asyncapi.document()
    assert set(document["components"]["messages"]) == {event.type for event in CATALOGUE}
    assert set(document["channels"]) == set(TOPICS)
    for event in CATALOGUE:
        for topic in event.topics:
            assert event.type in document["channels"][topic]["messages"]


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi.document()
    assert [each for each in references(document) if not resolves(document, each)] == []


def test_every_event_says_who_tells_and_who_hears_it() -> None:
    for message in asyncapi.document()["components"]["messages"].values():
        assert message["x-teller"] in set(asyncapi.TELLERS.values())
        assert message["x-hearers"]


def test_the_asyncapi_document_is_the_same_every_time() -> None:
    assert json.dumps(asyncapi.document()) == json.dumps(asyncapi.document())


def test_a_component_that_two_services_define_differently_is_named_after_the_second() -> None:
    def service(path: str, schema: dict[str, Any]) -> dict[str, Any]:
        answer = {"schema": {"$ref": "#/components/schemas/Page"}}
        return {"paths": {path: {"get": answer}}, "components": {"schemas": {"Page": schema, "Same": {"type": "null"}}}}

    document = merged({"ingest": service("/a", {"type": "object"}), "router": service("/b", {"type": "array"})})
    assert document["components"]["schemas"] == {
        "Page": {"type": "object"},
        "RouterPage": {"type": "array"},
        "Same": {"type": "null"},
    }
    assert document["paths"]["/b"]["get"] == {
        "schema": {"$ref": "#/components/schemas/RouterPage"},
        "x-service": "router",
    }


def test_a_path_and_method_belong_to_one_service() -> None:
    part: dict[str, Any] = {"paths": {"/a": {"get": {}}}}
    with pytest.raises(ValueError, match="both answer GET /a"):
        merged({"ingest": part, "router": part})
