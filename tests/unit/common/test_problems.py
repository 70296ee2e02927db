"""What callers are told: always problem details, always with what to do, never with our insides."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from libs.common.keys import create_key
from libs.common.problems import Problem
from tests.unit.common.app import an_app, calls

JSON = {"Content-Type": "application/json"}


async def asked(folder: Path, method: str, path: str, **request: Any) -> httpx2.Response:
    secret = create_key(folder / "keys.toml", name="root", role="admin")
    async with calls(an_app(folder), secret) as client:
        answer = await client.request(method, path, **request)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        content = answer.json()
        assert content["status"] == answer.status_code
        assert content["type"].startswith("urn:guichet:problem:")
        assert content["title"]
        assert content["fix"]
    return answer


async def posted(folder: Path, content: bytes) -> httpx2.Response:
    return await asked(folder, "POST", "/v1/notes", content=content, headers=JSON)


async def test_a_valid_request_passes(tmp_path: Path) -> None:
    assert (await posted(tmp_path, b'{"text":"hi","author":{"id":"c9"}}')).json() == {"author": "c9"}


async def test_an_invalid_body_is_a_422_with_the_place_of_each_error(tmp_path: Path) -> None:
    answer = await posted(tmp_path, b'{"text":5,"author":{"follower_counts":[1,"x"],"nmae":"Ann"},"urgent":true}')
    assert answer.status_code == 422
    found = {error["path"]: error for error in answer.json()["errors"]}
    assert found.keys() == {
        "$.text",
        "$.author.id",
        "$.author.follower_counts[1]",
        "$.author.nmae",
        "$.urgent",
    }
    assert {error["in"] for error in found.values()} == {"body"}
    assert found["$.author.nmae"]["detail"] == "This field is not known"
    assert "Ann" not in answer.text  # what was sent is not repeated


async def test_an_invalid_path_or_query_says_which(tmp_path: Path) -> None:
    answer = await asked(tmp_path, "GET", "/v1/notes/seven")
    assert answer.status_code == 422
    assert (answer.json()["errors"][0]["in"], answer.json()["errors"][0]["path"]) == ("path", "note_id")


async def test_malformed_json_is_a_400_with_the_place(tmp_path: Path) -> None:
    answer = await posted(tmp_path, b'{"text": }')
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:guichet:problem:malformed-json"
    assert "at character 9" in answer.json()["detail"]


async def test_invalid_utf_8_is_a_400(tmp_path: Path) -> None:
    answer = await posted(tmp_path, b'{"text": "\xff"}')
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:guichet:problem:invalid-utf-8"


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 50_000,
        b"[" * 900 + b'"\\u0000"' + b"]" * 900,
        b"9" * 5_000,
        b'{"text":NaN}',
        b"",
        b"null",
    ],
)
async def test_a_strange_body_is_never_our_mistake(tmp_path: Path, content: bytes) -> None:
    assert (await posted(tmp_path, content)).status_code in (400, 422)


@pytest.mark.parametrize("bad", ["\\ud800", "\\uDFFF", "\\ude00\\ud83d", "\\u0000", "a\\u0000b"])
async def test_a_character_that_no_database_takes_is_refused(tmp_path: Path, bad: str) -> None:
    answer = await posted(tmp_path, b'{"text":"","author":{"id":"%s"}}' % bad.encode())
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "$.author.id"
    answer = await posted(tmp_path, b'{"text":"a","author":{"id":"a"},"%s":1}' % bad.encode())
    assert answer.status_code == 422


@pytest.mark.parametrize("good", ["\\ud83d\\ude00", "\\\\u0000", "\\\\ud800", "😀"])
async def test_emoji_and_escaped_backslashes_pass(tmp_path: Path, good: str) -> None:
    answer = await posted(tmp_path, b'{"text":"","author":{"id":"%s"}}' % good.encode())
    assert answer.json() == {"author": json.loads(f'"{good}"')}


async def test_a_body_not_marked_as_json_is_told_so(tmp_path: Path) -> None:
    answer = await asked(tmp_path, "POST", "/v1/notes", data={"text": "hi"})
    assert answer.status_code == 415
    assert "Content-Type: application/json" in answer.json()["fix"]


async def test_an_unknown_query_parameter_is_a_400_with_the_nearest(tmp_path: Path) -> None:
    answer = await asked(tmp_path, "GET", "/v1/queues?updated_afer=x")
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:guichet:problem:unknown-parameter"
    assert answer.json()["nearest"] == "updated_after"
    assert answer.json()["fix"] == "Did you mean updated_after?"


async def test_an_unknown_query_parameter_like_none_is_told_which_there_are(tmp_path: Path) -> None:
    answer = await asked(tmp_path, "GET", "/v1/queues?x=1")
    assert answer.json()["fix"] == "It takes sort_by, updated_after."
    assert "nearest" not in answer.json()


@pytest.mark.parametrize(
    "path", ["/v1/queues?updated_after=x&sort_by=y", "/v1/queues?updated_after=", "/v1/items?state=open&queue=q"]
)
async def test_declared_query_parameters_pass(tmp_path: Path, path: str) -> None:
    assert (await asked(tmp_path, "GET", path)).status_code == 200


@pytest.mark.parametrize("path", ["/v1/items?stat=open", "/v1/queues?sort=y", "/v1/queues?%ff=1", "/v1/notes/7?x"])
async def test_what_a_route_does_not_declare_is_refused(tmp_path: Path, path: str) -> None:
    assert (await asked(tmp_path, "GET", path)).status_code == 400


@pytest.mark.parametrize("path", ["/v1/fails/a%00", "/v1/queues?updated_after=%00"])
async def test_a_nul_in_the_address_is_refused_before_a_database_sees_it(tmp_path: Path, path: str) -> None:
    assert (await asked(tmp_path, "GET", path)).status_code == 400


async def test_an_unknown_path_is_a_404_with_the_nearest(tmp_path: Path) -> None:
    answer = await asked(tmp_path, "GET", "/v1/queue")
    assert answer.status_code == 404
    assert answer.json()["fix"] == "Did you mean /v1/queues?"
    assert (await asked(tmp_path, "GET", "/v1/queues/")).status_code == 404  # not sent elsewhere


async def test_another_method_is_a_405_with_all_that_the_path_takes(tmp_path: Path) -> None:
    answer = await asked(tmp_path, "DELETE", "/v1/notes")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def test_what_is_away_is_a_503_that_says_when_to_come_back(tmp_path: Path) -> None:
    answer = await asked(tmp_path, "GET", "/v1/fails/away")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["detail"] == "kafka is away: no leader"


@pytest.mark.parametrize(("how", "status"), [("raced", 409), ("rejected", 422)])
async def test_the_houses_own_words_have_their_answers(tmp_path: Path, how: str, status: int) -> None:
    assert (await asked(tmp_path, "GET", f"/v1/fails/{how}")).status_code == status


async def test_a_bug_is_logged_under_the_requests_id_and_says_nothing_outside(tmp_path: Path) -> None:
    with capture_logs() as lines:
        answer = await asked(tmp_path, "GET", "/v1/fails/bug", headers={"X-Request-Id": "req-1"})
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == "req-1"
    assert "ZeroDivisionError" not in answer.text
    assert "customer" not in answer.text
    assert [(line["event"], line["route"]) for line in lines] == [("request_failed", "/v1/fails/{how}")]


def test_a_problem_is_utf_8_whatever_it_quotes() -> None:
    problem = Problem(400, "odd", "Odd", "é \ud800", "Ask Zoé")
    body = bytes(problem.as_response().body)
    assert json.loads(body.decode("utf-8"))["detail"] == "é \ud800"
    assert "é" in body.decode("utf-8")


def test_a_member_that_is_none_is_left_out() -> None:
    assert Problem(400, "odd", "Odd", nearest=None, limit=0).content == {
        "type": "urn:guichet:problem:odd",
        "title": "Odd",
        "status": 400,
        "limit": 0,
    }
