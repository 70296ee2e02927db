"""One thing worth saying about a set-up."""

from typing import Literal

from msgspec import Struct

from services.router.domain.reading import did_you_mean
from services.router.domain.setup import Setup
from services.router.domain.words import DEFAULT_TEAM

Level = Literal["error", "warning"]


class Finding(Struct, frozen=True):
    """What is wrong or strange, in which thing and where in it, and what to do. `code` is stable, for programs."""

    level: Level
    kind: str
    slug: str
    path: str
    code: str
    detail: str
    fix: str


def error(kind: str, slug: str, path: str, code: str, detail: str, fix: str) -> Finding:
    """Cannot be kept."""
    return Finding("error", kind, slug, path, code, detail, fix)


def warning(kind: str, slug: str, path: str, code: str, detail: str, fix: str) -> Finding:
    """Kept, and probably not what was meant."""
    return Finding("warning", kind, slug, path, code, detail, fix)


def unknown_team(kind: str, slug: str, team: str, setup: Setup) -> Finding | None:
    """The error where a thing belongs to a team that is not set up."""
    if team == DEFAULT_TEAM or team in setup.teams:
        return None
    fix = did_you_mean(team, {DEFAULT_TEAM, *setup.teams}, "set the team up too, or leave `team` out")
    return error(kind, slug, "$.team", "unknown-team", f'no team is called "{team}"', fix)
