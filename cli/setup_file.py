"""A set-up as a file: TOML read into the bodies that REST takes, every mistake with its line and what to do."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, inspect

from cli.setup_lines import Lines
from cli.spans import seconds_of
from cli.trouble import Trouble
from services.router.domain.configured import KINDS, Configured, written
from services.router.domain.reading import Mistake, Unreadable, read
from services.router.domain.setup import Language, Level, Name, Slug
from services.router.domain.slots import BadHours, zone_of

AGENTS, HANDLES, PAGES = "agents", "handles", "public-pages"

HandleSlug = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_Way = Annotated[str, Meta(max_length=200)]


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a person writes: an unknown field is a mistake worth telling."""


class Agent(_Table, frozen=True):
    """Somebody who answers."""

    slug: Slug
    name: Name = ""
    team: Slug = "main"
    skills: dict[str, Level] = {}
    capacity: Annotated[int, Meta(ge=1, le=100)] = 3
    teams: Annotated[tuple[Slug, ...], Meta(max_length=50)] = ()
    queues: Annotated[tuple[Slug, ...], Meta(max_length=200)] = ()
    hours: Slug | None = None


class Handle(_Table, frozen=True):
    """An account of the brand on a network."""

    slug: HandleSlug
    network: Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,32}$")]
    username: Annotated[str, Meta(min_length=1, max_length=200)]
    external_id: Annotated[str, Meta(max_length=200)] = ""
    name: Name = ""
    purpose: Literal["support", "country", "brand"] = "support"
    languages: Annotated[tuple[Language, ...], Meta(max_length=50)] = ()
    team: Slug = "main"
    other_ways: Annotated[tuple[_Way, ...], Meta(max_length=20)] = ()


class Page(_Table, frozen=True):
    """What everybody may see of a handle: open or not, how long it takes, other ways."""

    handle: Annotated[str, Meta(pattern=r"^[^/\s]{1,64}$")]
    team: Slug = "main"
    network: Annotated[str, Meta(max_length=64)] = ""
    queue: Slug | None = None  # none: where the team's rules send a question
    zone: Annotated[str, Meta(max_length=64)] = ""  # none: that of the hours
    languages: Annotated[tuple[Language, ...], Meta(min_length=1, max_length=20)] = ("fr", "en")
    other_ways: Annotated[tuple[_Way, ...], Meta(max_length=20)] = ()
    published: Literal["auto", "on", "off"] = "auto"


@dataclass(frozen=True)
class Wrong:
    """One mistake of a file, and where."""

    file: Path
    line: int | None
    what: str
    detail: str
    fix: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else f"{self.file}"
        return f"{where}: {self.what}{': ' if self.what else ''}{self.detail}; {self.fix}"


class WrongFile(Trouble):
    """This file cannot be applied; `mistakes` are all there are, never none."""

    def __init__(self, mistakes: Sequence[Wrong]) -> None:
        super().__init__(str(mistakes[0]), 2)
        self.mistakes = mistakes


@dataclass(frozen=True)
class SetupFile:
    """What a file says. A section that is not in it says nothing; an empty one says that there is none."""

    path: Path
    things: Mapping[str, Mapping[str, Configured]]
    agents: Mapping[str, Agent]
    handles: Mapping[str, Handle]
    pages: Mapping[str, Page]
    sections: frozenset[str]
    places: Mapping[tuple[str, str], str | int]  # (section, slug) -> how its table is found
    lines: Lines

    def wrong(self, section: str, slug: str, path: str, detail: str, fix: str) -> Wrong:
        """A mistake in one of its things, with its line."""
        return _wrong(self.path, self.lines, section, self.places.get((section, slug), slug), slug, path, detail, fix)


