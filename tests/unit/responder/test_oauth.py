"""The signature and the refresh form, against known values."""

import re

import pytest

from services.responder.gateways.oauth import OAuth1, authorization, error_of, refresh_form

WHO = OAuth1("ck", "c secret", "tok", "t+secret")


def signature(header: str) -> str:
    found = re.search('oauth_signature="([^"]*)"', header)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("method", "url", "query", "expected"),
    [
        ("POST", "https://api.x.com/2/tweets", {}, "Xeqx%2FODMP5KRFRVNNuA%2FVLFE8UE%3D"),
        (
            "GET",
            "https://api.x.com/2/users/111/mentions",
            {"max_results": "5", "post.fields": "author_id,created_at"},
            "THWhTUiCNmxjY2Nv7Gyz1IdQ5HM%3D",
        ),
    ],
)
def test_the_signature_is_the_known_one(method: str, url: str, query: dict[str, str], expected: str) -> None:
    header = authorization(WHO, method, url, query, nonce="n0nce", timestamp=1700000000)
    assert signature(header) == expected
    assert header.startswith('OAuth oauth_consumer_key="ck", oauth_nonce="n0nce", oauth_signature="')
    assert header.endswith('oauth_signature_method="HMAC-SHA1", oauth_timestamp="1700000000", '
                           'oauth_token="tok", oauth_version="1.0"')  # fmt: skip


def test_only_a_port_that_is_not_the_usual_one_is_signed() -> None:
    def of(url: str) -> str:
        return signature(authorization(WHO, "GET", url, {}, nonce="n", timestamp=1))

    assert of("https://api.x.com:443/2/users/me") == of("https://API.x.com/2/users/me")
    assert of("http://api.x.com:443/2/users/me") != of("http://api.x.com/2/users/me")


def test_no_two_requests_have_the_same_nonce() -> None:
    assert len({authorization(WHO, "GET", "https://api.x.com/2/users/me", {}, timestamp=1) for _ in range(50)}) == 50


def test_a_public_client_names_itself_and_a_confidential_one_proves_itself() -> None:
    assert refresh_form("r", "id", "") == (
        {"grant_type": "refresh_token", "refresh_token": "r", "client_id": "id"},
        {},
    )
    assert refresh_form("r", "id", "s:é") == (
        {"grant_type": "refresh_token", "refresh_token": "r"},
        {"Authorization": "Basic aWQ6cyUzQSVDMyVBOQ=="},
    )


def test_an_errors_code_is_told_and_nothing_it_quotes() -> None:
    assert error_of({"error": "invalid_grant", "error_description": "token r is unknown"}) == "invalid_grant"
    assert error_of({"error": {"message": "r"}}) == error_of("r") == error_of(None) == ""


def test_no_secret_stands_in_a_representation() -> None:
    assert repr(WHO) == "OAuth1(consumer_key='ck')"
