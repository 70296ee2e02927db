"""settings.md: every variable of every service."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from docs.words import HEADER, code, table, type_name, value_name
from libs.common.settings import SHARED, Settings
from sandbox.settings import SandboxSettings
from services.classifier.settings import ClassifierSettings
from services.ingest.settings import IngestSettings
from services.responder.settings import ResponderSettings
from services.router.settings import RouterSettings

SERVICES: dict[str, type[Settings]] = {
    "ingest": IngestSettings,
    "classifier": ClassifierSettings,
    "router": RouterSettings,
    "responder": ResponderSettings,
}

_TOP = """\
# Settings

A service reads its settings from the environment once, when it starts. What is wrong stops it with one line that names
the variable. A variable that is no setting is refused too, with the nearest name.

- Settings that every service has may be given for all of them with `GUICHET_...`, or for one with its own prefix, which
  wins: `ROUTER_LOG_LEVEL` before `GUICHET_LOG_LEVEL`.
- `..._FILE` names a file that holds the value: `GUICHET_SECRET_FILE=/run/secrets/guichet`. Not both.
- An empty variable is none.
- A *span* is `200ms`, `5s`, `2min`, `72h`, `90d`, or ISO 8601.

`guichet up` and `guichet demo` read the same variables for all four services; their options win. They make the secret
themselves, in the data folder, where no variable gives one. The other commands also read `GUICHET_URL` (one address for
all services) and `GUICHET_KEY`.
"""


def page() -> str:
    """The whole file."""
    parts = [HEADER, _TOP, "\n## Every service\n\n", _shared()]
    for service, kind in SERVICES.items():
        own = {name: field for name, field in kind.model_fields.items() if name not in Settings.model_fields}
        prefix = str(kind.model_config["env_prefix"])
        parts += [f"\n## {service.capitalize()}\n\n", f"Prefix `{prefix}`; `python -m services.{service}`.\n"]
        parts += ["\n", _own(prefix, own)] if own else ["It has no settings of its own.\n"]
    parts += ["\n## The sandbox network\n\n", "Prefix `SANDBOX_`; it reads no `GUICHET_...`; `python -m sandbox`.\n\n"]
    parts.append(_own("SANDBOX_", SandboxSettings.model_fields))
    return "".join(parts)


def _shared() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        variable = name.upper()
        both = f"{code(SHARED + variable)}, " + ", ".join(
            code(f"{kind.model_config['env_prefix']}{variable}") for kind in SERVICES.values()
        )
        rows.append((both, _type(field), _default(name, field), field.description or ""))
    return table(("variables", "type", "default", ""), rows)


def _default(name: str, field: FieldInfo) -> str:
    """One for all services, or one for each."""
    each = {service: _value(kind.model_fields[name]) for service, kind in SERVICES.items()}
    if len(set(each.values())) == 1:
        return _value(SERVICES["ingest"].model_fields[name])
    return ", ".join(f"{service} {value}" for service, value in each.items())


def _own(prefix: str, fields: dict[str, FieldInfo]) -> str:
    rows = [
        (code(f"{prefix}{name.upper()}"), _type(field), _value(field), field.description or "")
        for name, field in fields.items()
    ]
    return table(("variable", "type", "default", ""), rows)


def _value(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    known = {"data": Path("data")}
    return value_name(field.get_default(call_default_factory=True, validated_data=known))


def _type(field: FieldInfo) -> str:
    return ", ".join([type_name(field.annotation), *_limits(field.metadata)])


def _limits(metadata: Iterable[Any]) -> list[str]:
    """What pydantic checks beside the type; a pattern is explained by its description."""
    low = next((each.ge for each in metadata if hasattr(each, "ge")), None)
    high = next((each.le for each in metadata if hasattr(each, "le")), None)
    if isinstance(low, int) and isinstance(high, int):
        return [f"{low} to {high}"]
    if isinstance(low, int):
        return [f"{low} or more"]
    shortest = next((each.min_length for each in metadata if hasattr(each, "min_length")), None)
    return [f"at least {shortest} characters"] if shortest else []
