"""What a customer says to a message that a machine of ours wrote: a rating, or that it should stop. Pure."""

import re

from msgspec import Struct

STOP_WORDS = frozenset({"stop", "arret", "arrêt", "arrêtez", "unsubscribe", "désabonner"})
"""One of them alone, in any case and with any marks around it."""

_GOES_ON = (
    "merci|thanks?|thx|très|tres|very|super|parfait|perfect|great|good|bien|bravo|mais|but|car|because|parce|et|and|"
    "pour|for|je|j'ai|i|it|vous|you"
)
"""Words that may follow a rating without a mark between them; "3 jours" and "5 minutes" are no ratings."""

_RATING = re.compile(
    rf"""\W*([1-5])
    (?P<of>\s*/\s*5(?!\d)|\s+(?:sur|out\s+of)\s+5(?!\d)|\s+(?:étoiles?|etoiles?|stars?)\b)?
    (?:\s*\Z|\s*[,.:](?!\d)|\s*[^\w\s,.:%€$£°]|\s*\n|\s+(?=(?:{_GOES_ON})\b)|(?(of)\s|(?!)))
    (?P<comment>.*)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


class Said(Struct, frozen=True):
    """What a message says to a machine; nothing, where it speaks to us."""

    rating: int = 0  # 1..5; 0: none
    comment: str = ""  # beside the rating
    stop: bool = False

    @property
    def all(self) -> bool:
        """Whether that is all it says: nobody has to answer it."""
        return self.stop or (self.rating > 0 and not self.comment)


NOTHING = Said()


def said_to(machine: str, text: str, *, private: bool) -> Said:
    """What this message says to the machine that wrote last.

    A rating stands at the beginning, in a private answer to a survey. In doubt it is none: then an agent reads it.

    Args:
        machine: survey, automatic, or empty where no machine wrote since the customer's message before.
    """
    if not machine:
        return NOTHING
    if re.sub(r"\W+", " ", text).strip().casefold() in STOP_WORDS:
        return Said(stop=True)
    found = _RATING.match(text) if machine == "survey" and private else None
    if found is None:
        return NOTHING
    comment = found["comment"].strip()
    return Said(int(found[1]), comment if re.search(r"\w", comment) else "")
