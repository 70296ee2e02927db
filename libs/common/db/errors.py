"""What a database says went wrong, in the house's words."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import exc

from libs.common.errors import Raced, Rejected, Unavailable

_RACED = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock not available
_AWAY = {"57014", "57P01", "57P02", "57P03", "25P03"}  # cancelled, shut down, crashed, starting, idle too long
# connection, resources (a full disk too), the system's own errors; and what somebody has to mend before anything
# can go on: a password, a database that is not there
_AWAY_CLASSES = ("08", "53", "58", "28", "3D")
_SQLITE_AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,  # a disk that was mounted anew after an error
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}


@asynccontextmanager
async def house_errors() -> AsyncIterator[None]:
    """Translate what the database raises; what else is raised inside goes through as it is."""
    try:
        yield
    except exc.TimeoutError as error:  # the pool had no connection in time
        raise Unavailable("the database", "no free connection") from error
    except exc.DBAPIError as error:
        translated = _translated(error)
        if translated is None:
            raise
        raise translated from error
    except ConnectionError as error:
        raise Unavailable("the database", str(error)) from error


def _translated(error: exc.DBAPIError) -> Exception | None:
    """None for what stays as it is: a broken rule of the tables, or a bug."""
    state = getattr(error.orig, "sqlstate", None) or ""
    text = str(error.orig)
    line = text.splitlines()[0] if text else state
    if state in ("22021", "22P05"):
        return Rejected("a text with a NUL character")
    if state in _RACED:
        return Raced(f"{state}: {line}")
    if error.connection_invalidated or state in _AWAY or state.startswith(_AWAY_CLASSES):
        return Unavailable("the database", line)
    if (state == "42P01" and "relation" in text) or state == "3F000" or "no such table" in text:
        return Unavailable("the database", f"its tables are not there yet ({line})")
    if isinstance(error, exc.InterfaceError) and not state:
        return Unavailable("the database", line)
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _SQLITE_AWAY:  # the rest of the code says where it happened
        return Unavailable("the database", line)
    return None
