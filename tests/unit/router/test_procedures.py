"""Which procedures come with an item, in which language, and what their links may become."""

import pytest
from msgspec.structs import replace

from services.router.domain.procedures import About, fill, procedures_for
from services.router.domain.setup import Procedure

ABOUT = About("main", "fr", "complaint", ("delivery_delay",), author_id="u 1/é", post_id="p1", conversation_id="cnv_1")
IDS = {"author_id": "a&b=c/../?#%", "post_id": "99", "conversation_id": "cnv_1"}


def procedure(slug: str = "late", **changes: object) -> Procedure:
    return replace(Procedure(slug=slug, topics=("delivery_delay",)), **changes)


def found(*procedures: Procedure, **changes: object) -> list[str]:
    return [advice.slug for advice in procedures_for(replace(ABOUT, **changes), procedures)]


def test_a_procedure_comes_with_its_topics() -> None:
    assert found(procedure(), procedure("refund", topics=("billing",))) == ["late"]


def test_all_that_is_written_must_hold_and_what_is_not_holds_for_all() -> None:
    both = procedure(intents=("feedback",))

    assert found(both) == []
    assert found(both, intent="feedback") == ["late"]
    assert found(procedure("any", topics=()), topics=()) == ["any"]


def test_the_teams_own_come_before_the_main_teams_and_others_never() -> None:
    known = (procedure("a"), procedure("z", team="nord"), procedure("b", team="sud"))

    assert found(*known, team="nord") == ["z", "a"]


@pytest.mark.parametrize(
    ("language", "step"), [("fr-CA", "Voir le colis"), ("de", "Look at the parcel"), ("en", "Look at the parcel")]
)
def test_its_steps_come_in_the_items_language_or_in_english(language: str, step: str) -> None:
    steps = {"fr": ("Voir le colis",), "en": ("Look at the parcel",)}

    [advice] = procedures_for(replace(ABOUT, language=language), [procedure(steps=steps)])

    assert advice.steps == (step,)


def test_without_any_steps_template_and_links_are_still_worth_showing() -> None:
    [advice] = procedures_for(ABOUT, [procedure(template="late-fr", ask=("depot",))])

    assert (advice.name, advice.steps, advice.template, advice.ask) == ("late", (), "late-fr", ("depot",))


def test_ids_are_filled_in_whole_whatever_is_in_them() -> None:
    address = fill("https://crm.test/c/{author_id}?post={post_id}&x={other}", IDS)

    assert address == "https://crm.test/c/a%26b%3Dc%2F..%2F%3F%23%25?post=99&x={other}"


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert('{author_id}')",
        "data:text/html,{post_id}",
        "{post_id}",
        "//crm.test/{post_id}",
        "https://{author_id}.crm.test/",
        "https://user:{post_id}@crm.test/",
        "https://[crm.test/",
    ],
)
def test_an_address_that_a_page_should_not_follow_is_left_out(address: str) -> None:
    assert fill(address, IDS) is None
    [advice] = procedures_for(ABOUT, [procedure(links={"bad": address, "good": "https://crm.test/{post_id}"})])
    assert advice.links == {"good": "https://crm.test/p1"}


@pytest.mark.parametrize("step", [".", ".."])
def test_an_id_that_is_a_step_of_a_path_makes_no_address(step: str) -> None:
    assert fill("https://crm.test/people/{author_id}/orders", {**IDS, "author_id": step}) is None


def test_an_id_is_never_filled_in_twice() -> None:
    values = {**IDS, "author_id": "{post_id}"}

    assert fill("https://crm.test/{author_id}", values) == "https://crm.test/%7Bpost_id%7D"
