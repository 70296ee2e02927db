"""What the networks let us post: one row an account and operation, shared by all replicas."""

from collections.abc import Collection, Sequence
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import bulk_insert
from services.responder.domain.budget import Budget
from services.responder.store.tables import BUDGETS

POST = "post"

_KEY = ("network", "handle", "operation")
_BUDGET = sa.select(*BUDGETS.c)


async def of_accounts(session: AsyncSession, accounts: Collection[tuple[str, str]]) -> dict[tuple[str, str], Budget]:
    """The posting budgets of these (network, handle), locked in their order; where there is no row, one of nothing."""
    found: dict[tuple[str, str], Budget] = {}
    for network, handle in sorted(accounts):
        question = _BUDGET.where(BUDGETS.c.network == network, BUDGETS.c.handle == handle, BUDGETS.c.operation == POST)
        row = (await session.execute(question.with_for_update())).one_or_none()
        found[network, handle] = Budget(*row) if row else Budget(network, handle, POST)
    return found


async def keep(session: AsyncSession, budgets: Sequence[Budget]) -> None:
    """Write them as they are now."""
    rows = [asdict(budget) for budget in sorted(budgets, key=lambda b: (b.network, b.handle, b.operation))]
    await bulk_insert(session, BUDGETS, rows, on_conflict=_KEY, update=("limit", "remaining", "reset_at"))


async def all_of_them(session: AsyncSession) -> list[Budget]:
    """For the figures."""
    return [Budget(*row) for row in await session.execute(_BUDGET)]
