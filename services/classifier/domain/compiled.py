"""Machine code for the hashed pass, by numba: compiled once, kept, and found again.

It is kept beside the sources, or where `NUMBA_CACHE_DIR` says. An image prepares that folder when it is built; where
the file system is read-only at run time, the prepared code is copied to a temporary folder first, because numba
uses no folder it cannot write to. Without numba, or under `NUMBA_DISABLE_JIT=1`, the same lines run as plain Python.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

_F = TypeVar("_F", bound=Callable[..., Any])

try:
    import numba
    from numba import njit

    config: Any = numba.config
    COMPILED = not config.DISABLE_JIT
except ImportError:  # no wheel for this machine: slow, and the same answers
    COMPILED = False


def compiled(function: _F) -> _F:
    """The function as machine code, or as it is where there is no compiler."""
    if not COMPILED:
        return function
    try:
        return cast(_F, njit(cache=True, nogil=True)(function))
    except RuntimeError:  # nowhere to keep it: compiled at every start
        return cast(_F, njit(nogil=True)(function))


def _copy_prepared(prepared: str) -> None:
    if prepared and Path(prepared).is_dir() and not os.access(prepared, os.W_OK):
        try:
            beside = tempfile.mkdtemp(prefix="guichet-compiled-")
            config.CACHE_DIR = shutil.copytree(prepared, beside, dirs_exist_ok=True)
        except OSError:
            return  # compiled() finds nowhere to keep it


if COMPILED:
    _copy_prepared(config.CACHE_DIR)
