"""Lengths of time as a set-up file has them: "45 s", "30 min", "1 h 30", "2 days"."""

import re

_UNITS = {
    "s": 1, "sec": 1, "second": 1, "seconds": 1,
    "min": 60, "minute": 60, "minutes": 60, "m": 60,
    "h": 3600, "hour": 3600, "hours": 3600,
    "d": 86_400, "day": 86_400, "days": 86_400,
}  # fmt: skip
_PART = re.compile(r"\s*(\d+)\s*([a-z]*)")


def seconds_of(text: str) -> int | None:
    """The whole seconds a text says; None where it says none. A number after hours alone is minutes: "1 h 30"."""
    total, at, before = 0, 0, 0
    written = text.strip().lower()
    while at < len(written):
        part = _PART.match(written, at)
        if part is None:
            return None
        number, word = int(part[1]), part[2]
        unit = _UNITS.get(word) if word else 60 if before == 3600 else None
        if unit is None or (before and unit >= before):
            return None
        total, at, before = total + number * unit, part.end(), unit
    return total if before else None


def told(seconds: int) -> str:
    """Seconds as a file may say them, exactly."""
    parts = []
    for unit, word in ((3600, "h"), (60, "min"), (1, "s")):
        many, seconds = divmod(seconds, unit)
        if many:
            parts.append(f"{many} {word}")
    return " ".join(parts) or "0 s"
