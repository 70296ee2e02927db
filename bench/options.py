"""What every benchmark may be told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """From the command line."""

    seconds: float | None = None  # of each turn; a benchmark has its own default
    quick: bool = False  # a look whether it works: fewer rounds, shorter turns
    bus: str | None = None
    database: str | None = None
    seed: int = 1
    profile: bool = False
    rate: float | None = None  # mentions a second
    burst: float | None = None  # mentions a second; 0: none
    backlog: int | None = None  # mentions; 0: none

    def turn_seconds(self, default: float) -> float:
        """How long one side is measured at a time."""
        seconds = default if self.seconds is None else self.seconds
        return min(seconds, 0.5) if self.quick else seconds

    def warm_up_seconds(self, default: float) -> float:
        """How long is worked before anything is measured."""
        return 0.5 if self.quick else default

    def rounds(self, default: int) -> int:
        """How many times each side is measured."""
        return min(2, default) if self.quick else default

    def command(self, name: str) -> str:
        """How to measure again."""
        words = ["guichet bench", name]
        words += [f"--seconds {self.seconds:g}"] if self.seconds is not None else []
        words += ["--quick"] if self.quick else []
        words += [f"--seed {self.seed}"] if self.seed != 1 else []
        more = (("rate", self.rate), ("burst", self.burst), ("backlog", self.backlog))
        words += [f"--{option} {value:g}" for option, value in more if value is not None]
        words += [f"--{name} ..." for name, value in (("bus", self.bus), ("database", self.database)) if value]
        return " ".join(words)
