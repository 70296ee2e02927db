"""What the networks let us do, shared by all replicas: one row an account and operation, and one a stopped account."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import UtcDateTime, bulk_insert
from services.responder.domain.budget import Budget
from services.responder.store.tables import BUDGETS, REPLIES, metadata

BREAKERS = sa.Table(
    "breakers",  # a row is kept when it goes again, so that the next stop is a longer one
    metadata,
    sa.Column("network", sa.Text, primary_key=True),
    sa.Column("handle", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("probe_at", UtcDateTime),
)

Account = tuple[str, str]
"""Network, handle."""

_KEY = ("network", "handle", "operation")
_BUDGET = sa.select(*BUDGETS.c)
_BREAKER = sa.select(*BREAKERS.c)
_ONE_AT_A_TIME = sa.text("SELECT pg_advisory_xact_lock(hashtext('responder.take'))")  # before there is any row to lock
_FORGIVEN = timedelta(days=1)
_LONGEST_STOP = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Breaker:
    """An account that the network lets do nothing, and when a read may show that it goes again; None: it goes."""

    network: str
    handle: str
    reason: str
    times: int
    opened_at: datetime
    probe_at: datetime | None


async def of_accounts(
    session: AsyncSession, operations: Collection[tuple[str, str, str]]
) -> dict[tuple[str, str, str], Budget]:
    """The budgets of these (network, handle, operation), locked in their order; a new one's limit is 0."""
    found: dict[tuple[str, str, str], Budget] = {}
    new = [asdict(Budget(*each)) for each in sorted(operations)]
    await bulk_insert(session, BUDGETS, new, on_conflict=_KEY)  # so that there is a row to lock
    for network, handle, operation in sorted(operations):
        question = _BUDGET.where(
            BUDGETS.c.network == network, BUDGETS.c.handle == handle, BUDGETS.c.operation == operation
        )
        found[network, handle, operation] = Budget(*(await session.execute(question.with_for_update())).one())
    return found


async def known(session: AsyncSession, network: str, handle: str, operation: str) -> Budget | None:
    """What the network said of this account last; None: nothing. Not locked."""
    question = _BUDGET.where(
        BUDGETS.c.network == network, BUDGETS.c.handle == handle, BUDGETS.c.operation == operation, BUDGETS.c.limit > 0
    )
    row = (await session.execute(question)).one_or_none()
    return Budget(*row) if row else None


async def one_at_a_time(session: AsyncSession) -> None:
    """Let no other replica take replies until the end of the transaction.

    Else one would pass over what another has locked, and give to the less important what the network still allows.
    """
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        await session.execute(_ONE_AT_A_TIME)


async def keep(session: AsyncSession, budgets: Sequence[Budget]) -> None:
    """Write them as they are now."""
    rows = [asdict(budget) for budget in sorted(budgets, key=lambda b: (b.network, b.handle, b.operation))]
    await bulk_insert(session, BUDGETS, rows, on_conflict=_KEY, update=("limit", "remaining", "reset_at"))


async def all_of_them(session: AsyncSession) -> list[Budget]:
    """For the figures: those of which the network has said something."""
    return [Budget(*row) for row in await session.execute(_BUDGET.where(BUDGETS.c.limit > 0))]


async def count_in_flight(
    session: AsyncSession, network: str, handle: str, private: Collection[bool], since: datetime, but: str
) -> int:
    """How many others of this account's replies are on their way since then: public ones, private ones, or both."""
    question = sa.select(sa.func.count()).where(
        REPLIES.c.state == sa.literal_column("'sending'"),
        REPLIES.c.reserved_at > since,
        REPLIES.c.network == network,
        REPLIES.c.handle == handle,
        REPLIES.c.private.in_(private),
        REPLIES.c.id != but,
    )
    return int((await session.execute(question)).scalar_one())


# --- accounts that stand still


async def stopped(session: AsyncSession, accounts: Collection[Account]) -> dict[Account, Breaker]:
    """Those of these accounts that the network lets do nothing."""
    if not accounts:
        return {}
    wanted = sa.tuple_(BREAKERS.c.network, BREAKERS.c.handle).in_(sorted(accounts))
    rows = await session.execute(_BREAKER.where(BREAKERS.c.probe_at.is_not(None), wanted))
    return {(row.network, row.handle): Breaker(*row) for row in rows}


async def stop(session: AsyncSession, account: Account, reason: str, now: datetime, probe: timedelta) -> Breaker | None:
    """Let this account do nothing until a read shows that it goes again; None: it stands still already.

    Args:
        probe: from the stop to the read; doubles with every stop of the last day.
    """
    network, handle = account
    question = _BREAKER.where(BREAKERS.c.network == network, BREAKERS.c.handle == handle)
    row = (await session.execute(question.with_for_update())).one_or_none()
    if row and row.probe_at is not None:
        return None
    times = row.times + 1 if row and now - row.opened_at < _FORGIVEN else 1
    wait = min(probe * 2 ** min(times - 1, 20), max(probe, _LONGEST_STOP))
    breaker = Breaker(network, handle, reason, times, now, now + wait)
    await bulk_insert(
        session,
        BREAKERS,
        [asdict(breaker)],
        on_conflict=("network", "handle"),
        update=("reason", "times", "opened_at", "probe_at"),
    )
    return breaker


async def anything_to_probe(session: AsyncSession, now: datetime) -> bool:
    """Whether a stopped account is due for its read."""
    return bool((await session.execute(sa.select(sa.exists(_BREAKER.where(BREAKERS.c.probe_at <= now))))).scalar())


async def take_probes(session: AsyncSession, now: datetime, probe: timedelta) -> list[Breaker]:
    """The accounts to read from now; who takes them has until the next read."""
    due = await session.execute(
        _BREAKER.where(BREAKERS.c.probe_at <= now)
        .order_by(BREAKERS.c.network, BREAKERS.c.handle)
        .with_for_update(skip_locked=True)
    )
    breakers = [Breaker(*row) for row in due]
    for each in breakers:
        wait = min(probe * 2 ** min(each.times - 1, 20), max(probe, _LONGEST_STOP))
        await session.execute(sa.update(BREAKERS).where(_is(each)).values(probe_at=now + wait))
    return breakers


async def go_on(session: AsyncSession, breaker: Breaker) -> None:
    """A read has shown that the account goes again."""
    await session.execute(sa.update(BREAKERS).where(_is(breaker)).values(probe_at=None))


def _is(breaker: Breaker) -> sa.ColumnElement[bool]:
    same = (BREAKERS.c.network == breaker.network, BREAKERS.c.handle == breaker.handle)
    return sa.and_(*same, BREAKERS.c.opened_at == breaker.opened_at)
