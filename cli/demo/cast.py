"""The demo's agents and what they say, as `agents.toml` has them. Pure, and the same at every run."""

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from cli.trouble import Trouble

LONGEST = 280  # characters X takes


@dataclass(frozen=True, slots=True)
class Player:
    """A simulated agent."""

    slug: str
    name: str
    signature: str
    skills: tuple[str, ...]
    capacity: int
    pace_seconds: float

    @property
    def languages(self) -> frozenset[str]:
        """Those it speaks, from skills such as `lang:fr`."""
        return frozenset(skill.removeprefix("lang:") for skill in self.skills if skill.startswith("lang:"))


@dataclass(frozen=True, slots=True)
class Answer:
    """A text for an intent in a language; `{name}` is whom it answers."""

    intent: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Cast:
    """All of them."""

    players: Sequence[Player]
    answers: Sequence[Answer]


def read_cast(file: Path) -> Cast:
    """The cast of a file.

    Raises:
        Trouble: it is not there, or not as it should be.
    """
    try:
        content = tomllib.loads(file.read_text("utf-8"))
        players = [
            Player(
                each["slug"],
                each["name"],
                each.get("signature", ""),
                tuple(each["skills"]),
                int(each["capacity"]),
                float(each["pace_seconds"]),
            )
            for each in content["agent"]
        ]
        answers = [Answer(each["intent"], each["language"], each["text"]) for each in content["answer"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Trouble(f"the demo's agents cannot be read from {file}: {error}") from error
    return Cast(players, answers)


def answer(
    cast: Cast, player: Player, labels: Mapping[str, Any], name: str, username: str, seed: str, written: Collection[str]
) -> str:
    """What the player writes: a text for the intent in the language, else the nearest there is, signed.

    The same seed gives the same text, so that a repeated request is a repeat; but none that was written before.
    """
    language = str(labels.get("language", "")).split("-")[0]
    spoken = language if any(each.language == language for each in cast.answers) else "en"
    of_language = [each for each in cast.answers if each.language == spoken] or list(cast.answers)
    fitting = [each for each in of_language if each.intent == labels.get("intent")] or of_language
    start = pick(seed, len(fitting))
    at = f"@{username} " if username else ""
    texts = [f"{at}{_signed(each.text, player, name)}" for each in (*fitting[start:], *fitting[:start])]
    short = [text for text in texts if len(text) <= LONGEST] or [texts[0][:LONGEST]]
    return next((text for text in short if text not in written), f"{short[0][: LONGEST - 9]} {pick(seed, 10**8)}")


def _signed(text: str, player: Player, name: str) -> str:
    return f"{text.replace('{name}', name)} {player.signature}".strip()


def pick(seed: str, of: int) -> int:
    """A number below `of` that follows from the seed."""
    return int.from_bytes(blake2b(seed.encode(), digest_size=8).digest(), "big") % of


def thinking_seconds(player: Player, seed: str, haste: float = 1.0) -> float:
    """How long the player takes over one answer: its pace, give or take 30 %."""
    return player.pace_seconds * (0.7 + 0.6 * pick(seed, 1000) / 1000) / haste
