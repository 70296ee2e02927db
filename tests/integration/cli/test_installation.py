"""What one process needs of its data folder."""

from pathlib import Path
from typing import Any

import pytest

from cli.house import Standing, fall, find, stand, standing
from cli.installation import KEY_SCOPES, Installation, first_key, occupied, secret_of
from cli.trouble import Trouble
from libs.common.errors import Misconfigured
from libs.common.keys import SCOPES, read_keys
from services.router.settings import RouterSettings


def installation(tmp_path: Path, environ: dict[str, str] | None = None, **options: object) -> Installation:
    return Installation(tmp_path, environ=environ or {}, **options)  # type: ignore[arg-type]


def test_the_command_line_wins_over_the_environment_and_that_over_the_default(tmp_path: Path) -> None:
    environ = {"GUICHET_BUS": "kafka://a:1", "GUICHET_HOST": "0.0.0.0"}
    given = installation(tmp_path, environ, bus="kafka://b:2").settings(RouterSettings, "router", {})
    assert (given.bus, given.host, given.port) == ("kafka://b:2", "0.0.0.0", 8003)


def test_ports_follow_the_first_one(tmp_path: Path) -> None:
    assert installation(tmp_path, port_base=9001).ports() == {
        "ingest": 9001,
        "classifier": 9002,
        "router": 9003,
        "responder": 9004,
        "sandbox": 9009,
    }
    assert installation(tmp_path).ports() == {}


def test_any_free_ports_are_all_different(tmp_path: Path) -> None:
    ports = installation(tmp_path, port_base=0).ports()
    assert len(set(ports.values())) == 5


@pytest.mark.parametrize(("option", "value"), [("bus", "kafka:a"), ("bus", "redis://a:1"), ("database", "mysql://a")])
def test_a_wrong_option_is_named(tmp_path: Path, option: str, value: str) -> None:
    wrong: dict[str, Any] = {option: value}
    with pytest.raises(Trouble, match=f"--{option}"):
        installation(tmp_path, **wrong).settings(RouterSettings, "router", {})


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="GUICHET_BUSS"):
        installation(tmp_path, {"GUICHET_BUSS": "local"}).settings(RouterSettings, "router", {})


def test_the_secret_is_made_once_and_is_private(tmp_path: Path) -> None:
    secret = secret_of(tmp_path)
    assert len(secret) >= 32
    assert secret_of(tmp_path) == secret
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0


def test_a_secret_of_the_environment_is_honoured(tmp_path: Path) -> None:
    given = installation(tmp_path, {"GUICHET_SECRET": "0123456789abcdef"}).settings(RouterSettings, "router", {})
    assert given.secret.get_secret_value() == "0123456789abcdef"
    assert not (tmp_path / "secret").exists()


def test_the_first_key_is_made_once_scoped_and_kept_private(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    secret, is_new = first_key(tmp_path, keys)
    assert is_new
    assert first_key(tmp_path, keys) == (secret, False)
    (key,) = read_keys(keys).values()
    assert (key.role, set(key.scopes)) == ("service", set(KEY_SCOPES))
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    assert not {"*", "admin", "exports:read", "audit:read"} & set(key.scopes)
    assert set(key.scopes) <= set(SCOPES)


def test_keys_that_somebody_else_made_are_left_alone(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text("")
    assert first_key(tmp_path, keys) == ("", False)
    assert keys.read_text() == ""


def test_a_folder_is_held_by_one_process(tmp_path: Path) -> None:
    with occupied(tmp_path), pytest.raises(Trouble, match="choose another --data"), occupied(tmp_path):
        pass
    with occupied(tmp_path):
        pass


def test_other_commands_find_the_house_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("gk_a_b\n")
    here = Standing({"ingest": "http://127.0.0.1:9001"}, 1, "kafka://a:1", "postgresql://me:secret@a/b")
    stand(tmp_path, here)
    assert standing(tmp_path) == here
    house = find(tmp_path, environ={})
    assert (house.addresses["ingest"], house.key) == ("http://127.0.0.1:9001", "gk_a_b")
    assert (tmp_path / "house.json").stat().st_mode & 0o077 == 0
    fall(tmp_path)
    assert standing(tmp_path) is None


def test_a_house_whose_process_died_is_none(tmp_path: Path) -> None:
    stand(tmp_path, Standing({"ingest": "http://127.0.0.1:9001"}, 2**22 + 1))
    assert standing(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', '{"addresses": 3, "pid": 1}'])
def test_a_broken_house_file_is_no_house(tmp_path: Path, content: str) -> None:
    (tmp_path / "house.json").write_text(content)
    assert standing(tmp_path) is None


def test_an_address_of_the_environment_is_for_all_services(tmp_path: Path) -> None:
    house = find(tmp_path, environ={"GUICHET_URL": "https://desk.example/", "GUICHET_KEY": "gk_c_d"})
    assert set(house.addresses.values()) == {"https://desk.example"}
    assert house.key == "gk_c_d"
    assert find(tmp_path, to="localhost:9").addresses["ingest"] == "http://localhost:9"
