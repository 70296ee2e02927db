"""What goes wrong on demand."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from sandbox.endpoints import Occasion
from sandbox.refusals import Kind, Refused, refusal

FaultKind = Literal["error", "error_after_posting", "no_answer", "cut", "rate_limited", "late_timeline"] | Kind

_AFTER = ("error_after_posting", "no_answer", "cut")
_NAMED = frozenset(get_args(Kind)) - {"rate_limited"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one of the next requests.

    `error` answers with `status` before anything is done; a refusal by its name does so in the network's own words.
    `error_after_posting` does what was asked and answers with `status`; `no_answer` does it and says nothing for
    `seconds`; `cut` does it and hangs up in the middle of the answer. `rate_limited` says when to come again only
    where `seconds` are given. A `late_timeline` hides the post for `seconds` from all who look for it.
    With `about`, the id of a post, it befalls only a reply to that one, or a timeline read since that one.
    """

    kind: FaultKind
    on: Occasion = "post"
    status: int = 503
    seconds: float = 0.0
    title: str = "Error"
    detail: str = "Something went wrong."
    about: str = ""

    @property
    def after(self) -> bool:
        """Whether what was asked for is done nevertheless."""
        return self.kind in _AFTER

    @property
    def refusal(self) -> Refused:
        """The answer."""
        if self.kind == "rate_limited" or self.kind in _NAMED:
            return refusal(self.kind)  # type: ignore[arg-type]
        return Refused(self.status, self.title, self.detail)


class Faults:
    """Those to come, in the order they were asked for; late timelines beside whatever else befalls the post."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, bool, str], deque[Fault]] = {}

    def plant(self, faults: Iterable[Fault]) -> None:
        """These befall the next requests."""
        for fault in faults:
            self._waiting.setdefault((fault.on, fault.kind == "late_timeline", fault.about), deque()).append(fault)

    def next(self, on: Occasion, about: str = "", *, late: bool = False) -> Fault | None:
        """What befalls this request: first what waits for the post it is about."""
        for which in ((on, late, about), (on, late, "")):
            if waiting := self._waiting.get(which):
                return waiting.popleft()
        return None

    def clear(self) -> None:
        """None of those that have not come yet."""
        self._waiting.clear()
