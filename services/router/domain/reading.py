"""What a person wrote, read into the shape it should have: every mistake with its place and what to do. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import TypeVar

import msgspec
from msgspec import Struct, inspect

S = TypeVar("S", bound=Struct)

_SHAPES = {
    r"^[a-z0-9][a-z0-9-]{0,62}$": 'write lower-case letters, digits and hyphens, such as "support-fr"',
    r"^[a-z0-9][a-z0-9_-]{0,63}$": 'write lower-case letters, digits, hyphens and underscores, such as "support-fr"',
    r"^[a-z0-9][a-zA-Z0-9:_.-]{0,62}$": 'write letters, digits and : _ . -, such as "lang:fr"',
    r"^[a-z0-9][a-zA-Z0-9:_{}.-]{0,62}$": 'write a skill such as "lang:fr" or "lang:{language}"',
    r"^[a-zA-Z]{2,8}(-[a-zA-Z0-9]{1,8})*$": 'write a BCP 47 code, such as "fr" or "pt-BR"',
}


class Mistake(Struct, frozen=True):
    """What is wrong, where (`$.rules[2].weight`), and what to do."""

    path: str
    detail: str
    fix: str


class Unreadable(ValueError):
    """This cannot be read as what it should be; all that is wrong with it, never nothing."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        first = mistakes[0]
        super().__init__(f"{first.path}: {first.detail}; {first.fix}")
        self.mistakes = mistakes


def read(kind: type[S], body: object, *, given: Mapping[str, object] | None = None) -> S:
    """The struct that stands in this body of plain values, as JSON and TOML have them.

    Args:
        given: fields that are said elsewhere and may not stand in the body.

    Raises:
        Unreadable: with every mistake in it, unknown fields with the nearest known one.
    """
    known = dict(given or {})
    mistakes = list(_struct(_shape(kind), body, "$", hidden=frozenset(known)))
    if mistakes:
        raise Unreadable(mistakes)
    assert isinstance(body, Mapping)
    try:
        return msgspec.convert({**body, **known}, kind)
    except msgspec.ValidationError as error:
        raise Unreadable([Mistake("$", str(error), "correct it")]) from error


def nearest(word: str, known: Collection[str]) -> str | None:
    """The known name that may have been meant."""
    names = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), names, n=1, cutoff=0.6)
    return names[near[0]] if near else None


def did_you_mean(word: str, known: Collection[str], otherwise: str) -> str:
    """What to do about a name that is none."""
    near = nearest(word, known)
    return f'did you mean "{near}"?' if near else otherwise


@lru_cache(maxsize=64)
def _shape(kind: type[Struct]) -> inspect.StructType:
    shape = inspect.type_info(kind)
    assert isinstance(shape, inspect.StructType)
    return shape


def _struct(
    shape: inspect.StructType, value: object, path: str, hidden: frozenset[str] = frozenset()
) -> Iterator[Mistake]:
    if not isinstance(value, Mapping):
        yield Mistake(path, f"{_told(value)} where a table of fields is wanted", 'write {"name": ...}')
        return
    fields = {field.encode_name: field for field in shape.fields if field.encode_name not in hidden}
    for name, inner in value.items():
        if name in fields:
            yield from _any(fields[name].type, inner, f"{path}.{name}")
        else:
            fix = did_you_mean(str(name), fields, f"leave it out; there are {', '.join(fields)}")
            yield Mistake(f"{path}.{name}", "this field is not known", fix)
    for name, field in fields.items():
        if field.required and name not in value:
            yield Mistake(f"{path}.{name}", "this field is missing", "write it")


