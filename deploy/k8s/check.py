"""`python -m deploy.k8s.check`: every overlay against the schemas of Kubernetes and Checkov's rules (`make k8s`).

Runs in the environment of requirements/deploy.lock; our own rules are tests (tests/deploy).
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from deploy.k8s.render import FOLDER, OVERLAYS, text

OLDEST = "1.28"  # a StatefulSet's pods have the label pod-index since then
NEWEST = "1.37"

NOT_FOR_US = {
    "small": ("CKV_K8S_11",),
    "dev": ("CKV_K8S_11", "CKV_K8S_15", "CKV_K8S_40", "CKV_K8S_43"),
    "production": ("CKV_K8S_11",),
}
"""Checkov's rules that an overlay does not follow.

CKV_K8S_11 wants CPU limits: a throttled event loop misses its heartbeats and loses its partitions. In dev our image is
built on the spot and the others are taken by version (43: a digest; 15: always pulled), and Kafka's and PostgreSQL's
images have users of their own below 10000 (40).
"""


def main() -> int:
    """Check all overlays; returns the exit status."""
    crds = yaml.safe_load((FOLDER / "crd-schemas.yaml").read_text("utf-8"))
    wrong = 0
    for overlay in OVERLAYS:
        rendered = text(FOLDER / "overlays" / overlay)
        objects = [each for each in yaml.safe_load_all(rendered) if each]
        kinds = Counter("custom" if _name(each) in crds else "core" for each in objects)
        problems = [f"{overlay}: {line}" for each in objects for line in _problems(each, crds)]
        passed, failed = _checkov(rendered, NOT_FOR_US[overlay])
        problems += [f"{overlay}: {line}" for line in failed]
        sys.stdout.write(
            f"{overlay}: {kinds['core']} core objects against {OLDEST} and {NEWEST}, {kinds['custom']} custom ones; "
            f"Checkov: {passed} passed, {len(failed)} failed\n"
        )
        for line in problems:
            sys.stderr.write(f"{line}\n")
        wrong += len(problems)
    return 1 if wrong else 0


def _name(each: dict[str, Any]) -> str:
    return f"{each['apiVersion']}/{each['kind']}"


def _problems(each: dict[str, Any], crds: dict[str, Any]) -> Iterator[str]:
    where = f"{each['kind']} {each['metadata']['name']}"
    schema = crds.get(_name(each))
    if schema is not None:
        if extra := each.keys() - {"apiVersion", "kind", "metadata", "spec"}:
            yield f"{where}: {', '.join(sorted(extra))}"
        yield from _against(schema | {"$defs": crds["$defs"]}, each.get("spec"), where)
        return
    for version in (OLDEST, NEWEST):
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{where} ({version}): {'.'.join(map(str, error.path))}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield f"{where} ({version}): no schema: {error.message}"


def _against(schema: dict[str, Any], spec: Any, where: str) -> Iterable[str]:
    for error in jsonschema.Draft202012Validator(schema).iter_errors(spec):
        yield f"{where}: {error.json_path}: {error.message}"


def _checkov(rendered: str, skipped: Iterable[str]) -> tuple[int, list[str]]:
    """How many of its checks pass, and those that do not."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rendered.yaml"
        file.write_text(rendered, "utf-8")
        ended = subprocess.run(  # noqa: S603
            [
                Path(sys.prefix) / "bin" / "checkov",
                *("--file", file, "--framework", "kubernetes", "--output", "json"),
                *("--quiet", "--skip-download", "--skip-check", ",".join(skipped)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        report = json.loads(ended.stdout)
        summary, failed = report["summary"], report.get("results", {}).get("failed_checks", [])
    except (ValueError, KeyError, TypeError):
        return 0, [f"Checkov did not run: {(ended.stderr or ended.stdout).strip()[-300:]}"]
    return summary["passed"], [f"{each['resource']}: {each['check_id']} {each['check_name']}" for each in failed]


if __name__ == "__main__":
    sys.exit(main())
