"""Who may come in: keys, their end, and a file that changes under us."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from libs.common.auth import Caller, Keyring, needs
from libs.common.errors import Misconfigured
from libs.common.keys import create_key, list_keys, revoke_key
from libs.common.problems import Problem

NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)


@dataclass
class World:
    """A keys file, a wall clock and a running clock that move when told."""

    path: Path
    now: datetime = NOON
    seconds: float = 0.0
    keyring: Keyring = field(init=False)

    def open(self) -> Keyring:
        self.keyring = Keyring(self.path, clock=lambda: self.now, monotonic=lambda: self.seconds)
        return self.keyring

    def caller(self, secret: str) -> Caller:
        return self.keyring.caller_of({b"authorization": f"Bearer {secret}".encode()})

    def refusal(self, headers: dict[bytes, bytes]) -> Problem:
        with pytest.raises(Problem) as caught:
            self.keyring.caller_of(headers)
        assert caught.value.status_code == 401
        assert caught.value.headers is not None
        assert caught.value.headers["WWW-Authenticate"].startswith('Bearer realm="guichet"')
        return caught.value


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "keys.toml")


def test_a_key_tells_who_calls_and_what_they_may(world: World) -> None:
    secret = create_key(world.path, name="ana", role="agent", scopes=["queues:read"], teams=["paris"])
    world.open()
    caller = world.caller(secret)
    assert caller == Caller(secret.split("_")[1], "agent", frozenset({"queues:read"}), frozenset({"paris"}))
    assert caller.may("queues:read")
    assert not caller.may("queues:write")
    assert caller.sees("paris")
    assert not caller.sees("main")


def test_a_star_is_everything(world: World) -> None:
    secret = create_key(world.path, name="root", role="admin", teams=["*"])
    world.open()
    assert world.caller(secret).may("queues:write")
    assert world.caller(secret).sees("paris")


def test_both_headers_are_taken(world: World) -> None:
    secret = create_key(world.path, name="ana", role="agent").encode()
    keyring = world.open()
    assert keyring.caller_of({b"x-api-key": secret}) == keyring.caller_of({b"authorization": b"bearer " + secret})


def test_without_a_key_one_is_told_where_to_put_it(world: World) -> None:
    create_key(world.path, name="ana", role="agent")
    world.open()
    problem = world.refusal({b"authorization": b"Basic YTpi"})
    assert problem.detail == "There is no API key in the request."
    assert "Authorization: Bearer gk_" in str(problem.content["fix"])


def test_a_key_with_another_secret_is_refused_like_an_unknown_one(world: World) -> None:
    secret = create_key(world.path, name="ana", role="agent")
    world.open()
    forged = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    for wrong in (forged, "gk_nobody_x", "gk_", "hello", "gk_é"):
        problem = world.refusal({b"x-api-key": wrong.encode()})
        assert problem.detail == "This API key is not known here."


def test_an_expired_key_is_refused_from_its_last_instant_on(world: World) -> None:
    secret = create_key(world.path, name="ana", role="agent", expires_at=NOON + timedelta(hours=1))
    world.open()
    world.now = NOON + timedelta(minutes=59)
    assert world.caller(secret)
    world.now = NOON + timedelta(hours=1)
    problem = world.refusal({b"x-api-key": secret.encode()})
    assert "expired at 2026-06-02T13:00:00+00:00" in problem.detail


def test_a_revoked_key_is_refused_within_a_second(world: World) -> None:
    secret = create_key(world.path, name="ana", role="agent")
    world.open()
    revoke_key(world.path, list_keys(world.path)[0].id)
    world.seconds = 0.9
    assert world.caller(secret)  # the file is looked at once a second at most
    world.seconds = 1.0
    world.refusal({b"x-api-key": secret.encode()})


def test_a_new_key_is_taken_without_a_restart(world: World) -> None:
    create_key(world.path, name="ana", role="agent")
    world.open()
    secret = create_key(world.path, name="zoé", role="agent")
    world.seconds = 1.0
    assert world.caller(secret)


@pytest.mark.parametrize("text", ["[[key]", None])
def test_a_broken_or_missing_file_leaves_the_keys_as_they_were(world: World, text: str | None) -> None:
    secret = create_key(world.path, name="ana", role="agent")
    good = world.path.read_text()
    world.open()
    if text is None:
        world.path.unlink()
    else:
        world.path.write_text(text)
    world.seconds = 1.0
    assert world.caller(secret)
    world.path.write_text(good.replace(secret.split("_")[1], "abcdefgh"))
    world.seconds = 2.0
    world.refusal({b"x-api-key": secret.encode()})


def test_a_broken_file_is_reported_once(world: World) -> None:
    secret = create_key(world.path, name="ana", role="agent")
    world.open()
    world.path.write_text("[[key]")
    with capture_logs() as lines:
        for world.seconds in (1.0, 2.0, 3.0):
            world.caller(secret)
    assert [line["event"] for line in lines] == ["keys_left_as_they_were"]


def test_a_keyring_does_not_open_without_a_file(world: World) -> None:
    with pytest.raises(Misconfigured, match="guichet keys add"):
        world.open()


def test_a_route_cannot_need_a_scope_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="'queue:read' is not a scope"):
        needs("queue:read")