def read_file(path: Path) -> SetupFile:
    """Read and check it alone; whether what it names is there is asked later.

    Raises:
        WrongFile: with every mistake.
        Trouble: it cannot be read.
    """
    try:
        text = path.read_text("utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise Trouble(f"{path} cannot be read: {error.strerror}", 2) from error
    except UnicodeDecodeError as error:
        raise Trouble(f"{path} is not UTF-8 text; save it as that", 2) from error
    except tomllib.TOMLDecodeError as error:
        raise Trouble(f"{path} is not TOML: {error}; correct it there", 2) from error
    return _Reader(path, Lines(text)).read(content)


class _Reader:
    """Collects mistakes while it reads."""

    def __init__(self, path: Path, lines: Lines) -> None:
        self.path = path
        self.lines = lines
        self.mistakes: list[Wrong] = []
        self.places: dict[tuple[str, str], str | int] = {}

    def read(self, content: Mapping[str, Any]) -> SetupFile:
        known = (*KINDS, AGENTS, HANDLES, PAGES)
        found: dict[str, dict[str, Any]] = {section: {} for section in known}
        for section, tables in content.items():
            if section not in known:
                near = get_close_matches(section, known, 1)
                fix = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(known)}"
                self._say(section, "", "", "$", "this section is not known", fix)
                continue
            for place, slug, body in self._tables(section, tables):
                self.places.setdefault((section, slug), place)
                try:
                    found[section][slug] = self._thing(section, place, slug, body)
                except Unreadable as error:
                    for each in error.mistakes:
                        self._say(section, place, slug, each.path, each.detail, each.fix)
        if self.mistakes:
            raise WrongFile(self.mistakes)
        return SetupFile(
            self.path, {kind: found[kind] for kind in KINDS}, found[AGENTS], found[HANDLES], found[PAGES],
            frozenset(content), self.places, self.lines,
        )  # fmt: skip

    def _tables(self, section: str, tables: Any) -> Iterator[tuple[str | int, str, dict[str, Any]]]:
        """`[[queues]]` with a slug in each, or `[queues.support-fr]`."""
        field = "handle" if section == PAGES else "slug"
        seen: set[str] = set()
        if isinstance(tables, Mapping):
            for slug, body in tables.items():
                if isinstance(body, Mapping):
                    yield slug, slug, dict(body)
                else:
                    self._say(section, slug, "", "$", "a table is wanted", f"write [[{section}]] above it")
            return
        for index, body in enumerate(tables if isinstance(tables, list) else [tables]):
            slug = body.get(field) if isinstance(body, Mapping) else None
            if not isinstance(slug, str) or not isinstance(body, Mapping):
                self._say(section, index, "", "$", f"it has no {field}", f'write {field} = "..." under [[{section}]]')
            elif slug in seen:
                detail = f"it stands there twice ({section} {slug})"
                self._say(section, index, slug, f"$.{field}", detail, "drop one, or give it another name")
            else:
                seen.add(slug)
                yield index, slug, {name: value for name, value in body.items() if name != field}

    def _thing(self, section: str, place: str | int, slug: str, body: dict[str, Any]) -> Any:
        if section in KINDS:
            return written(section, slug, _with_seconds(inspect.type_info(KINDS[section]), body, "$"))
        if section == AGENTS:
            if isinstance(body.get("skills"), list):
                body["skills"] = {str(skill): 1 for skill in body["skills"]}
            agent = read(Agent, {**body, "slug": slug})
            return msgspec.structs.replace(agent, name=agent.name or slug)
        if section == HANDLES:
            handle = read(Handle, {**body, "slug": slug})
            return msgspec.structs.replace(handle, username=handle.username.strip().removeprefix("@"))
        page = read(Page, {**body, "handle": slug})
        try:
            zone_of(page.zone or "UTC")
        except BadHours as error:
            raise Unreadable([Mistake(error.path, error.detail, error.fix)]) from error
        return page

    def _say(self, section: str, place: str | int, slug: str, path: str, detail: str, fix: str) -> None:
        self.mistakes.append(_wrong(self.path, self.lines, section, place, slug, path, detail, fix))


def _wrong(
    file: Path, lines: Lines, section: str, place: str | int, slug: str, path: str, detail: str, fix: str
) -> Wrong:
    steps = _steps(path)
    line = None
    for some in (steps, [step.removesuffix("_seconds") if isinstance(step, str) else step for step in steps]):
        found = lines.of(section, *([place] if place != "" else []), *some)
        line = max(line or 0, found or 0) or None  # the deeper one stands further down
    what = " ".join(each for each in (section, slug, path.removeprefix("$").lstrip(".")) if each)
    return Wrong(file, line, what, detail, fix)


def _steps(path: str) -> list[str | int]:
    """`$.rules[2].queue` in parts."""
    found: list[str | int] = []
    for part in path.removeprefix("$").split("."):
        name, *numbers = part.split("[")
        found += [name] if name else []
        found += [int(number.rstrip("]")) for number in numbers if number.rstrip("]").isdigit()]
    return found


def _with_seconds(shape: inspect.Type, value: Any, path: str) -> Any:
    """`reservation = "30 s"` is `reservation_seconds = 30`, wherever the shape has such a field."""
    if isinstance(shape, inspect.Metadata):
        return _with_seconds(shape.type, value, path)
    if isinstance(shape, inspect.VarTupleType) and isinstance(value, list):
        return [_with_seconds(shape.item_type, each, f"{path}[{index}]") for index, each in enumerate(value)]
    if not isinstance(shape, inspect.StructType) or not isinstance(value, Mapping):
        return value
    fields = {field.encode_name: field.type for field in shape.fields}
    found = {}
    for name, inner in value.items():
        here = f"{path}.{name}"
        if name in fields or f"{name}_seconds" not in fields:
            found[name] = _with_seconds(fields[name], inner, here) if name in fields else inner
            continue
        seconds = seconds_of(inner) if isinstance(inner, str) else None
        if seconds is None:
            detail = f'"{inner}" is no length of time' if isinstance(inner, str) else f"{inner} has no unit"
            raise Unreadable([Mistake(here, detail, f'write {name} = "45 s", "30 min" or "1 h 30"')])
        if f"{name}_seconds" in value:
            raise Unreadable([Mistake(here, f"{name}_seconds says it too", "write one of the two")])
        found[f"{name}_seconds"] = seconds
    return found


def plain(thing: Struct) -> dict[str, Any]:
    """As a body of REST has it: all fields, without what the path says."""
    return {
        name: msgspec.to_builtins(getattr(thing, name))
        for name in thing.__struct_fields__
        if name not in ("slug", "version", "handle")
    }
