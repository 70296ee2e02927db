"""python -m sandbox: a network to post on, for the demo and for tests."""

import sys
from datetime import timedelta

from pydantic import ValidationError

from libs.common import logs
from libs.common.errors import Misconfigured
from libs.common.process import run, serve
from sandbox.app import build
from sandbox.settings import SandboxSettings


async def _main() -> int:
    try:
        settings = SandboxSettings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Misconfigured(f"SANDBOX_{str(first['loc'][0]).upper()}: {first['msg']}") from None
    logs.configure("sandbox", settings.log_level, "console" if sys.stderr.isatty() else "json")
    return await serve([build(settings)], stop_pause=timedelta(0), drain=timedelta(seconds=2))


if __name__ == "__main__":
    run(_main)
