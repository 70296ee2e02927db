"""What may differ between two deployments of the responder."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from libs.common.settings import Port, Settings, Span


class ResponderSettings(Settings):
    """The responder's own settings, `RESPONDER_...` in the environment."""

    model_config = SettingsConfigDict(env_prefix="RESPONDER_")

    port: Port = 8004
    x_base_url: str = Field(
        "http://127.0.0.1:8009",
        pattern=r"^https?://[^\s/]+/?$",
        description="Where X's API is: https://api.x.com, or the sandbox",
    )
    x_token: SecretStr = Field(
        SecretStr("sandbox-{handle}"),
        description="OAuth 2.0 user token that may post; {handle} in it stands for the handle that answers",
    )
    credentials: Path | None = Field(
        None,
        description="TOML file with a section [network.handle] for each handle that posts, or a folder with a file"
        " network.handle.toml for each; without it only x_token",
    )
    prices: Path | None = Field(None, description="TOML file of what the networks' calls cost; without it the shipped")
    x_fields_name: str = Field(
        "tweet.fields", pattern=r"^(tweet|post)\.fields$", description="What X calls a post's fields"
    )
    x_plan: Literal["self_serve", "enterprise"] = Field(
        "self_serve",
        description="On X: self_serve, where only who was named or quoted may answer from here, or enterprise",
    )
    x_longest: int = Field(280, ge=1, le=25_000, description="Weighted length of a post on X; more for who pays")
    mastodon_longest: int = Field(500, ge=1, le=25_000, description="The Mastodon server's `max_characters`")
    send_at_once: int = Field(8, ge=1, le=64, description="Replies on their way at the same time")
    poll: Span = Field(timedelta(milliseconds=500), description="How often to look for what other replicas queued")
    send_within: Span = Field(timedelta(seconds=5), description="A reply reserved longer ago is not sent")
    post_limit: Span = Field(timedelta(seconds=20), description="Time for one POST to a network")
    token_lease: Span = Field(
        timedelta(seconds=30),
        ge=timedelta(seconds=15),
        description="So long one process has for renewing a token before another may try",
    )
    probe: Span = Field(
        timedelta(minutes=1),
        description="From the stop of an account to the read that may show that it goes again; doubles with each stop",
    )
    undo: Span = Field(timedelta(), description="So long what is sent can be taken back; it goes out after that")
    recover_after: Span = Field(
        timedelta(seconds=180),
        description="From the reservation until a lost reply may be looked for: longer than send_within, post_limit,"
        " the time a frozen process can live and the delay of the network's timeline together",
    )
    look_again: Span = Field(timedelta(seconds=60), description="Between two looks for a lost reply")
    give_up_after: Span = Field(timedelta(minutes=30), description="After this a person must look")

    acknowledge_within: Span = Field(
        timedelta(minutes=15),
        description="A message written longer ago is not acknowledged by a machine any more: nobody is showered after"
        " an outage or a replay",
    )
    survey_after: Span = Field(timedelta(hours=1), description="From the end of a conversation to its survey")
    survey_open_for: Span = Field(timedelta(days=7), description="So long a survey that was sent can be answered")

    @field_validator("x_token")
    @classmethod
    def _a_header_can_hold_it(cls, token: SecretStr) -> SecretStr:
        text = token.get_secret_value()
        if not text or not all("!" <= character <= "~" for character in text):
            raise ValueError("a token has printable ASCII characters and no spaces")
        return token

    @field_validator("recover_after")
    @classmethod
    def _nobody_looks_while_it_is_sent(cls, recover_after: timedelta, known: ValidationInfo) -> timedelta:
        sending = known.data.get("send_within", timedelta()) + known.data.get("post_limit", timedelta())
        if recover_after <= sending:
            raise ValueError("has to be longer than send_within and post_limit together, or a reply could go out twice")
        return recover_after
