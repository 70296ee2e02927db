"""What stands between a set-up file and an installation: the plan, and how a terminal shows it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.console import Console
from rich.text import Text

from cli import spans
from cli.words import clean
from services.router.domain.differences import Difference, differences
from services.router.domain.finding import Finding

LONGEST = 80
"""Characters of a list or table; the file has the rest."""

Done = Literal["created", "changed", "removed", "same"]

_SIGN: dict[Done, tuple[str, str]] = {"created": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}


@dataclass(frozen=True)
class Step:
    """One thing, and what is to become of it."""

    section: str
    slug: str
    done: Done
    body: Mapping[str, Any] = field(default_factory=dict)
    fields: Sequence[Difference] = ()


@dataclass(frozen=True)
class Plan:
    """All steps, and what is there that the file does not have and nobody asked to take out."""

    steps: Sequence[Step]
    left: Sequence[tuple[str, str]] = ()

    def of(self, *done: Done, sections: Sequence[str] | None = None) -> list[Step]:
        """The steps that do one of these."""
        return [step for step in self.steps if step.done in done and (sections is None or step.section in sections)]

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.of("created", "changed", "removed"))


def compared(
    section: str,
    wanted: Mapping[str, Mapping[str, Any]],
    there: Mapping[str, Mapping[str, Any]],
    defaults: Mapping[str, Any],
) -> Iterator[Step]:
    """What is to be made and changed, by name.

    Args:
        defaults: of a new one, which are not worth showing.
    """
    for slug, body in wanted.items():
        before = there.get(slug)
        if before is None:
            told = [name for name, value in body.items() if value not in (defaults.get(name), slug)]
            news = [Difference(f"$.{name}", None, body[name]) for name in told]
            yield Step(section, slug, "created", body, news)
        elif fields := differences(before, body):
            yield Step(section, slug, "changed", body, fields)
        else:
            yield Step(section, slug, "same", body)


def show(console: Console, plan: Plan, warnings: Sequence[Finding]) -> None:
    """The steps, then what is strange, each with what to do; what is the same is only counted."""
    for step in plan.steps:
        if step.done == "same":
            continue
        sign, colour = _SIGN[step.done]
        head = Text.assemble((f"{sign} {step.section} {step.slug}", colour))
        if step.done == "created" and step.fields:
            head.append("  " + "; ".join(_field(each) for each in step.fields))
        console.print(head, soft_wrap=True)
        if step.done == "changed":
            for each in step.fields:
                line = f"    {_name(each)}: {_value(each.path, each.before)} -> {_value(each.path, each.after)}"
                console.print(Text(line), soft_wrap=True)
    for section, slug in plan.left:
        console.print(
            Text(f"  {section} {slug} is not in the file; --prune takes it out", "bright_black"), soft_wrap=True
        )
    for (kind, place, detail, fix), slugs in _together(warnings).items():
        where = " ".join(each for each in (kind, ", ".join(slugs), place) if each)
        console.print(Text.assemble(("! ", "yellow"), f"{where}: {detail}; {fix}"), soft_wrap=True)


def _together(warnings: Sequence[Finding]) -> dict[tuple[str, str, str, str], list[str]]:
    """Things of which the same is said."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for each in warnings:
        place = each.path.removeprefix("$").lstrip(".")
        found.setdefault((each.kind, place, each.detail, each.fix), []).append(each.slug)
    return found


def counted(plan: Plan, *, would: bool) -> str:
    """One line: how many of each."""
    words: tuple[tuple[Done, str], ...] = (("created", "create"), ("changed", "change"), ("removed", "remove"))
    counts = [(done, short, len(some)) for done, short in words if (some := plan.of(done))]
    same = len(plan.of("same"))
    if not counts:
        return f"nothing to change: {same} the same" if would else f"nothing changed: {same} the same"
    parts = [f"{short} {many}" if would else f"{many} {done}" for done, short, many in counts]
    return ("would " if would else "") + ", ".join(parts) + (f"; {same} the same" if same else "")


def _field(difference: Difference) -> str:
    return f"{_name(difference)} {_value(difference.path, difference.after)}"


def _name(difference: Difference) -> str:
    return difference.path.removeprefix("$.").replace("_seconds", "").replace("_", " ")


def _value(path: str, value: Any) -> str:
    if path.endswith("_seconds") and isinstance(value, int):
        return spans.told(value)
    match value:
        case None | [] | () | "":
            return "none"
        case Mapping() if not value:  # `{}` as a pattern would be any mapping
            return "none"
        case bool():
            return "yes" if value else "no"
        case Mapping() if "name" in value:
            return clean(str(value["name"]))
        case Mapping():
            return _clipped(", ".join(f"{name} {_value(str(name), inner)}" for name, inner in value.items()))
        case list() | tuple():
            return _clipped(", ".join(_value(path, each) for each in value))
        case _:
            return clean(str(value))


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"
