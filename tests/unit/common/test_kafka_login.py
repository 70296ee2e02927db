"""How a set-up gets in at Kafka, and what it is told where that cannot work."""

from pathlib import Path

import pytest

from libs.common.errors import Misconfigured
from libs.common.kafka_login import OnlyKafka, login_of

BUS = "kafka://broker-1:9094,broker-2:9094"


def told(**given: str) -> OnlyKafka:
    """As the environment says it."""
    variables = {f"GUICHET_{name}".upper(): value for name, value in given.items()}
    return OnlyKafka.load({"GUICHET_BUS": BUS} | variables)


def test_without_a_word_it_is_in_the_open() -> None:
    assert dict(login_of(told())) == {}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kafka_user": "router"}, "GUICHET_KAFKA_PASSWORD is missing: GUICHET_KAFKA_USER is of no use without it"),
        ({"kafka_password": "x"}, "GUICHET_KAFKA_USER is missing: GUICHET_KAFKA_PASSWORD is of no use without it"),
        (
            {"kafka_user": "router", "kafka_password": "x"},
            "GUICHET_KAFKA_CA is missing: without TLS anybody on the way could read the password",
        ),
        ({"kafka_ca": "/nowhere/ca.crt"}, "GUICHET_KAFKA_CA names /nowhere/ca.crt, which cannot be read: "),
    ],
)
def test_what_cannot_work_is_one_line_that_names_the_setting(given: dict[str, str], says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        login_of(told(**given))
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_a_file_without_certificates_is_said(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_text("not one\n")
    with pytest.raises(Misconfigured, match=r"which holds no certificate \(PEM\)"):
        login_of(told(kafka_ca=str(file)))


def test_on_this_machine_a_password_needs_no_tls() -> None:
    given = told(bus="kafka://localhost:9094", kafka_user="router", kafka_password="x")
    login = login_of(given)
    assert (login["security_protocol"], login["sasl_mechanism"]) == ("SASL_PLAINTEXT", "SCRAM-SHA-512")


def test_the_password_is_in_no_text_of_the_settings() -> None:
    given = told(kafka_user="router", kafka_password="only-we-know")
    assert "only-we-know" not in repr(given) + str(given)