def _any(shape: inspect.Type, value: object, path: str) -> Iterator[Mistake]:
    if isinstance(shape, inspect.Metadata):
        shape = shape.type
    if isinstance(shape, inspect.UnionType):
        if value is None:
            return
        shape = next(each for each in shape.types if not isinstance(each, inspect.NoneType))
        yield from _any(shape, value, path)
    elif isinstance(shape, inspect.StructType):
        yield from _struct(shape, value, path)
    elif isinstance(shape, inspect.VarTupleType):
        yield from _list(shape, value, path)
    elif isinstance(shape, inspect.DictType):
        if not isinstance(value, Mapping):
            yield Mistake(path, f"{_told(value)} where a table is wanted", 'write {"...": ...}')
            return
        for name, inner in value.items():
            yield from _any(shape.value_type, inner, f"{path}.{name}")
    else:
        yield from _plain(shape, value, path)


def _list(shape: inspect.VarTupleType, value: object, path: str) -> Iterator[Mistake]:
    if not isinstance(value, (list, tuple)):
        fix = f'write ["{value}"]' if isinstance(value, str) else "write [...]"
        yield Mistake(path, f"{_told(value)} where a list is wanted", fix)
        return
    if shape.max_length is not None and len(value) > shape.max_length:
        yield Mistake(path, f"{len(value)} of them", f"write at most {shape.max_length}")
        return
    for index, inner in enumerate(value):
        yield from _any(shape.item_type, inner, f"{path}[{index}]")


def _plain(shape: inspect.Type, value: object, path: str) -> Iterator[Mistake]:
    if isinstance(shape, inspect.LiteralType):
        if value not in shape.values:
            values = [str(each) for each in shape.values]
            choice = f"write one of {', '.join(values)}"
            fix = did_you_mean(value, values, choice) if isinstance(value, str) else choice
            yield Mistake(path, f"{_told(value)} is not one of its values", fix)
    elif isinstance(shape, inspect.BoolType):
        if not isinstance(value, bool):
            yield Mistake(path, f"{_told(value)} where true or false is wanted", "write true or false")
    elif isinstance(shape, (inspect.IntType, inspect.FloatType)):
        yield from _number(shape, value, path)
    elif isinstance(shape, inspect.StrType):
        yield from _text(shape, value, path)


def _number(shape: inspect.IntType | inspect.FloatType, value: object, path: str) -> Iterator[Mistake]:
    whole = isinstance(shape, inspect.IntType)
    wanted = "a whole number" if whole else "a number"
    least, most = shape.ge if shape.ge is not None else shape.gt, shape.le
    if least is not None:
        wanted += f" above {least:g}" if shape.ge is None else f" of at least {least:g}"
    if most is not None:
        wanted += f"{' and' if least is not None else ' of'} at most {most:g}"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        yield Mistake(path, f"{_told(value)} where a number is wanted", f"write {wanted}")
        return
    assert isinstance(value, (int, float))
    too_small = (shape.ge is not None and value < shape.ge) or (shape.gt is not None and value <= shape.gt)
    if value != value or too_small or (most is not None and value > most):
        yield Mistake(path, f"{value} cannot be", f"write {wanted}")


def _text(shape: inspect.StrType, value: object, path: str) -> Iterator[Mistake]:
    if not isinstance(value, str):
        fix = f'write "{value}"' if isinstance(value, (int, float)) else "write a text, or leave it out"
        yield Mistake(path, f"{_told(value)} where a text is wanted", fix)
    elif shape.min_length is not None and len(value) < shape.min_length:
        yield Mistake(path, "an empty text", f"write at least {shape.min_length} character")
    elif shape.max_length is not None and len(value) > shape.max_length:
        yield Mistake(path, f"{len(value)} characters", f"write at most {shape.max_length}")
    elif shape.pattern is not None and re.fullmatch(shape.pattern, value) is None:
        yield Mistake(
            path, f'"{value[:80]}" cannot be', _SHAPES.get(shape.pattern, f"write what {shape.pattern} takes")
        )


def _told(value: object) -> str:
    """A value as a message names it: short, and of a known kind."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            return f'"{value[:60]}"'
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a table"
        case _:
            return type(value).__name__
