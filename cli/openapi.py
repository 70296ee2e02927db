"""The REST API of all services as one document, from the apps themselves; nothing has to run."""

import asyncio
import tempfile
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from cli.installation import Installation, first_key
from cli.services import AllSettings, build
from libs.common import __version__

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_ABOUT = """\
Takes every mention of a brand on social networks, understands it, routes it, answers it once. Behind a gateway all
paths have one address; on one machine each service has its own port, and `x-service` says whose a path is.
"""


def document() -> dict[str, Any]:
    """The OpenAPI document; the same for the same program."""
    return asyncio.run(_document())


async def _document() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder), "local", "", environ={})
        settings = AllSettings.load(installation, {}, with_sandbox=False)
        first_key(installation.data, settings.ingest.keys)
        bus, services = build(settings)
        try:
            return merged({service.name: service.app.openapi() for service in services})
        finally:
            for service in services:
                await service.close()
            await bus.close()


def merged(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One document of several, by service. A component that two define differently is named after its service.

    Raises:
        ValueError: two services answer to the same method and path.
    """
    paths: dict[str, dict[str, Any]] = {}
    components: dict[str, dict[str, Any]] = {}
    for service, original in documents.items():
        part = _apart(service, original, components)
        for kind, some in part.get("components", {}).items():
            components.setdefault(kind, {}).update(some)
        for path, operations in part["paths"].items():
            known = paths.setdefault(path, {})
            for method, operation in operations.items():
                if method in known:
                    raise ValueError(f"{service} and {known[method]['x-service']} both answer {method.upper()} {path}")
                known[method] = {**operation, "x-service": service} if method in _METHODS else operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Guichet", "version": __version__, "description": _ABOUT},
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {kind: dict(sorted(some.items())) for kind, some in sorted(components.items())},
    }


def _apart(service: str, document: Mapping[str, Any], taken: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The document with other names for what an earlier one has under the same name and says otherwise."""
    part = deepcopy(dict(document))
    renamed: dict[str, str] = {}
    for kind, some in part.get("components", {}).items():
        for name in list(some):
            known = taken.get(kind, {}).get(name)
            if known is not None and known != some[name]:
                new = f"{service.capitalize()}{name}"
                some[new] = some.pop(name)
                renamed[f"#/components/{kind}/{name}"] = f"#/components/{kind}/{new}"
    found: dict[str, Any] = _pointed(part, renamed)
    return found


def _pointed(value: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            name: renamed.get(each, each) if name == "$ref" and isinstance(each, str) else _pointed(each, renamed)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_pointed(each, renamed) for each in value]
    return value
