"""What the services of one process are told that no setting of theirs says."""

from pathlib import Path

import pytest

from cli.installation import Installation
from cli.services import AllSettings


def services(data: Path) -> AllSettings:
    return AllSettings.load(Installation(data), {}, with_sandbox=True)


def test_waits_are_promised_by_what_the_sandbox_lets_a_handle_post(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert services(tmp_path).router.post_budgets == {"x": 10_000}
    monkeypatch.setenv("SANDBOX_POSTS_PER_WINDOW", "40")
    monkeypatch.setenv("SANDBOX_WINDOW", "5min")
    assert services(tmp_path).router.post_budgets == {"x": 120}


def test_replies_go_to_the_sandbox_under_its_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_PLAN", "self_serve")
    told = services(tmp_path)
    assert (told.responder.x_plan, told.responder.x_base_url) == ("self_serve", "http://127.0.0.1:8009")
