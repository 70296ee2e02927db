"""The demo as a person starts it: posts flow, agents answer, Ctrl-C ends it, and the next start goes on."""

import re
import signal
from pathlib import Path

from tests.integration.cli.command import guichet, running


def test_posts_flow_and_agents_answer_and_a_second_start_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    first = guichet("demo", "--plain", "--seconds", "9", "--speed", "240", "--data", data, "--port-base", "0")
    assert first.returncode == 0, first.stderr
    posts, answers = _told(first.stdout)
    assert posts > 320  # two thirds of the script are the past
    assert answers > 75  # so many are answered in it already

    with running("demo", "--plain", "--speed", "240", data=data) as (process, _, _):
        line = next(line for line in process.stdout or () if " posts" in line and "answered after" in line)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
        assert process.returncode == 0
    assert "default" in line
    again, _ = _told(rest)
    assert posts <= again < posts + 200


def _told(said: str) -> tuple[int, int]:
    found = re.search(r"stopped after (\d+) posts and (\d+) answers", said)
    assert found, said
    return int(found[1]), int(found[2])
