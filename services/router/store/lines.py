"""Lines: all items of a queue that require the same wait in one, and so each has a head that can be found at once."""

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import once_committed
from services.router.store.tables import LINES


class Lines:
    """The lines there are. They are few and never go: what was read once is not asked again."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    async def known(self, session: AsyncSession, named: Collection[str]) -> Collection[str]:
        """Those that are kept; read again only when one of `named` is new here."""
        if not self._known.issuperset(named):
            found = set((await session.execute(_ALL)).scalars())
            once_committed(session, lambda: self._known.update(found))  # some may be this transaction's own
            return found
        return self._known


_ALL = sa.select(LINES.c.line)


async def lock(session: AsyncSession, queues: Sequence[str]) -> list[str]:
    """The lines of these queues, ours until the end of the transaction.

    Who takes from one of these queues waits for us, so that nobody passes over an item that another has only looked
    at.
    """
    if not queues:
        return []
    names = {"names": sorted(queues)}
    if session.get_bind().dialect.name != "postgresql":  # SQLite has one writer anyway
        return list((await session.execute(_OF_QUEUES, names)).scalars())
    await session.execute(_LOCK, names)
    # asked when they are ours: a statement sees what there was when it began, and not what came while it waited
    return list((await session.execute(_OF_LOCKED, names)).scalars())


_NAMES = sa.bindparam("names", type_=sa.ARRAY(sa.Text))
_LOCK = sa.text(
    "SELECT pg_advisory_xact_lock(hashtext('router.take_next'), hashtext(name)) FROM unnest(:names) AS name"
).bindparams(_NAMES)
_OF_LOCKED = sa.text("SELECT line FROM lines WHERE queue = ANY(:names)").bindparams(_NAMES)
_OF_QUEUES = (
    sa.select(LINES.c.line).where(LINES.c.queue.in_(sa.bindparam("names", expanding=True))).order_by(LINES.c.line)
)
