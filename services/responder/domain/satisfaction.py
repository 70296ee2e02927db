"""How satisfied customers say they were, by how soon we first answered them. Pure."""

from dataclasses import dataclass

BANDS = ("900", "3600", "5400", "86400", "more", "not_answered")
"""Seconds to our first answer in the conversation, at most so many; in this order."""

SATISFIED = 4
"""From this rating on."""

DEFINITION = (
    "Surveys about conversations that were resolved from `from` (included) to `to` (not included). `answered`: of "
    "those sent, how many came back with a rating of 1 to 5; `satisfied`: of those answered, how many are 4 or 5. Mean "
    "and median of the ratings; the median is nearest-rank. `band`: seconds from the first message of the conversation "
    "to our first answer in it, at most so many. Asked are only customers whose conversation began in private, once in "
    "the cooldown of the handle, and not all who are asked answer: it is not what all customers think."
)


@dataclass(frozen=True, slots=True)
class Ratings:
    """Of one group; mean and median are None where nobody answered."""

    key: str | None
    sent: int
    answered: int
    satisfied: int
    mean: float | None
    median: float | None
