"""What lets us post, for each handle: read once from a TOML file, or from a folder with a file for each handle."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, StringConstraints, ValidationError

from libs.common.errors import Misconfigured


def _a_header_can_hold_it(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text or not all("!" <= character <= "~" for character in text):
        raise ValueError("a secret has printable ASCII characters and no spaces")
    return secret


_Secret = Annotated[SecretStr, AfterValidator(_a_header_can_hold_it)]
_Name = Annotated[str, StringConstraints(min_length=1)]
_Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+/?$")]


class _Credential(BaseModel):
    """Its secrets stand in no representation of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class XSigned(_Credential):
    """OAuth 1.0a: the app's key and the account's token, which do not run out."""

    consumer_key: _Name
    consumer_secret: _Secret
    token: _Secret
    token_secret: _Secret


class XToken(_Credential):
    """OAuth 2.0: with a refresh token it is renewed; `client_secret` only where the app is a confidential client."""

    access_token: _Secret
    client_id: str = ""
    client_secret: _Secret = SecretStr("")
    refresh_token: _Secret = SecretStr("")


class MastodonToken(_Credential):
    """A token of the account's own application, and its server."""

    base_url: _Url
    access_token: _Secret


class BlueskyPassword(_Credential):
    """An app password, and the server that holds the account."""

    identifier: _Name
    app_password: _Secret
    base_url: _Url = "https://bsky.social"


Credential = XSigned | XToken | MastodonToken | BlueskyPassword

Credentials = Mapping[tuple[str, str], Credential]
"""By network and handle."""


def read_credentials(path: Path | None) -> Credentials:
    """Every credential there is.

    Args:
        path: a file with a section `[network.handle]` for each, or a folder of files `network.handle.toml`; names that
            begin with a dot are passed over.

    Raises:
        Misconfigured: one line that names the file, the section and the field, and no secret.
    """
    if path is None:
        return {}
    try:
        files = sorted(each for each in path.iterdir() if not each.name.startswith(".")) if path.is_dir() else [path]
    except OSError as error:
        raise Misconfigured(f"the credentials in {path} cannot be read: {error.strerror}") from error
    found: dict[tuple[str, str], Credential] = {}
    for file in files:
        for network, handle, given in _sections(file, _read(file), one=file != path):
            found[network, handle] = _credential(f"the credentials of {network}.{handle} in {file}", network, given)
    if not found:
        raise Misconfigured(f"there are no credentials in {path}")
    return found


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise Misconfigured(f"the credentials in {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise Misconfigured(f"the credentials in {file} cannot be read: not UTF-8") from None
    except tomllib.TOMLDecodeError:  # its words quote the file
        raise Misconfigured(f"the credentials in {file} are not TOML") from None


def _sections(file: Path, content: Mapping[str, Any], *, one: bool) -> Iterator[tuple[str, str, Any]]:
    """Network, handle and what is given, each section."""
    if one:
        network, _, handle = file.name.removesuffix(".toml").partition(".")
        if not handle or not file.name.endswith(".toml"):
            raise Misconfigured(f"{file} is not named NETWORK.HANDLE.toml, as files of credentials are")
        yield network, handle, content
        return
    for network, handles in content.items():
        if not isinstance(handles, dict):
            raise Misconfigured(f"the credentials in {file}: {network} is not a section [NETWORK.HANDLE]")
        for handle, given in handles.items():
            yield network, handle, given


def _credential(which: str, network: str, given: Any) -> Credential:
    if not isinstance(given, dict):
        raise Misconfigured(f"{which} are not a section [NETWORK.HANDLE]")
    kinds: dict[str, type[Credential]] = {
        "x": XSigned if "consumer_key" in given else XToken,
        "mastodon": MastodonToken,
        "bluesky": BlueskyPassword,
    }
    if network not in kinds:
        raise Misconfigured(f"{which}: there is no way to post on {network} from here, only on {', '.join(kinds)}")
    try:
        made: Credential = kinds[network].model_validate(given)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        lines = (f"{'.'.join(map(str, each['loc']))}: {each['msg'][:1].lower()}{each['msg'][1:]}" for each in wrong)
        raise Misconfigured(f"{which}: {'; '.join(lines)}") from None
    if isinstance(made, XToken) and made.refresh_token.get_secret_value() and not made.client_id:
        raise Misconfigured(f"{which}: client_id is missing, without which no token can be renewed")
    return made
