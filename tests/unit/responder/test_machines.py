"""What a machine may write, and when it has to be silent."""

from dataclasses import replace
from typing import Any

import pytest

from services.responder.domain.eligibility import Means
from services.responder.domain.machines import (
    ACKNOWLEDGE_WITHIN,
    Known,
    by_people,
    for_nobody,
    message,
    text_of,
    unfillable,
    way,
    why_no_acknowledgement,
    why_no_more,
)
from services.responder.domain.rules import HandleRule
from services.responder.domain.templates import Template
from tests.unit.responder.builders import MINUTE, NOON, SECOND, reply, target

ON_X = Means({"x"}, {"x"})
ON = HandleRule(acknowledgement="received")
LABELLED = replace(ON, automated=True)
OPENED: dict[str, Any] = {"outcome": "opened", "private": True}
CALLED: dict[str, Any] = {"outcome": "opened", "private": False, "summoned": "named"}


def template(**texts: str) -> Template:
    return Template("received", 3, "main", "", texts or {"fr": "Bonjour {author}, {handle} vous lit."})


@pytest.mark.parametrize(
    ("about", "rule", "known", "means", "why"),
    [
        (OPENED, ON, {}, ON_X, ""),
        (OPENED, HandleRule(), {}, ON_X, "off"),
        (OPENED, HandleRule(automated=True, survey="x"), {}, ON_X, "off"),
        (OPENED | {"outcome": "joined"}, ON, {}, ON_X, "not_opened"),
        (OPENED | {"outcome": "set_aside"}, ON, {}, ON_X, "not_opened"),
        (OPENED | {"outcome": "deleted"}, ON, {}, ON_X, "not_opened"),
        (OPENED | {"incident": "inc_1"}, ON, {}, ON_X, "incident"),
        (OPENED, ON, {"now": NOON + ACKNOWLEDGE_WITHIN}, ON_X, ""),
        (OPENED, ON, {"now": NOON + ACKNOWLEDGE_WITHIN + SECOND}, ON_X, "too_old"),
        (OPENED, ON, {}, Means({"x"}), "no_way"),
        (OPENED, ON, {"stopped": True}, ON_X, "stop"),
        (OPENED, ON, {"written": True}, ON_X, "written"),
        (OPENED, ON, {"answered": True}, ON_X, "answered"),
        (CALLED, LABELLED, {}, ON_X, ""),
        (CALLED | {"summoned": "quoted"}, LABELLED, {}, ON_X, ""),
        (CALLED, ON, {}, ON_X, "not_labelled"),
        (CALLED | {"summoned": "implied"}, LABELLED, {}, ON_X, "not_called"),
        (CALLED | {"summoned": "not"}, LABELLED, {}, ON_X, "not_called"),
        (CALLED | {"summoned": ""}, LABELLED, {}, ON_X, "not_called"),
        (CALLED, LABELLED, {"stopped": True}, ON_X, "stop"),
    ],
)
def test_an_acknowledgement_is_written_only_where_nothing_speaks_against_it(
    about: dict[str, Any], rule: HandleRule, known: dict[str, Any], means: Means, why: str
) -> None:
    circumstances = Known(**{"now": NOON} | known)
    found = why_no_acknowledgement(target(**about), rule, circumstances, means, within=ACKNOWLEDGE_WITHIN)
    assert found == why


@pytest.mark.parametrize(
    ("network", "private", "there_is"),
    [("x", False, True), ("x", True, True), ("bluesky", False, True), ("bluesky", True, False), ("crm", False, False)],
)
def test_there_is_a_way_only_with_a_gateway_for_that_kind_of_message(
    network: str, private: bool, there_is: bool
) -> None:
    assert way(target(network=network, private=private), Means({"x", "bluesky"}, {"x"})) is there_is


def test_a_template_that_only_a_person_can_fill_is_known_by_its_fields() -> None:
    assert unfillable(template()) == {}
    found = unfillable(template(fr="{author} {agent} {delay}", en="{handle}", es="{initials}"))
    assert found == {"fr": ("agent", "delay"), "es": ("initials",)}


@pytest.mark.parametrize(
    ("username", "language", "text"),
    [("jo", "fr", "Bonjour @jo, @acme vous lit."), ("jo", "de", "Bonjour @jo, @acme vous lit."), ("", "fr", "")],
)
def test_what_cannot_be_filled_is_not_written(username: str, language: str, text: str) -> None:
    assert text_of(template(), language, target(author_username=username)) == text


def test_its_place_among_the_answers_is_its_own() -> None:
    made = message(target(private=True), "automatic", template(), "Bonjour", "rep_9", NOON, "")

    assert (made.follow_up_of, made.kind, made.agent, made.created_by) == ("automatic", "automatic", "", "guichet")
    assert (made.state, made.template, made.private, made.conversation_id) == ("draft", "received@3", True, "cnv_1")


@pytest.mark.parametrize(
    ("kind", "known", "again", "why"),
    [
        ("reply", {"stopped": True, "answered": True}, True, ""),
        ("closure", {"stopped": True}, True, ""),
        ("automatic", {}, True, ""),
        ("automatic", {"stopped": True}, False, "stop"),
        ("automatic", {"answered": True}, False, "answered"),
        ("automatic", {"now": NOON + ACKNOWLEDGE_WITHIN + SECOND}, False, "too_old"),
        ("survey", {"now": NOON + 60 * MINUTE, "answered": True}, False, ""),
        ("survey", {"stopped": True}, False, "stop"),
        ("survey", {}, True, "wrote_again"),
    ],
)
def test_what_waited_goes_only_if_it_still_makes_sense(kind: Any, known: dict[str, Any], again: bool, why: str) -> None:
    circumstances = Known(**{"now": NOON} | known)
    found = why_no_more(reply(kind=kind), circumstances, wrote_again=again, within=ACKNOWLEDGE_WITHIN)
    assert found == why


@pytest.mark.parametrize("state", ["manual_required", "needs_human"])
def test_a_machines_message_that_could_not_go_is_given_up_and_a_persons_is_not(state: Any) -> None:
    ours = reply(state, kind="survey", version=4, reason="they take no messages")
    given_up = for_nobody(ours, NOON)

    assert given_up is not None
    assert (given_up.state, given_up.version, given_up.reason) == ("canceled", 4, "they take no messages")
    for other in (reply(state), reply("posted", kind="survey"), reply("refused", kind="survey"), None):
        assert for_nobody(other, NOON) is other


def test_by_people_leaves_out_what_machines_wrote() -> None:
    kinds: list[Any] = ["reply", "holding", "closure", "survey", "automatic"]
    assert [each.kind for each in by_people(reply(kind=kind) for kind in kinds)] == ["reply", "holding", "closure"]
