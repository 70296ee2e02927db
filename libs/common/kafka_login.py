"""How every client of ours gets in at Kafka: in the open, over TLS, or over TLS with a name and a password (SCRAM)."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from pydantic import SecretStr

from libs.common.errors import Misconfigured
from libs.common.settings import Port, Settings

MECHANISM = "SCRAM-SHA-512"
LOOK_SECONDS = 5
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

Login = Mapping[str, Any]
"""What aiokafka's clients take beside the brokers' addresses."""

IN_THE_OPEN: Login = MappingProxyType({})


class OnlyKafka(Settings):
    """For a command that speaks to Kafka and to nothing else."""

    port: Port = 0
    secret: SecretStr = SecretStr("of no use to it")


def login_of(settings: Settings) -> Login:
    """How these settings get in.

    Raises:
        Misconfigured: one line that names the setting: half of the pair, a file that holds no certificate or only ones
            whose time is over, or a password that would go over a network in the open.
    """
    user, password, ca = settings.kafka_user, settings.kafka_password.get_secret_value(), settings.kafka_ca
    if bool(user) != bool(password):
        missing, given = ("PASSWORD", "USER") if user else ("USER", "PASSWORD")
        raise Misconfigured(f"GUICHET_KAFKA_{missing} is missing: GUICHET_KAFKA_{given} is of no use without it")
    login: dict[str, Any] = {}
    if ca is not None:
        login = {"security_protocol": "SSL", "ssl_context": _trusting(ca)}
    if user:
        hosts = {server.rpartition(":")[0] for server in settings.bus.removeprefix("kafka://").split(",")}
        if ca is None and not hosts <= set(_LOOPBACK):
            raise Misconfigured("GUICHET_KAFKA_CA is missing: without TLS anybody on the way could read the password")
        login |= {
            "security_protocol": "SASL_SSL" if ca is not None else "SASL_PLAINTEXT",
            "sasl_mechanism": MECHANISM,
            "sasl_plain_username": user,
            "sasl_plain_password": password,
        }
    return MappingProxyType(login)


def _trusting(ca: Path) -> ssl.SSLContext:
    """TLS that takes only brokers with a certificate of these authorities, and of the name they are called by."""
    try:
        context = ssl.create_default_context(cafile=str(ca))
    except ssl.SSLError:
        raise Misconfigured(f"GUICHET_KAFKA_CA names {ca}, which holds no certificate (PEM)") from None
    except OSError as error:
        raise Misconfigured(f"GUICHET_KAFKA_CA names {ca}, which cannot be read: {error.strerror}") from None
    ends = [str(known["notAfter"]) for known in context.get_ca_certs()]
    if ends and all(ssl.cert_time_to_seconds(end) < time.time() for end in ends):
        raise Misconfigured(
            f"GUICHET_KAFKA_CA names {ca}, whose certificate expired on {max(ends, key=ssl.cert_time_to_seconds)}"
        )
    return context


async def why_not(bootstrap: str, login: Login) -> str | None:
    """What keeps us out for good, in words: a certificate, the name or the password. None: nothing that we know of.

    aiokafka says of all of these only that no broker could be reached.
    """
    if not login:
        return None
    for server in bootstrap.split(","):
        host, _, port = server.rpartition(":")
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                connection = await create_conn(host, int(port), **login)
            connection.close()
        except ssl.SSLCertVerificationError as error:
            return f"Kafka at {server} is not trusted: {error.verify_message} (GUICHET_KAFKA_CA)"
        except SaslAuthenticationFailed:
            return f"Kafka at {server} does not take GUICHET_KAFKA_USER {login['sasl_plain_username']} and its password"
        except (UnsupportedSaslMechanismError, IllegalSaslStateError):
            return f"Kafka at {server} takes no {MECHANISM}: another listener's port?"
        except (KafkaError, OSError, TimeoutError):
            continue
    return None
