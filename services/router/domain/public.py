"""What the public reads of a handle's wait, in French and English. Pure."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Literal

Tongue = Literal["fr", "en"]
TONGUES: tuple[Tongue, ...] = ("fr", "en")

_DAYS = {
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_MONTHS = {
    "fr": ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
           "décembre"),
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December"),
}  # fmt: skip


def opening_text(is_open: bool, change_at: datetime | None, now: datetime, zone: tzinfo, tongue: Tongue) -> str:
    """Whether somebody is there, and until or from when, by the clocks there."""
    if change_at is None:
        words = {"fr": ("Fermé.", "Ouvert en permanence."), "en": ("Closed.", "Always open.")}
        return words[tongue][is_open]
    when = moment_text(change_at, now, zone, tongue)
    if tongue == "fr":
        return f"Ouvert, jusqu'à {when}." if is_open else f"Fermé ; ouvre {when}."
    return f"Open, until {when}." if is_open else f"Closed; opens {when}."


def moment_text(at: datetime, now: datetime, zone: tzinfo, tongue: Tongue) -> str:
    """A time on the wall with its zone: "18 h (Europe/Paris)", "lundi 9 mars à 9 h 30 (Europe/Paris)"."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    day = f"{_DAYS[tongue][local.weekday()]} {local.day} {_MONTHS[tongue][local.month - 1]}"
    if tongue == "fr":
        clock = f"{local.hour} h" + (f" {local.minute:02}" if local.minute else "")
        joined = f"{day} à {clock}"
    else:
        clock = f"{local.hour:02}:{local.minute:02}"
        joined = f"{day} at {clock}"
    return f"{clock if local.date() == today else joined} ({zone})"


def span_text(seconds: int, tongue: Tongue) -> str:
    """ "25 minutes", "2 h 30", "1 jour 15 h"."""
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} minutes"
    days, rest = divmod(minutes, 1440)
    hours, minutes = divmod(rest, 60)
    clock = f"{hours} h {minutes:02}" if minutes else f"{hours} h"
    if not days:
        return clock
    unit = {"fr": "jour", "en": "day"}[tongue] + ("s" if days > 1 else "")
    return f"{days} {unit} {clock}" if hours or minutes else f"{days} {unit}"


def wait_text(state: str, p80_seconds: int | None, more_than_hours: int, tongue: Tongue) -> str:
    """What to expect, said as it is: four in five are answered by then, and where nothing is known that is said."""
    if state == "known" and p80_seconds is not None:
        span = span_text(p80_seconds, tongue)
        if tongue == "fr":
            return f"Réponse d'une personne : 8 fois sur 10 en {span} au plus."
        return f"A person answers: 8 times out of 10 within {span}."
    if state == "more_than":
        if tongue == "fr":
            return f"L'attente dépasse {more_than_hours} h d'ouverture."
        return f"The wait is more than {more_than_hours} opening hours."
    return {"fr": "Temps de réponse : pas encore connu.", "en": "Response time: not known yet."}[tongue]


def page_text(
    handle: str, opening: str, wait: str, incident: str | None, other_ways: Sequence[str], tongue: Tongue
) -> str:
    """The whole page as plain text."""
    lines = [f"@{handle}", *([f"! {incident}"] if incident else []), opening, wait]
    if other_ways:
        lines += ["", {"fr": "Autres moyens de nous joindre :", "en": "Other ways to reach us:"}[tongue]]
        lines += [f"- {way}" for way in other_ways]
    return "\n".join(lines) + "\n"
