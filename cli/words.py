"""Times and texts as a terminal shows them."""

import re
import unicodedata


def span(seconds: float) -> str:
    """A length of time as people say it: `45 s`, `12 min`, `3 h 05`."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{round(whole / 60)} min"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes:02}" if hours < 48 else f"{hours // 24} days"


_SPACES = re.compile(r"\s+")
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}  # controls, bidi overrides, zero widths: a post's text is hostile


def clean(text: str) -> str:
    """A post's text as one line that cannot move the cursor, hide or turn around anything."""
    flat = _SPACES.sub(" ", text)
    return "".join(c for c in flat if unicodedata.category(c) not in _HIDDEN).strip()
