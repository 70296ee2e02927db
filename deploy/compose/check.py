"""`python -m deploy.compose.check`: compose.yaml after the Compose specification (`make k8s`).

Runs in the environment of requirements/deploy.lock; our own rules are tests (tests/deploy).
"""

import sys
from pathlib import Path

from compose_spec import PyCompose, PyOptions

FILE = Path(__file__).parents[2] / "compose.yaml"


def main() -> int:
    """Check the file; returns the exit status."""
    options = PyOptions()
    options.apply_merge = True
    try:
        read: PyCompose = options.from_yaml(FILE.read_text("utf-8"))
        read.validate()
    except ValueError as error:
        sys.stderr.write(f"compose.yaml: {error}\n")
        return 1
    sys.stdout.write(f"compose.yaml: {len(read.service_names())} services\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
