"""Who may call what: the sandbox beside the facts about X's credentials. Each test names its fact."""

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from sandbox.endpoints import ENDPOINTS
from sandbox.signing import oauth1_header, oauth1_signature, pkce_challenge
from tests.unit.sandbox.scene import USER, Scene, scene

OAUTH = {
    "oauth_consumer_key": "ck",
    "oauth_nonce": "n0nce",
    "oauth_signature_method": "HMAC-SHA1",
    "oauth_timestamp": "1700000000",
    "oauth_token": "tok",
    "oauth_version": "1.0",
}
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
POSTED = "Xeqx/ODMP5KRFRVNNuA/VLFE8UE="
READ = "THWhTUiCNmxjY2Nv7Gyz1IdQ5HM="
MENTIONS = "https://api.x.com/2/users/111/mentions?max_results=5&post.fields=author_id%2Ccreated_at"


@pytest.fixture
async def x() -> AsyncIterator[Scene]:
    async with scene() as made:
        await made.lock()
        yield made


def header(signature: str, **other: str) -> dict[str, str]:
    pairs = {**OAUTH, "oauth_signature": signature, **other}
    return {"Authorization": "OAuth " + ", ".join(f'{name}="{quote(value, safe="")}"' for name, value in pairs.items())}


def basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{quote(name)}:{quote(secret)}".encode()).decode()}


# --- 1.1 OAuth 1.0a: HMAC-SHA1 over method, address and parameters; a JSON body is not part of it


@pytest.mark.parametrize(
    ("method", "url", "signature"), [("POST", "https://api.x.com/2/tweets", POSTED), ("GET", MENTIONS, READ)]
)
def test_the_signatures_of_the_fact_sheet(method: str, url: str, signature: str) -> None:
    parts = urlsplit(url)
    parameters = [*parse_qsl(parts.query), *OAUTH.items()]
    made = oauth1_signature(method, f"https://{parts.netloc}{parts.path}", parameters, "c secret", "t+secret")
    assert made == signature


def test_a_header_is_read_as_it_was_written() -> None:
    written = header(POSTED)["Authorization"]
    assert "Xeqx%2FODMP5KRFRVNNuA%2FVLFE8UE%3D" in written
    assert oauth1_header(written) == {**OAUTH, "oauth_signature": POSTED}


async def test_a_signed_post_is_made_in_the_name_of_the_tokens_owner(x: Scene) -> None:
    answer = await x.http.post("/2/tweets", json={"text": "Bonjour"}, headers=header(POSTED))
    assert answer.status_code == 201, answer.text
    assert x.network.judge.received(1)[0].username == "acme"


@pytest.mark.parametrize(
    "wrong",
    [
        {"oauth_signature": "Xeqx/ODMP5KRFRVNNuA/VLFE8UA="},
        {"oauth_consumer_key": "other"},
        {"oauth_token": "other"},
        {"oauth_nonce": "another"},
        {"oauth_timestamp": "1700000001"},
        {"oauth_signature_method": "PLAINTEXT"},
    ],
)
async def test_what_was_not_signed_so_is_refused(x: Scene, wrong: Mapping[str, str]) -> None:
    answer = await x.http.post("/2/tweets", json={"text": "Bonjour"}, headers=header(POSTED, **wrong))
    assert (answer.status_code, answer.json()["title"]) == (401, "Unauthorized")
    assert x.network.judge.received(1) == []


async def test_a_signature_of_another_client_is_refused(x: Scene) -> None:
    told = {**OAUTH, "oauth_consumer_key": "other"}
    right = oauth1_signature("POST", "https://api.x.com/2/tweets", told.items(), "c secret", "t+secret")
    answer = await x.http.post("/2/tweets", json={"text": "Bonjour"}, headers=header(right, oauth_consumer_key="other"))
    assert answer.status_code == 401


async def test_a_signed_request_is_taken_once(x: Scene) -> None:
    answers = [await x.http.post("/2/tweets", json={"text": n}, headers=header(POSTED)) for n in ("un", "deux")]
    assert [answer.status_code for answer in answers] == [201, 401]


