"""Which mentions belong to an incident, what is said about it, how a spike is seen, and items taken together."""

import random
from datetime import timedelta

import pytest
from msgspec.structs import replace

from services.router.domain.bulk import take_together
from services.router.domain.incidents import Facts, Incident, Matcher, banner_of, holding_text, incident_of, matches
from services.router.domain.routing import Opened, route
from services.router.domain.serving import Counter
from services.router.domain.setup import Queue
from services.router.domain.spikes import (
    BUCKET,
    LASTS,
    already_known,
    bucket_of,
    critical_share_alarm,
    histories,
    proposal,
    spike_of,
    upper_bound,
)
from services.router.domain.texts import in_language, says
from services.router.domain.waiting import back, given
from tests.unit.router.builders import HOUR, MINUTE, NOON, SETUP, agent, conversation, item, message, setup

DAY = timedelta(days=1)
EVERYONE = frozenset({"*"})


def incident(**changes: object) -> Incident:
    made = Incident(
        slug="line-13", name="Line 13", team="main", state="open", matcher=Matcher(topics=("outage",)), since=NOON,
        opened_at=NOON,
    )  # fmt: skip
    return replace(made, **changes)


def facts(**changes: object) -> Facts:
    made = Facts("main", "acme", "fr", "complaint", ("outage",), "La ligne 13 est à l'arrêt !", NOON + MINUTE)
    return replace(made, **changes)


# --- words


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("La LIGNE 13 est en panne", "ligne 13"),
        ("#Ligne13 encore", "ligne 13"),
        ("à l’arrêt depuis 8h", "arret"),
        ("L'ÉTÉ sans train", "été"),
        ("Straße gesperrt", "STRASSE"),
        ("encore des retards", "retard*"),
        ("地下鉄13号線が止まっている", "13号線"),
    ],
)
def test_words_are_found_without_case_accents_and_punctuation(text: str, keyword: str) -> None:
    assert says(text, keyword)


@pytest.mark.parametrize(
    ("text", "keyword"),
    [("la ligne 130", "ligne 13"), ("en retards", "retard"), ("13 lignes", "ligne 13"), ("?!", "!")],
)
def test_only_whole_words_are_found(text: str, keyword: str) -> None:
    assert not says(text, keyword)


@pytest.mark.parametrize(
    ("language", "text"), [("fr-CA", "Bonjour"), ("en", "Hello"), ("de", "Hello"), ("FR", "Bonjour")]
)
def test_a_text_comes_in_the_readers_language_or_in_english(language: str, text: str) -> None:
    assert in_language({"fr": "Bonjour", "en": "Hello", "de": ""}, language) == text


def test_where_there_is_no_english_any_language_is_better_than_none() -> None:
    assert in_language({"nl": "Hallo", "it": "Ciao"}, "fr") == "Ciao"
    assert in_language({}, "fr") is None


# --- what belongs


@pytest.mark.parametrize(
    "change",
    [
        {"team": "nord"},
        {"topics": ("billing",)},
        {"posted_at": NOON - MINUTE},
    ],
)
def test_another_team_topic_or_time_does_not_belong(change: dict[str, object]) -> None:
    assert matches(incident(), facts())
    assert not matches(incident(), facts(**change))


def test_what_is_posted_at_its_end_belongs_no_more() -> None:
    assert not matches(incident(until=NOON + MINUTE), facts(posted_at=NOON + MINUTE))


def test_all_that_is_written_must_hold() -> None:
    narrow = incident(matcher=Matcher(topics=("outage",), handles=("acme_idf",), languages=("fr",)))

    assert matches(narrow, facts(handle="acme_idf", language="fr-CA"))
    assert not matches(narrow, facts(handle="acme"))


def test_keywords_are_those_of_the_mentions_language_or_all_of_them() -> None:
    worded = incident(matcher=Matcher(keywords={"fr": ("ligne 13",), "en": ("line 13",)}))

    assert matches(worded, facts(topics=()))
    assert not matches(worded, facts(text="line 13 is down"))
    assert matches(worded, facts(text="line 13 is down", language="en-GB"))
    assert matches(worded, facts(text="¿qué pasa en la line 13?", language="es"))


