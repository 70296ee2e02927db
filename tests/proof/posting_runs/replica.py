"""`python -m tests.proof.posting_runs.replica`: the responder, and what befalls it at its named points.

`PROOF_STRIKES` holds `point:hits:what` with spaces between: at that hit of that point it is killed (`kill`), or frozen
for so many seconds. `PROOF_PLANTED` is a mistake that the proof has to find.
"""

import itertools
import os
import runpy
import signal
import subprocess
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from libs.common import faults
from services.responder.domain.posting import Exchange, Lost, Outcome, Pace, Postponed, Unknown, classify
from services.responder.gateways.wire import Wire
from services.responder.handlers import sending

_post_once = Wire._post_once
_waking: list[subprocess.Popen[bytes]] = []


def strike(point: str, hits: int, what: str) -> Callable[[], None]:
    """What happens whenever the point is reached."""
    count = itertools.count(1)

    def act() -> None:
        if next(count) != hits:
            return
        os.write(2, f"struck: {what} at {point}\n".encode())
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        command = f"sleep {float(what)}; kill -CONT {os.getpid()}"
        _waking.append(subprocess.Popen(["/bin/sh", "-c", command], start_new_session=True))
        os.kill(os.getpid(), signal.SIGSTOP)

    return act


def resend(exchange: Exchange, *, tries: int, now: datetime, pace: Pace, chance: float) -> Outcome:
    """The mistake: what nobody knows the fate of is sent again at once."""
    outcome = classify(exchange, tries=tries, now=now, pace=pace, chance=chance)
    return Postponed("again", now) if isinstance(outcome, Unknown) else outcome


async def post_twice(
    wire: Wire, url: str, body: Mapping[str, Any], headers: Mapping[str, str], until: float
) -> Exchange:
    """The mistake: a connection that broke is tried once more."""
    exchange = await _post_once(wire, url, body, headers, until)
    return await _post_once(wire, url, body, headers, until) if isinstance(exchange, Lost) else exchange


def plant(mistake: str) -> None:
    """Make it, from now on."""
    if mistake == "resend":
        sending.classify = resend  # type: ignore[attr-defined]
    elif mistake == "http-retry":
        Wire._post_once = post_twice  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    for each in os.environ.get("PROOF_STRIKES", "").split():
        where, hits, what = each.split(":")
        faults.plant(where, strike(where, int(hits), what))
    plant(os.environ.get("PROOF_PLANTED", ""))
    runpy.run_module("services.responder", run_name="__main__")