# --- 1.1 OAuth 2.0: two hours, a refresh gives a new refresh token and the old one stops working


async def refreshed(x: Scene, token: str, **more: str) -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": token, **more}
    return await x.stage.post("/2/oauth2/token", data=form, headers=basic("cid", "cs"))


async def test_a_refresh_gives_a_new_pair_and_the_old_refresh_token_stops_working(x: Scene) -> None:
    first = (await refreshed(x, "refresh-1")).json()
    assert (first["token_type"], first["expires_in"]) == ("bearer", 7200)
    assert "offline.access" in first["scope"].split()
    assert first["refresh_token"] != "refresh-1"

    again = await refreshed(x, "refresh-1")
    assert (again.status_code, again.json()["error"]) == (400, "invalid_request")
    assert (await refreshed(x, first["refresh_token"])).status_code == 200
    posted = await x.http.post(
        "/2/tweets", json={"text": "Bonjour"}, headers={"Authorization": f"Bearer {first['access_token']}"}
    )
    assert posted.status_code == 201


async def test_an_access_token_lives_two_hours(x: Scene) -> None:
    as_acme = {"Authorization": "Bearer access-1"}
    x.clock.later(hours=2, seconds=-1)
    assert (await x.http.get("/2/users/me", headers=as_acme)).status_code == 200
    x.clock.later(seconds=1)
    late = await x.http.get("/2/users/me", headers=as_acme)
    assert (late.status_code, late.json()["detail"]) == (401, "Unauthorized")


async def test_a_refresh_token_comes_only_with_offline_access() -> None:
    async with scene() as x:
        await x.lock({**USER, "scopes": "tweet.read users.read"})
        assert "refresh_token" not in (await refreshed(x, "refresh-1")).json()


async def test_a_confidential_client_says_who_it_is(x: Scene) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "refresh-1", "client_id": "cid"}
    assert (await x.stage.post("/2/oauth2/token", data=form)).status_code == 401
    assert (await refreshed(x, "refresh-1")).status_code == 200


async def test_a_public_client_sends_its_id_in_the_form(x: Scene) -> None:
    await x.stage.put("/sandbox/credentials", json={"app": {"client_id": "cid"}, "users": [USER]})
    form = {"grant_type": "refresh_token", "refresh_token": "refresh-1"}
    assert (await x.stage.post("/2/oauth2/token", data=form)).status_code == 401
    assert (await x.stage.post("/2/oauth2/token", data={**form, "client_id": "cid"})).status_code == 200


async def test_an_app_gets_its_bearer_for_its_key_and_secret(x: Scene) -> None:
    wish = {"grant_type": "client_credentials"}
    given = await x.stage.post("/oauth2/token", data=wish, headers=basic("ck", "c secret"))
    assert given.json() == {"token_type": "bearer", "access_token": "the-app"}
    assert (await x.stage.post("/oauth2/token", data=wish, headers=basic("ck", "other"))).status_code == 403


async def test_what_an_account_took_back_no_longer_works(x: Scene) -> None:
    await x.stage.post("/sandbox/accounts/acme/revoke")
    for headers in ({"Authorization": "Bearer access-1"}, header(POSTED)):
        assert (await x.http.post("/2/tweets", json={"text": "a"}, headers=headers)).status_code == 401
    assert (await refreshed(x, "refresh-1")).status_code == 400


def test_the_challenge_of_rfc_7636() -> None:
    assert pkce_challenge(VERIFIER) == CHALLENGE


async def consent(x: Scene, **other: str) -> Any:
    wish = {
        "response_type": "code",
        "client_id": "cid",
        "redirect_uri": "https://acme.example/back",
        "scope": "tweet.read users.read offline.access",
        "state": "s" * 500,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **other,
    }
    return await x.stage.get("/i/oauth2/authorize", params=wish)


