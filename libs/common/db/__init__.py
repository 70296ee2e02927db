"""The database: engines, transactions, bulk statements, and errors in the house's words."""

from libs.common.db.append import FEW, append_at_commit, bulk_append, insert_at_commit, update_at_commit
from libs.common.db.bulk import Row, bulk_insert, bulk_update, matching, v
from libs.common.db.columns import Json, UtcDateTime
from libs.common.db.database import (
    IDLE_IN_TRANSACTION_SECONDS,
    LOCK_SECONDS,
    STATEMENT_SECONDS,
    Database,
    ask_and_read_clock,
    connect,
    now,
    once_committed,
    reach,
    server_settings,
    sqlite_engine,
)
from libs.common.db.errors import house_errors

__all__ = [
    "FEW",
    "IDLE_IN_TRANSACTION_SECONDS",
    "LOCK_SECONDS",
    "STATEMENT_SECONDS",
    "Database",
    "Json",
    "Row",
    "UtcDateTime",
    "append_at_commit",
    "ask_and_read_clock",
    "bulk_append",
    "bulk_insert",
    "bulk_update",
    "connect",
    "house_errors",
    "insert_at_commit",
    "matching",
    "now",
    "once_committed",
    "reach",
    "server_settings",
    "sqlite_engine",
    "update_at_commit",
    "v",
]
