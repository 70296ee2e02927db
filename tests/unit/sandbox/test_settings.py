"""What a sandbox may be told: credentials in a file, or one line that says what is wrong with it."""

from pathlib import Path

import pytest

from libs.common.errors import Misconfigured
from sandbox.app import build
from sandbox.settings import SandboxSettings


def test_without_a_file_nothing_is_checked() -> None:
    assert SandboxSettings().read_credentials() is None


def test_credentials_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('{"app": {"bearer": "the-app"}, "users": [{"username": "acme", "access_token": "a"}]}')
    service = build(SandboxSettings(credentials=file, plan="self_serve", longest=140))
    network = service.app.state.network
    assert (network.keys.open, network.keys.app.bearer, network.keys.users) == (False, "the-app", ["acme"])
    assert (network.behaviour.plan, network.behaviour.longest) == ("self_serve", 140)


@pytest.mark.parametrize("content", [None, "no json", '{"users": [{"name": "acme"}]}'])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "x.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Misconfigured, match=r"SANDBOX_CREDENTIALS: .*x\.json: "):
        build(SandboxSettings(credentials=file))