def test_a_mention_belongs_to_the_first_open_incident_that_takes_it() -> None:
    both = (incident(slug="older"), incident(slug="newer"))

    assert incident_of(both, facts()) == "older"
    assert incident_of(both, facts(topics=())) == ""


def test_a_matcher_with_nothing_written_is_empty() -> None:
    assert Matcher(keywords={"fr": ()}).empty
    assert not Matcher(intents=("complaint",)).empty


# --- what is said


def test_a_holding_text_is_in_the_persons_language_with_their_name() -> None:
    held = incident(holding={"fr": "Bonjour {author}, nous savons.", "en": "Hello {author}, we know."})

    assert holding_text(held, "fr", "jo") == "Bonjour jo, nous savons."
    assert holding_text(held, "de", "jo") == "Hello jo, we know."
    assert holding_text(incident(), "fr", "jo") is None


def test_the_page_shows_the_banner_of_an_open_incident_of_its_handle() -> None:
    here = incident(banner={"fr": "Ligne 13 arrêtée"}, matcher=Matcher(handles=("acme",)), until=NOON + HOUR)
    asked = {"team": "main", "language": "fr"}

    assert banner_of([incident(), here], handle="acme", now=NOON, **asked) == "Ligne 13 arrêtée"
    assert banner_of([here], handle="other", now=NOON, **asked) is None
    assert banner_of([here], handle="acme", now=NOON + HOUR, **asked) is None


# --- routing


def opened(sent: object, talk: object = None, **known: object) -> Opened:
    routed = route(
        sent, talk, setup(incidents=(incident(),), **known), NOON, answered_at=None,  # type: ignore[arg-type]
        new_conversation_id="cnv_new", new_item_id="itm_new",
    )  # fmt: skip
    assert isinstance(routed, Opened)
    return routed


def test_a_message_that_matches_an_open_incident_belongs_to_it() -> None:
    assert opened(message(topics=("outage",))).item.routing.incident == "line-13"
    assert opened(message(topics=("billing",))).item.routing.incident == ""


def test_who_comes_back_within_an_incident_waits_for_no_one_person() -> None:
    known = conversation(agent="ana", agent_at=NOON - HOUR, replied_at=NOON - HOUR, state="waiting_customer")

    assert opened(message(topics=("billing",)), known).returns_to == "ana"
    assert opened(message(topics=("outage",)), known).returns_to == ""


# --- spikes


def test_ten_minutes_begin_on_the_clock() -> None:
    assert bucket_of(NOON + timedelta(minutes=19, seconds=59)) == NOON + timedelta(minutes=10)


def test_the_same_hour_of_earlier_weeks_says_what_is_usual() -> None:
    [same] = histories(NOON, NOON - timedelta(weeks=9))

    assert len(same) == 12
    assert {moment.weekday() for moment in same} == {NOON.weekday()}
    assert all(abs(moment.hour * 60 + moment.minute - 720) <= 10 for moment in same)


def test_in_the_first_weeks_the_last_hours_and_yesterday_say_it() -> None:
    assert [len(some) for some in histories(NOON, NOON - 2 * DAY)] == [18, 7]
    assert [len(some) for some in histories(NOON, NOON - HOUR)] == [6]
    assert histories(NOON, NOON - HOUR + BUCKET) == []


def test_a_spike_is_well_above_the_usual() -> None:
    usual = [4, 6, 5, 5, 4, 7, 5, 3, 5, 6, 4, 5]

    assert spike_of("outage", NOON, 12, [usual]) is None
    found = spike_of("outage", NOON, 40, [usual])
    assert found is not None
    assert (found.topic, found.at, found.count, found.expected) == ("outage", NOON, 40, 5.0)
    assert 14 < found.bound < 24


def test_a_few_are_no_spike_and_nothing_is_one_where_nothing_is_known() -> None:
    assert spike_of("outage", NOON, 9, [[0] * 12]) is None
    assert spike_of("outage", NOON, 10, [[0] * 12]) is not None
    assert spike_of("outage", NOON, 500, []) is None