async def exchange(x: Scene, code: str, **other: str) -> Any:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://acme.example/back", **other}
    return await x.stage.post("/2/oauth2/token", data={"code_verifier": VERIFIER, **form}, headers=basic("cid", "cs"))


async def test_a_code_is_exchanged_once_by_who_knows_the_verifier(x: Scene) -> None:
    back = urlsplit((await consent(x)).headers["location"])
    told = dict(parse_qsl(back.query))
    assert (back.path, told["state"]) == ("/back", "s" * 500)
    tokens = (await exchange(x, told["code"])).json()
    assert tokens["scope"] == "tweet.read users.read offline.access"
    me = await x.http.get("/2/users/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.json()["data"]["username"] == "acme"
    assert (await exchange(x, told["code"])).status_code == 400


@pytest.mark.parametrize("other", [{"code_verifier": "guessed"}, {"redirect_uri": "https://evil.example/back"}])
async def test_a_code_is_of_no_use_to_others(x: Scene, other: dict[str, str]) -> None:
    code = dict(parse_qsl(urlsplit((await consent(x)).headers["location"]).query))["code"]
    assert (await exchange(x, code, **other)).status_code == 400


async def test_a_code_lives_thirty_seconds(x: Scene) -> None:
    code = dict(parse_qsl(urlsplit((await consent(x)).headers["location"]).query))["code"]
    x.clock.later(seconds=30)
    assert (await exchange(x, code)).status_code == 400


async def test_a_state_has_at_most_500_characters(x: Scene) -> None:
    assert (await consent(x, state="s" * 501)).status_code == 400


# --- 1.2 Which credential for what


async def test_an_app_only_bearer_writes_nothing(x: Scene) -> None:
    as_app = {"Authorization": "Bearer the-app"}
    for path, body in (("/2/tweets", {"text": "a"}), ("/2/dm_conversations/with/222/messages", {"text": "a"})):
        answer = await x.http.post(path, json=body, headers=as_app)
        assert (answer.status_code, answer.json()["status"]) == (403, 403)
        assert answer.json()["type"] == "https://api.x.com/2/problems/unsupported-authentication"
    assert (await x.http.get("/2/users/me", headers=as_app)).status_code == 403
    assert (await x.http.get("/2/tweets?ids=1", headers=as_app)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/2/tweets", "tweet.write"),
        ("DELETE", "/2/tweets/1", "tweet.write"),
        ("POST", "/2/dm_conversations/with/222/messages", "dm.write"),
        ("GET", "/2/dm_events", "dm.read"),
        ("GET", "/2/users/me", "users.read"),
        ("GET", "/2/users/1/mentions", "tweet.read"),
    ],
)
async def test_a_user_token_needs_its_scope(method: str, path: str, scope: str) -> None:
    every = ["tweet.read", "tweet.write", "tweet.moderate.write", "users.read", "dm.read", "dm.write"]
    async with scene() as x:
        as_acme = {"Authorization": "Bearer access-1"}
        body = {"text": "a"} if method == "POST" else None
        await x.lock({**USER, "scopes": " ".join(each for each in every if each != scope)})
        without = await x.http.request(method, path, headers=as_acme, json=body)
        assert (without.status_code, without.json()["detail"]) == (403, "Forbidden")
        await x.lock({**USER, "scopes": " ".join(every)})
        with_it = await x.http.request(method, path, headers=as_acme, json=body)
        assert with_it.status_code in (200, 201, 404), with_it.text


def test_streams_and_their_rules_are_for_the_app_alone() -> None:
    ours = [listed for name, listed in ENDPOINTS.items() if "/search/stream" in name or "/2/connections" in name]
    assert len(ours) == 7
    assert {(listed.app, listed.scopes, listed.oauth1) for listed in ours} == {(True, None, False)}


async def test_without_credentials_every_bearer_will_do() -> None:
    async with scene() as x:
        assert (await x.http.post("/2/tweets", json={"text": "a"})).status_code == 201
        signed = await x.http.post("/2/tweets", json={"text": "b"}, headers=header("anything"))
        assert signed.status_code == 201
