"""The explicit rules: which reasons the phrases of a text give, whatever the statistics say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.classifier.domain.heads import FLAGS, REASONS, SUPPORTED, TOPICS
from services.classifier.domain.phrases import Phrases, phrases

_UNLESS = " unless"  # no name of a table holds a space


@dataclass(frozen=True, slots=True)
class Rules:
    """A table, ready for use.

    `names(found)` takes the mask `phrases.find` gave with `phrases`, and tells the names that hold: first the
    reasons in the order of `heads.REASONS`, then the flags in that of `heads.FLAGS`, then the topics.
    It remembers masks it has seen.
    """

    phrases: Phrases
    names: Callable[[int], tuple[str, ...]]


def rules(table: Mapping[str, Any]) -> Rules:
    """Put the table `reasons.toml` together; both languages of a reason are one group, for nobody says theirs.

    Args:
        table: `words.negators`, and by name under `reason`: `negatable`, `en` and `fr`, and where there are idioms
            `unless_en` and `unless_fr`, of which one found anywhere in the text silences the name.

    Raises:
        ValueError: a name that is no reason and no flag, a language that is missing, or a phrase that is too long.
    """
    wanted = {**table["reason"], **table.get("topic", {})}
    known = tuple(dict.fromkeys((*REASONS, *FLAGS, *TOPICS)))
    order = [name for name in known if name in wanted]
    for name in wanted:
        if name not in order:
            raise ValueError(f"{name!r} is no reason, no flag and no topic; known: {', '.join(known)}")
    groups: dict[str, list[str]] = {}
    for name in order:
        rule = wanted[name]
        for language in SUPPORTED:
            if not rule.get(language):
                raise ValueError(f"{name} has no phrases in {language!r}")
        groups[name] = [phrase for language in SUPPORTED for phrase in rule[language]]
        groups[name + _UNLESS] = [phrase for language in SUPPORTED for phrase in rule.get(f"unless_{language}", ())]
    negatable = [name for name in order if wanted[name].get("negatable", False)]
    order_of = list(groups)
    bits = [(name, 1 << order_of.index(name), 1 << order_of.index(name + _UNLESS)) for name in order]

    @lru_cache(maxsize=4096)
    def names(found: int) -> tuple[str, ...]:
        return tuple(name for name, said, unless in bits if found & said and not found & unless)

    return Rules(phrases(groups, negatable, table.get("words", {}).get("negators", ())), names)
