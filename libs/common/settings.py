"""What may differ between two deployments: read from the environment once, checked, and explained when wrong."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from libs.common.errors import Misconfigured

SHARED = "GUICHET_"
_OF_THE_COMMAND = {"GUICHET_URL", "GUICHET_KEY"}  # read by the `guichet` command, not by a service

_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)\s*")
_SECONDS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}


def _span(given: object) -> object:
    if isinstance(given, str) and (match := _SPAN.fullmatch(given)):
        return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])
    return given


Span = Annotated[timedelta, BeforeValidator(_span), Field(ge=timedelta(0))]
"""A length of time in a setting: `200ms`, `5s`, `2min`, `72h`, `90d`, or ISO 8601."""


def _brokers(given: str) -> str:
    for port in re.findall(r":(\d+)", given):
        if not 0 < int(port) < 1 << 16:
            raise PydanticCustomError("bus", "{port} is not a port", {"port": port})
    return given


_OF_A_DATABASE = ("host", "port", "prepared_statement_cache_size", "ssl", "statement_cache_size")
_SSL = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def _database(given: str) -> str:
    """libpq's `sslmode` is asyncpg's `ssl`. Another word of libpq's would be a traceback at the first connection."""
    place, mark, asked = given.partition("?")
    try:
        urlsplit(place).port  # noqa: B018 - asking is what raises
    except ValueError:
        raise PydanticCustomError("database", "the port in the address is not one") from None
    words = [word.partition("=") for word in asked.split("&") if word]
    for word, _, value in words:
        if word in ("ssl", "sslmode") and value not in _SSL:
            raise PydanticCustomError("database", "{word} is one of {known}", {"word": word, "known": ", ".join(_SSL)})
        if word not in (*_OF_A_DATABASE, "sslmode"):
            named = word if word.isidentifier() else "what follows the question mark"  # it may be half a password
            raise PydanticCustomError(
                "database",
                "{word} is not understood in a database's address, only {known}; a file of certificates is named by"
                " PGSSLROOTCERT",
                {"word": named, "known": ", ".join(_OF_A_DATABASE)},
            )
    return place + mark + "&".join(f"{'ssl' if word == 'sslmode' else word}={value}" for word, _, value in words)


Port = Annotated[int, Field(ge=0, le=65535, description="Port to listen on; 0 takes any free one")]
"""A service gives its own default: `port: Port = 8003`."""


class Settings(BaseSettings):
    """What every service may be told. Subclasses set `env_prefix` and add their own.

    Making one by its constructor reads no environment; `load` does.
    """

    model_config = SettingsConfigDict(env_prefix=SHARED, frozen=True, extra="forbid")

    bus: Annotated[str, AfterValidator(_brokers)] = Field(
        default="local",
        pattern=r"^(local|kafka://[^,\s/:]+:\d+(,[^,\s/:]+:\d+)*)$",
        description='Where the log is: "local" (a file in the data folder) or "kafka://host:port[,host:port]"',
    )
    kafka_ca: Path | None = Field(
        default=None,
        description="PEM file of the authorities whose brokers are trusted; with it Kafka is spoken to over TLS",
    )
    kafka_user: str = Field(default="", description="Name at Kafka (SCRAM-SHA-512); empty: no name is asked for")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="The password of that name")
    data: Path = Field(default=Path("data"), description="Folder of the local bus and of SQLite")
    database_url: Annotated[str, AfterValidator(_database)] = Field(
        default="",
        pattern=r"^$|^(postgresql|postgres|sqlite)://",
        description='"postgresql://user@host/name"; empty is SQLite in the data folder',
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: Port
    keys: Path = Field(
        default_factory=lambda data: data.get("data", Path("data")) / "keys.toml",
        description="File of the API keys; keys.toml in the data folder unless written",
    )
    secret: SecretStr = Field(
        min_length=16,
        description="The deployment's secret, from which conversation keys are made; the same for all services,"
        " for ever",
    )
    partitions: int = Field(default=12, ge=1, le=1000, description="Partitions of every topic")
    ordinal: int = Field(default=0, ge=0, description="Which replica this is; no two may have the same")
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(lambda given: given.lower() if isinstance(given, str) else given),
    ] = Field(default="info", description="Least severity that is logged")
    log_format: Literal["json", "console"] = Field(default="json", description="JSON for machines, console for people")
    stop_pause: Span = Field(
        default=timedelta(seconds=5),
        description="From no longer ready to stopping, so that callers find another replica",
    )
    drain: Span = Field(default=timedelta(seconds=20), description="Time for what is in hand when stopping")
    commit: str = Field(default="", description="Git commit this was built from, shown at /version")

    @property
    def database(self) -> str:
        """The database's address, the default filled in."""
        return self.database_url or f"sqlite:///{self.data}"

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ, **overrides: Any) -> Self:
        """Read the environment; `overrides` win.

        A setting's variable is the service's prefix and its name; those every service has may also be given for
        all with GUICHET_. `..._FILE` names a file that holds the value. An empty variable is none.

        Raises:
            Misconfigured: one line that names the variable and what is wrong with it.
        """
        given = _given(cls, environ)
        source = EnvSettingsSource(cls, env_prefix="")
        source.env_vars = {name: text for name, (_, text) in given.items()}
        try:
            values = source()
        except SettingsError as error:
            at_fault = next(variable for name, (variable, _) in given.items() if f'"{name}"' in str(error))
            raise Misconfigured(f"{at_fault} has to be JSON") from None
        try:
            return cls(**{**values, **overrides})
        except ValidationError as error:
            raise Misconfigured("; ".join(_lines(cls, error, given))) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def _variables(cls: type[Settings]) -> dict[str, str]:
    """Variable -> field; the service's own come first, because they win."""
    own = {f"{_prefix(cls)}{name}".upper(): name for name in cls.model_fields}
    return own | {f"{SHARED}{name}".upper(): name for name in Settings.model_fields}


