"""The keys file: what is written can be read, edits lose nothing, and mistakes are named."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs.common.errors import Misconfigured
from libs.common.keys import (
    ROLE_SCOPES,
    ROLES,
    SCOPES,
    create_key,
    list_keys,
    read_keys,
    revoke_key,
    sha256_of,
)

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def refusal(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(Misconfigured) as caught:
        read_keys(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_key_is_found_again_by_its_hash_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    secret = create_key(
        path, name="crm", role="service", scopes=["mentions:write"], teams=["paris"], expires_at=NEW_YEAR
    )
    [key] = list_keys(path)
    assert secret == f"gk_{key.id}_{secret.rpartition('_')[2]}"
    assert key.sha256 == sha256_of(secret)
    assert (key.name, key.role, key.scopes, key.teams, key.expires_at) == (
        "crm",
        "service",
        ("mentions:write",),
        ("paris",),
        NEW_YEAR,
    )
    assert secret not in path.read_text()


def test_the_random_part_has_256_bits(tmp_path: Path) -> None:
    secrets = {create_key(tmp_path / "keys.toml", name="x", role="agent") for _ in range(3)}
    assert len(secrets) == 3
    assert {len(secret.rpartition("_")[2]) for secret in secrets} == {52}  # 256 bits at 5 a letter


def test_a_key_without_scopes_has_those_of_its_role(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    for role in ROLES:
        create_key(path, name=role, role=role)
    assert {key.role: frozenset(key.scopes) for key in list_keys(path)} == dict(ROLE_SCOPES)
    path.write_text(f'[[key]]\nid = "abcd"\nsha256 = "{"0" * 64}"\nrole = "agent"\n')
    [by_hand] = list_keys(path)
    assert frozenset(by_hand.scopes) == ROLE_SCOPES["agent"]
    assert by_hand.teams == ("main",)


def test_roles_give_only_scopes_there_are() -> None:
    assert frozenset[str]().union(*ROLE_SCOPES.values()) <= SCOPES.keys()


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "keys.toml"
    create_key(path, name="x", role="admin")
    path.chmod(0o644)
    create_key(path, name="y", role="admin")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["keys.toml"]


def test_an_edit_keeps_comments_and_other_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    create_key(path, name="first", role="agent")
    path.write_text("# ask Zoé before you touch this\n" + path.read_text())
    create_key(path, name="second", role="agent")
    [first, second] = list_keys(path)
    revoke_key(path, first.id)
    assert list_keys(path) == [second]
    assert path.read_text().startswith("# ask Zoé before you touch this\n")


def test_the_last_key_can_go_and_another_come(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    create_key(path, name="first", role="agent")
    revoke_key(path, list_keys(path)[0].id)
    assert list_keys(path) == []
    create_key(path, name="second", role="agent")
    assert [key.name for key in list_keys(path)] == ["second"]


def test_an_unknown_key_cannot_be_revoked(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    create_key(path, name="first", role="agent")
    with pytest.raises(Misconfigured, match="there is no key nobody"):
        revoke_key(path, "nobody")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"keys\.toml; create one with: guichet keys add"):
        read_keys(tmp_path / "keys.toml")


def test_mistakes_in_the_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    key = f'[[key]]\nid = "abcd"\nsha256 = "{"0" * 64}"\n'
    assert "cannot be read" in refusal(path, "[[key]")
    assert refusal(path, key).endswith("keys.toml: key[0].role: Field required")
    assert "keys: " in refusal(path, key.replace("[[key]]", "[[keys]]"))
    assert "key: " in refusal(path, "key = 3")
    assert "did you mean 'replies:write'?" in refusal(path, key + 'role = "agent"\nscopes = ["reply:write"]')
    assert "expires_at" in refusal(path, key + 'role = "agent"\nexpires_at = 2027-01-01T00:00:00')
    assert "key[0].scope: " in refusal(path, key + 'role = "agent"\nscope = ["*"]')
    assert "two keys have the id abcd" in refusal(path, 2 * (key + 'role = "agent"\n'))


def test_a_scope_that_does_not_exist_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    with pytest.raises(Misconfigured, match="'queue:read' is not a scope; did you mean 'queues:read'"):
        create_key(path, name="x", role="agent", scopes=["queue:read"])
    assert not path.exists()


def test_a_broken_file_is_not_edited(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text("[[key]\n")
    with pytest.raises(Misconfigured, match="cannot be read"):
        create_key(path, name="x", role="agent")
    assert path.read_text() == "[[key]\n"
