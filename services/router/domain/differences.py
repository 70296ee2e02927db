"""What differs between two bodies of the set-up, field by field. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

_ELSEWHERE = ("slug", "version")  # beside a body, not in it


class Difference(NamedTuple):
    """A field that another value stands in; None: it is not written."""

    path: str
    before: Any
    after: Any


def body_of(thing: Struct) -> dict[str, Any]:
    """All fields with their values, those with their defaults too; deeper down only what differs from them."""
    names = [name for name in thing.__struct_fields__ if name not in _ELSEWHERE]
    return {name: msgspec.to_builtins(getattr(thing, name)) for name in names}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """In the order of the fields; a list of named things is compared by their names."""
    return list(_between("$", before, after))


def _between(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if before == after or _plain(before) == _plain(after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            yield from _between(f"{path}.{name}", before.get(name), after.get(name))
        return
    old, new = _by_name(before), _by_name(after)
    if old is None or new is None:
        yield Difference(path, before, after)
        return
    for name in dict.fromkeys((*old, *new)):
        yield from _between(f"{path}[{name}]", old.get(name), new.get(name))
    kept = [name for name in old if name in new]
    if kept != [name for name in new if name in old]:
        yield Difference(f"{path} (order)", list(old), list(new))


def _by_name(value: Any) -> dict[str, Any] | None:
    """The named things of a list; None where they have no names, or one has another's."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    if not all(isinstance(each, Mapping) and "name" in each for each in value):
        return None
    found = {str(each["name"]): each for each in value}
    return found if len(found) == len(value) else None


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