def _prefix(cls: type[Settings]) -> str:
    return cls.model_config.get("env_prefix", SHARED)


def _given(cls: type[Settings], environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Field -> the variable that gave it, and its text."""
    variables = _variables(cls)
    _refuse_unknown(cls, variables, environ)
    found: dict[str, tuple[str, str]] = {}
    for variable, name in variables.items():
        text, file = environ.get(variable, ""), ""
        if f"{variable}_FILE" not in variables:
            file = environ.get(f"{variable}_FILE", "")
        if text and file:
            raise Misconfigured(f"both {variable} and {variable}_FILE are set; keep one")
        if name not in found and file:
            found[name] = f"{variable}_FILE", _content(f"{variable}_FILE", Path(file))
        elif name not in found and text:
            found[name] = variable, text
    return found


def _content(variable: str, file: Path) -> str:
    try:
        text = file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Misconfigured(f"{variable} names {file}, which cannot be read: {reason}") from error
    if not text:
        raise Misconfigured(f"{variable} names {file}, which is empty")
    return text


def _refuse_unknown(cls: type[Settings], variables: Mapping[str, str], environ: Mapping[str, str]) -> None:
    prefix = _prefix(cls)
    known = {*variables, *(f"{variable}_FILE" for variable in variables)}
    for variable in sorted(environ):
        if not variable.startswith((prefix, SHARED)) or variable in known | _OF_THE_COMMAND:
            continue
        if variable == f"{prefix}SERVICE_HOST":
            raise Misconfigured(
                f"{variable} is one of Kubernetes' service links, which hide settings;"
                " set enableServiceLinks: false on the pod"
            )
        near = get_close_matches(variable, known, n=1)
        raise Misconfigured(
            f"{variable} is not a setting" + (f"; did you mean {near[0]}?" if near else f" of {prefix}*")
        )


def _lines(cls: type[Settings], error: ValidationError, given: Mapping[str, tuple[str, str]]) -> list[str]:
    """What is wrong, by variable. Without the values: a database's address has a password in it."""
    lines = []
    for each in error.errors(include_url=False, include_input=False):
        if each["type"] == "default_factory_not_called":
            continue  # only says that another one is wrong
        name = str(each["loc"][0])
        variable = given[name][0] if name in given else f"{_prefix(cls)}{name}".upper()
        if each["type"] == "missing":
            lines.append(f"{variable} is missing: {cls.model_fields[name].description}")
        elif each["type"] == "string_pattern_mismatch":
            lines.append(f"{variable} cannot be read. {cls.model_fields[name].description}")
        else:
            lines.append(f"{variable}: {each['msg']}")
    return lines