def test_last_weeks_outage_does_not_hide_this_one() -> None:
    assert spike_of("outage", NOON, 40, [[5, 4, 6, 300, 450, 280, 5, 5, 4, 6, 5, 5]]) is not None


def test_what_is_usual_in_one_history_is_no_spike() -> None:
    assert spike_of("outage", NOON, 60, [[1] * 18, [60, 55, 66, 61, 58, 63, 60]]) is None


def test_the_bound_is_that_of_a_poisson_count_where_nothing_is_scattered_more() -> None:
    expected, bound = upper_bound([100] * 1000)

    assert expected == 100
    assert bound == pytest.approx((100 ** (2 / 3) + 4 * (4 / 9 * 100 ** (1 / 3)) ** 0.5) ** 1.5, rel=1e-3)
    assert bound == pytest.approx(100 + 4 * 10, abs=4)


def test_ordinary_days_raise_hardly_any_alarm() -> None:
    chance = random.Random(7)
    alarms = 0
    for _ in range(4000):
        rate = chance.choice([0.5, 3.0, 12.0, 40.0])
        counts = [sum(chance.random() < rate / 200 for _ in range(200)) for _ in range(13)]
        alarms += spike_of("outage", NOON, counts[-1], [counts[:-1]]) is not None

    assert alarms <= 3


def test_a_proposal_is_for_its_topic_from_its_ten_minutes_on_and_has_an_end() -> None:
    spike = spike_of("delivery_delay", NOON, 40, [[5] * 12])
    assert spike is not None

    made = proposal(spike, "main", NOON + MINUTE)

    assert (made.slug, made.state) == ("delivery-delay-main-20260302-1200", "proposed")
    assert (made.matcher, made.since, made.until) == (Matcher(topics=("delivery_delay",)), NOON, NOON + MINUTE + LASTS)


def test_nobody_is_asked_twice_about_a_topic_within_its_window() -> None:
    closed = incident(state="closed", closed_at=NOON, until=NOON + HOUR)

    assert already_known("outage", "main", [incident()], NOON + DAY)
    assert already_known("outage", "main", [closed], NOON + HOUR - MINUTE)
    assert not already_known("outage", "main", [closed], NOON + HOUR)
    assert not already_known("outage", "nord", [incident()], NOON)
    assert not already_known("billing", "main", [incident()], NOON)


@pytest.mark.parametrize(
    ("inflow", "critical", "alarm"), [(100, 5, False), (100, 6, True), (10, 4, False), (0, 0, False), (1000, 50, False)]
)
def test_more_than_one_in_twenty_critical_is_an_alarm(inflow: int, critical: int, alarm: bool) -> None:
    assert critical_share_alarm(inflow, critical) is alarm


# --- taken together


def test_items_taken_together_weigh_as_much_as_the_first_and_the_critical_one_comes_first() -> None:
    waiting = [item(id="a"), item(id="b"), item(id="c", urgency="critical")]
    counter = Counter(waiting, {}, SETUP, NOON)

    taken = take_together(agent(capacity=1), counter, ["fr"], EVERYONE, 9, holds_one=False)

    assert [served.item.id for served in taken] == ["c", "a", "b"]
    assert [served.item.weight for served in taken] == [1, 0, 0]


def test_who_has_no_room_gets_none_unless_one_of_them_weighs_already() -> None:
    full = agent(capacity=1, used=1)

    assert take_together(full, Counter([item()], {}, SETUP, NOON), ["fr"], EVERYONE, 9, holds_one=False) == []
    [more] = take_together(full, Counter([item()], {}, SETUP, NOON), ["fr"], EVERYONE, 9, holds_one=True)
    assert more.item.weight == 0


def test_what_weighed_nothing_among_others_weighs_again_once_it_waits() -> None:
    known = setup(Queue(slug="fr", languages=("fr",)))
    light = given(item(weight=0), "ana", known, NOON)

    assert back(light, known, NOON).weight == 1
    assert back(given(item(weight=3), "ana", known, NOON), known, NOON).weight == 3
