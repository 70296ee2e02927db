"""The overlays as kubectl puts them together, and what the tests ask of them."""

import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from deploy.k8s.render import FOLDER, OVERLAYS, NoKubectl, objects

Manifest = dict[str, Any]

WITH_PODS = ("Deployment", "StatefulSet", "Job")


@cache
def _put_together(overlay: str) -> tuple[Manifest, ...]:
    return tuple(objects(FOLDER / "overlays" / overlay))


def overlay(name: str) -> tuple[Manifest, ...]:
    """All objects of an overlay; without kubectl the test is skipped, loudly, and fails in CI."""
    try:
        return _put_together(name)
    except NoKubectl as reason:
        if os.environ.get("CI"):
            pytest.fail(f"NOT PROVEN HERE, for want of kubectl: {reason}")
        pytest.skip(f"NOT PROVEN HERE, for want of kubectl: {reason}")


def of_kind(name: str, *kinds: str) -> list[Manifest]:
    """The objects of these kinds."""
    return [each for each in overlay(name) if each["kind"] in kinds]


def named(name: str, kind: str, wanted: str) -> Manifest:
    """One object."""
    return next(each for each in of_kind(name, kind) if each["metadata"]["name"] == wanted)


def pods(name: str) -> dict[str, Manifest]:
    """Workload -> its pod: labels and spec."""
    return {each["metadata"]["name"]: each["spec"]["template"] for each in of_kind(name, *WITH_PODS)}


def containers(name: str) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Workload, pod's spec, container."""
    for workload, pod in pods(name).items():
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            yield workload, pod["spec"], container


def variables(name: str, container: Manifest) -> dict[str, str]:
    """What a container's process is told; what only the cluster knows stands as `<field>`."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= named(name, "ConfigMap", source["configMapRef"]["name"])["data"]
    for each in container.get("env", ()):
        source = each.get("valueFrom", {})
        if "configMapKeyRef" in source:
            from_map = source["configMapKeyRef"]
            found[each["name"]] = named(name, "ConfigMap", from_map["name"])["data"][from_map["key"]]
        else:
            found[each["name"]] = f"<{source['fieldRef']['fieldPath']}>" if source else each["value"]
    return found


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector does; an empty one selects all, none selects nothing."""
    if selector is None:
        return False
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    return all(_fits(each, labels) for each in selector.get("matchExpressions", ()))


def _fits(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    assert expression["operator"] == "In"
    return labels.get(expression["key"]) in expression["values"]


__all__ = ["OVERLAYS", "containers", "named", "of_kind", "overlay", "pods", "selects", "variables"]
