"""The expected wait on short simulated days, one seed each; `guichet bench waits` has more and longer ones."""

from dataclasses import replace

import pytest

from bench.waits import KINDS, simulate
from bench.waits_day import Surge

_SURGE = Surge(day=8, begins=39_600.0, seconds=4500.0, factor=5.0)
SHORT = {
    "quiet": replace(KINDS["quiet"], days=15, counted=range(8, 15)),
    "busy": replace(KINDS["busy"], days=8, counted=range(5, 8)),
    "surge": replace(
        KINDS["surge"], brand=replace(KINDS["surge"].brand, surges=(_SURGE,)), days=9, counted=range(8, 9)
    ),
    "closing": replace(KINDS["closing"], days=12, counted=range(7, 12)),
}


@pytest.mark.parametrize("name", SHORT)
def test_four_fifths_of_all_promises_are_kept(name: str) -> None:
    run = simulate(name, seed=1, tick=120.0, kind=SHORT[name])
    ours, naive = run.kept["ours"], run.kept["naive"]
    promised = sum(promise.promised for promise in ours) / len(ours)
    waited = sum(promise.waited for promise in ours) / len(ours)

    assert sum(promise.kept for promise in ours) >= 0.8 * len(ours)
    assert sum(promise.kept for promise in ours) / len(ours) > sum(promise.kept for promise in naive) / len(naive)
    assert len(ours) >= 0.9 * sum(run.states.values())  # and something was promised
    assert promised < 2.5 * waited  # that is of use
    assert all(promise.promised >= 300 for promise in ours)
