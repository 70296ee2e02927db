"""What is promised, how often it was looked at, and where it was broken."""

from dataclasses import dataclass, field

SHOWN = 3


@dataclass
class Verdict:
    """One promise."""

    promise: str
    looked_at: int = 0
    broken: int = 0
    examples: list[str] = field(default_factory=list)
    note: str = ""

    def look(self, kept: bool, example: str) -> None:
        """One more case of it."""
        self.looked_at += 1
        if not kept:
            self.breaks(example)

    def breaks(self, example: str) -> None:
        """It does not hold."""
        self.broken += 1
        if len(self.examples) < SHOWN:
            self.examples.append(example)
