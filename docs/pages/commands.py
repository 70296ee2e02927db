"""cli.md: every command of `guichet` with its options."""

from collections.abc import Iterator
from typing import Any

import typer

from cli.__main__ import app
from docs.words import HEADER, code, table

_TOP = """\
# Commands

`guichet` stands in `.venv/bin` after `make setup` (or `make demo`); `python -m cli` is the same. What goes wrong is one
line on standard error and an exit status that is not 0: 1 something is away or refuses, 2 a wrong option or setting,
70 a mistake of ours, 130 stopped by Ctrl-C.

Commands that speak to a running house (`replay`, `dlq`, `doctor`, `apply`, `simulate`) find it through the data
folder; else through `GUICHET_URL`, which wins; else on the usual ports of this machine. They take the key from
`GUICHET_KEY`, else from the file `key` that `guichet up` keeps in the data folder.
"""


def page() -> str:
    """The whole file."""
    return "".join([HEADER, _TOP, *(_section(name, command) for name, command in _commands("guichet", _root()))])


def _root() -> Any:
    return typer.main.get_command(app)


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """The commands below this one, in their order, without the groups."""
    for below in getattr(command, "commands", {}).values():
        full = f"{name} {below.name}"
        if hasattr(below, "commands"):
            yield from _commands(full, below)
        elif not below.hidden:
            yield full, below


def _section(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join([name, *(["[OPTIONS]"] if options else []), *map(_argument, arguments)])
    rows = [(_option(each), _default(each), each.help or "") for each in [*arguments, *options]]
    text = f"\n## {name}\n\n```text\n{usage}\n```\n\n{_help(command)}\n"
    return text + ("\n" + table(("option", "default", ""), rows) if rows else "")


def _help(command: Any) -> str:
    """Its paragraphs, each on one line."""
    return "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))


def _argument(argument: Any) -> str:
    shown = str(argument.metavar or argument.name.upper())
    return shown if argument.required else f"[{shown}]"


def _option(option: Any) -> str:
    if option.param_type_name == "argument":
        return code(_argument(option))
    names = ", ".join(map(code, [*option.opts, *option.secondary_opts]))
    return names if option.is_flag else f"{names} {option.metavar or _kind(option)}"


def _kind(option: Any) -> str:
    kind = option.type_descriptor.annotation
    return {int: "NUMBER", float: "NUMBER"}.get(kind, "TEXT")


def _default(option: Any) -> str:
    shown = _value(option)
    if not option.envvar:
        return shown
    variable = code(f"${option.envvar}")
    return variable if shown == "-" else f"{variable}, else {shown}"


def _value(option: Any) -> str:
    value = option.default
    if option.required:
        return "**required**"
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return code(f"{value:g}" if isinstance(value, float) else str(value))
