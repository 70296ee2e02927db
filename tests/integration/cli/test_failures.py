"""Whatever fails is one readable line on stderr and a status that is not 0; never a traceback."""

from pathlib import Path

import pytest

from tests.integration.cli.command import guichet

CASES = [
    (["frobnicate"], 2, "No such command 'frobnicate'"),
    (["up", "--port-base", "x"], 2, "--port-base"),
    (["up", "--bus", "redis://a:1"], 2, "--bus 'redis://a:1': it is local or kafka://HOST:PORT"),
    (["up", "--database", "mysql://me:secret@a/b"], 2, "--database begins with postgresql:// or sqlite:///"),
    (["up", "--data", "/proc/nowhere"], 1, "choose another --data"),
    (["replay"], 2, "Missing argument"),
    (["replay", "/nowhere.ndjson"], 1, "/nowhere.ndjson cannot be read: No such file or directory"),
    (["replay", __file__], 1, "holds no posts"),
    (["replay", "{posts}", "--speed", "fast"], 2, "write 60 (times faster), 200/s (a fixed rate) or max"),
    (["replay", "{posts}", "--shift", "then"], 2, "write --shift now"),
    (["replay", "{posts}", "--to", "gopher://a"], 2, "write http://HOST:PORT"),
    (["topics", "--bus", "local"], 2, "kafka://HOST:PORT"),
    (["topics", "--bus", "kafka://127.0.0.1:1"], 1, "Kafka at 127.0.0.1:1 is away: no broker answers"),
    (["migrate", "--database", "postgresql://nobody@127.0.0.1:1/nothing"], 1, "the database is away"),
    (["keys", "add", "--name", "me", "--role", "boss"], 2, "'boss' is no role"),
    (["keys", "add", "--name", "me", "--scope", "queue:read"], 2, "did you mean queues:read?"),
    (["keys", "revoke", "nothing"], 2, "there is no keys file"),
    (["dlq", "replay"], 2, "by its id, or --all"),
    (["dlq", "list", "--service", "desk"], 2, "'desk' has no dead letters"),
    (["openapi", "/nowhere/openapi.json"], 1, "cannot be written"),
]


@pytest.mark.parametrize(("arguments", "status", "says"), CASES, ids=[" ".join(case[0])[:40] for case in CASES])
def test_a_failure_is_one_line_and_a_status(tmp_path: Path, arguments: list[str], status: int, says: str) -> None:
    posts = tmp_path / "posts.ndjson"
    posts.write_text('{"id":"1"}\n')
    more = {"GUICHET_DATA": str(tmp_path / "data")}
    ended = guichet(*(each.format(posts=posts) for each in arguments), more=more)
    assert ended.returncode == status
    lines = [line for line in ended.stderr.splitlines() if line.startswith("guichet: ")]
    assert lines == ended.stderr.splitlines()[-1:]
    assert says in lines[0]
    assert "Traceback" not in ended.stderr + ended.stdout
    assert "secret" not in ended.stderr


def test_a_wrong_variable_is_one_line_too(tmp_path: Path) -> None:
    ended = guichet("up", "--data", tmp_path, more={"GUICHET_BUSS": "local"})
    assert (ended.returncode, ended.stderr) == (
        2,
        "guichet: GUICHET_BUSS is not a setting; did you mean GUICHET_BUS?\n",
    )


def test_every_command_has_its_help() -> None:
    for command in ("up", "demo", "replay", "doctor", "migrate", "topics", "sandbox", "keys add", "dlq replay"):
        ended = guichet(*command.split(), "--help")
        assert ended.returncode == 0
        assert f"Usage: guichet {command}" in ended.stdout


def test_colour_is_left_out_where_nobody_wants_it(tmp_path: Path) -> None:
    ended = guichet("doctor", "--data", tmp_path, "--port-base", "0", more={"NO_COLOR": "1"})
    assert "\x1b" not in ended.stdout
    assert "is not running" in ended.stdout
