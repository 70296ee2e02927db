"""`guichet up` and the commands that talk to it, as a person uses them."""

import json
import signal
import sqlite3
import urllib.request
from pathlib import Path

from tests.integration.cli.command import guichet, running


def test_a_house_opens_takes_posts_and_closes_in_good_order(tmp_path: Path) -> None:
    data = tmp_path / "data"
    posts = tmp_path / "posts.ndjson"
    posts.write_text(
        "".join(
            json.dumps(
                {"id": str(n), "author_id": "7", "text": "@acme where is my bag?", "created_at": "2025-06-02T12:00:00Z"}
            )
            + "\n"
            for n in range(1, 41)
        )
    )
    with running("up", data=data) as (process, house, said):
        assert set(house.addresses) == {"ingest", "classifier", "router", "responder", "sandbox"}

        second = guichet("up", "--data", data)
        assert second.returncode == 1
        assert second.stderr.startswith(f"guichet: Guichet already runs on {data} (process {process.pid}, http://")

        replayed = guichet("replay", posts, "--brands", "acme", "--data", data)
        assert replayed.returncode == 0
        assert replayed.stdout.startswith("40 posts: 40 accepted, 0 duplicates, 0 rejected")

        doctor = guichet("doctor", "--data", data)
        assert (doctor.returncode, "all is well" in doctor.stdout) == (0, True), doctor.stdout

        listed = guichet("dlq", "list", "--data", data)
        assert (listed.returncode, listed.stdout) == (0, "")

        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 0
    assert "curl http://127.0.0.1:" in "".join(said)
    assert (data / "key").read_text().strip() in "".join(said)
    assert not (data / "house.json").exists()
    with sqlite3.connect(data / "router.db") as tables:
        assert tables.execute("SELECT count(*) FROM mentions").fetchone() == (40,)


def test_the_printed_call_works(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running("up", "--no-sandbox", data=data) as (process, house, said):
        body = b'{"network":"crm","id":"A-17","text":"Where is my parcel?","author":{"id":"c9"}}'
        headers = {"Authorization": f"Bearer {(data / 'key').read_text().strip()}", "Content-Type": "application/json"}
        call = urllib.request.Request(f"{house.addresses['ingest']}/v1/mentions", body, headers)
        with urllib.request.urlopen(call, timeout=10) as answer:
            assert (answer.status, json.load(answer)["accepted"]) == (202, 1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert body.decode() in said[-1]
    assert "sandbox" not in "".join(said)


def test_keys_are_added_listed_and_revoked(tmp_path: Path) -> None:
    added = guichet("keys", "add", "--name", "wall board", "--scope", "queues:read", "--days", "30", "--data", tmp_path)
    secret = added.stdout.strip()
    assert secret.startswith("gk_")
    assert secret not in (tmp_path / "keys.toml").read_text()
    (line,) = guichet("keys", "list", "--data", tmp_path).stdout.splitlines()
    assert line.split("\t")[:4] == [secret.split("_")[1], "wall board", "service", "main"]
    assert guichet("keys", "revoke", secret, "--data", tmp_path).stdout == "revoked\n"
    assert guichet("keys", "list", "--data", tmp_path).stdout == ""


def test_tables_are_migrated_once(tmp_path: Path) -> None:
    first = guichet("migrate", "--data", tmp_path).stdout
    again = guichet("migrate", "--data", tmp_path).stdout
    assert [line.split(": ")[0] for line in first.splitlines()] == ["ingest", "router", "responder"]
    assert all("new -> " in line for line in first.splitlines())
    assert all("already" in line for line in again.splitlines())


def test_the_rest_of_all_services_is_one_document_the_same_every_time(tmp_path: Path) -> None:
    guichet("openapi", tmp_path / "one.json")
    guichet("openapi", tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    paths = json.loads((tmp_path / "one.json").read_text())["paths"]
    assert paths["/v1/mentions"]["post"]["x-service"] == "ingest"
    assert paths["/v1/queues"]["get"]["x-service"] == "router"
    assert paths["/v1/replies"]["post"]["x-service"] == "responder"
    assert paths["/v1/classify"]["post"]["x-service"] == "classifier"
