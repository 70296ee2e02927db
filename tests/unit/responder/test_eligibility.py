"""Whether a mention may be answered, and how."""

from typing import Any

import pytest

from services.responder.domain.eligibility import Means, can_dm, can_reply
from tests.unit.responder.builders import target

MEANS = Means(frozenset({"x", "mastodon", "bluesky"}), frozenset({"x", "mastodon"}))
ENTERPRISE = Means(MEANS.sendable, MEANS.private, "enterprise")


@pytest.mark.parametrize(
    ("means", "fields", "expected"),
    [
        (MEANS, {"summoned": "named"}, ("api", "named")),
        (MEANS, {"summoned": "quoted"}, ("api", "quoted")),
        (MEANS, {"summoned": "implied"}, ("uncertain", "implied")),
        (MEANS, {"summoned": ""}, ("uncertain", "not_told")),
        (MEANS, {"summoned": "not"}, ("manual", "not_summoned")),
        (MEANS, {"private": True}, ("api", "private")),
        (MEANS, {"private": True, "summoned": "not"}, ("api", "private")),
        (MEANS, {"outcome": "deleted", "summoned": "named"}, ("no", "deleted")),
        (MEANS, {"outcome": "deleted", "network": "crm"}, ("no", "deleted")),
        (MEANS, {"network": "crm", "summoned": "named"}, ("manual", "no_gateway")),
        (MEANS, {"network": "crm", "private": True}, ("manual", "no_gateway")),
        (MEANS, {"network": "mastodon", "summoned": "not"}, ("api", "anybody")),
        (MEANS, {"network": "mastodon", "private": True}, ("api", "private")),
        (MEANS, {"network": "bluesky", "summoned": "implied"}, ("api", "anybody")),
        (MEANS, {"network": "bluesky", "private": True}, ("manual", "no_private_gateway")),
        (ENTERPRISE, {"summoned": "not"}, ("api", "anybody")),
        (ENTERPRISE, {"summoned": ""}, ("api", "anybody")),
        (ENTERPRISE, {"outcome": "deleted"}, ("no", "deleted")),
        (Means(frozenset()), {"summoned": "named"}, ("manual", "no_gateway")),
    ],
)
def test_what_an_answer_may_do(means: Means, fields: dict[str, Any], expected: tuple[str, str]) -> None:
    verdict = can_reply(target(**fields), means)
    assert (verdict.can_reply, verdict.reason) == expected
    assert verdict.why
    assert "{" not in verdict.why


def test_the_reason_names_the_network() -> None:
    assert can_reply(target(network="crm"), MEANS).why == "there is no way to post on crm from here yet"


@pytest.mark.parametrize(
    ("fields", "wrote_first", "expected"),
    [
        ({}, True, ("yes", "they_wrote")),
        ({"private": True}, False, ("yes", "they_wrote")),
        ({}, False, ("unknown", "they_never_wrote")),
        ({"network": "mastodon"}, False, ("unknown", "they_never_wrote")),
        ({"network": "bluesky"}, True, ("no", "no_private_gateway")),
        ({"network": "crm"}, True, ("no", "no_private_gateway")),
        ({"outcome": "deleted"}, True, ("no", "deleted")),
    ],
)
def test_who_wrote_first_takes_a_private_message(
    fields: dict[str, Any], wrote_first: bool, expected: tuple[str, str]
) -> None:
    assert can_dm(target(**fields), MEANS, wrote_first=wrote_first) == expected
