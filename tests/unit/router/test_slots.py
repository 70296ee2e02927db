"""Hours as people write them, and what they are told when that cannot be kept."""

from datetime import date

import pytest

from services.router.domain.hours import BadHours, Dated, Hours, Slot, hours_from, parse_exceptions, parse_slots


@pytest.mark.parametrize(
    ("week", "slots"),
    [
        ({"mon": ["09:00-12:30", "13:30-24:00"]}, (Slot(0, 540, 750), Slot(0, 810, 1440))),
        ({"fri": ["22:00-06:00"]}, (Slot(4, 1320, 360),)),
        ({"sat-mon": ["9h-9h30"]}, (Slot(0, 540, 570), Slot(5, 540, 570), Slot(6, 540, 570))),
        ({"daily": ["00:00 – 24:00"]}, tuple(Slot(day, 0, 1440) for day in range(7))),
        ({"mon-tue": ["9-12"], "tue": ["13-14"]}, (Slot(0, 540, 720), Slot(1, 540, 720), Slot(1, 780, 840))),
        ({"sun": ["22:00-05:00"], "mon": ["05:00-06:00"]}, (Slot(0, 300, 360), Slot(6, 1320, 300))),
        ({"mon-sun": []}, ()),
    ],
)
def test_a_week_is_read(week: dict[str, list[str]], slots: tuple[Slot, ...]) -> None:
    assert parse_slots(week) == slots


@pytest.mark.parametrize(
    ("week", "path", "detail", "fix"),
    [
        ({"monday": ["09:00-10:00"]}, "$.week.monday", '"monday"', '"mon"'),
        ({"mon-fry": []}, "$.week.mon-fry", '"fry"', '"fri"'),
        ({"jour": []}, "$.week.jour", '"jour"', "mon, tue"),
        ({"mon": ["9 o'clock"]}, "$.week.mon[0]", "9 o'clock", "09:00-12:30"),
        ({"mon": ["09:00-10:00", "09:60-11:00"]}, "$.week.mon[1]", "09:60", "09:00-12:30"),
        ({"mon": ["09:00-24:01"]}, "$.week.mon[0]", "24:01", "09:00-12:30"),
        ({"mon": ["24:00-02:00"]}, "$.week.mon[0]", "not within a day", "00:00 to 23:59"),
        ({"mon": ["09:00-09:00"]}, "$.week.mon[0]", "is empty", "00:00-24:00"),
        ({"mon": "09:00-10:00"}, "$.week.mon", "a text", '["09:00-10:00"]'),
        ({"mon": ["09:00-12:00", "11:59-13:00"]}, "$.week.mon[1]", "mon 11:59-13:00 overlaps mon 09:00-12:00", "end"),
        ({"mon-fri": ["09:00-12:00"], "wed": ["10-11"]}, "$.week.wed[0]", "overlaps wed 09:00-12:00", "end"),
        ({"mon": ["22:00-06:00"], "tue": ["05:00-08:00"]}, "$.week.tue[0]", "overlaps mon 22:00-06:00", "end"),
        ({"mon": ["00:00-01:00"], "sun": ["22:00-00:30"]}, "$.week.mon[0]", "overlaps sun 22:00-00:30", "end"),
        ({}, "$.week", "no opening time", "mon-fri"),
    ],
)
def test_what_cannot_be_a_week_is_refused_with_what_to_do(
    week: dict[str, list[str]], path: str, detail: str, fix: str
) -> None:
    with pytest.raises(BadHours) as refused:
        hours_from("some", "UTC", week)

    assert refused.value.path == path
    assert detail in refused.value.detail
    assert fix in refused.value.fix


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"christmas": []}, "$.exceptions.christmas"),
        ({"2026-02-30": []}, "$.exceptions.2026-02-30"),
        ({"2026-12-24": ["09:00-12:00", "10:00-13:00"]}, "$.exceptions.2026-12-24[1]"),
        ({"2026-12-24": ["22:00-04:00", "23:00-24:00"]}, "$.exceptions.2026-12-24[1]"),
        ({"2026-12-24": ["09:00-12:00"], "20261224": []}, "$.exceptions"),
    ],
)
def test_what_cannot_be_an_exception_is_refused(written: dict[str, list[str]], path: str) -> None:
    with pytest.raises(BadHours) as refused:
        hours_from("some", "UTC", {}, exceptions=written)

    assert refused.value.path == path


def test_exceptions_are_read_in_order_of_their_dates() -> None:
    assert parse_exceptions({"2026-12-24": ["13:00-14:00", "09:00-12:00"], "2026-09-25": []}) == (
        Dated(date(2026, 9, 25)),
        Dated(date(2026, 12, 24), ((540, 720), (780, 840))),
    )


@pytest.mark.parametrize(
    ("zone", "nearest"),
    [("Europe/Pariss", "Europe/Paris"), ("new york", "America/New_York"), ("kolkata", "Asia/Kolkata"), ("Mars", "IANA"),
     ("Europe", "Europe/"), ("", "IANA"), ("../etc", "IANA")],
)  # fmt: skip
def test_an_unknown_zone_is_refused_with_the_nearest(zone: str, nearest: str) -> None:
    with pytest.raises(BadHours) as refused:
        Hours("some", zone)

    assert refused.value.path == "$.zone"
    assert nearest in refused.value.fix


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("FX", "two letters"),
        ("FR-ALSAC", '"FR-6AE"'),
        ("DE-XYZ", "BW, BY"),
        ("DE-Bayren", '"DE-BY"'),
        ("MC-1", "no regions"),
        ("France", "two letters"),
    ],
)
def test_unknown_holidays_are_refused_with_the_nearest(code: str, fix: str) -> None:
    with pytest.raises(BadHours) as refused:
        Hours("some", holidays=code)

    assert refused.value.path == "$.holidays"
    assert fix in refused.value.fix


@pytest.mark.parametrize(
    "made",
    [
        {"slots": (Slot(7, 0, 60),)},
        {"slots": (Slot(0, -1, 60),)},
        {"slots": (Slot(0, 60, 60),)},
        {"slots": (Slot(0, 60, 120), Slot(0, 60, 120))},
        {"exceptions": (Dated(date(2026, 1, 1)), Dated(date(2026, 1, 1)))},
        {"always_open": True, "holidays": "FR"},
    ],
)
def test_hours_made_by_hand_are_checked_too(made: dict[str, object]) -> None:
    with pytest.raises(BadHours):
        Hours("some", "UTC", **made)  # type: ignore[arg-type]
