"""What appending rows promises when its connection is lost: it goes past SQLAlchemy, to the driver itself."""

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import FEW, bulk_append, connect
from libs.common.errors import Unavailable
from tests.builders import make_tables

metadata = sa.MetaData()
NOTE = sa.Table("note", metadata, sa.Column("id", sa.Text, primary_key=True), sa.Column("text", sa.Text))
_OTHERS = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'guichet-tests'"
    " AND pid <> pg_backend_pid()"
)


@pytest.mark.postgres
@pytest.mark.parametrize("size", [1, 2 * FEW])
async def test_a_connection_that_dies_is_unavailable_and_the_next_one_works(postgres_url: str, size: int) -> None:
    database, other = connect(postgres_url, "tests"), connect(postgres_url, "tests")
    await make_tables(database, "tests", metadata)
    notes = [{"id": f"{n}", "text": "kept"} for n in range(size)]

    async def killed(session: AsyncSession) -> None:
        await session.execute(sa.select(NOTE))
        async with other.begin() as killer:
            await killer.execute(_OTHERS)
        await bulk_append(session, (NOTE, notes))

    with pytest.raises(Unavailable):
        await database.write(killed)
    async with database.begin() as session:
        await bulk_append(session, (NOTE, notes))

    async with database.read() as session:
        assert len((await session.execute(sa.select(NOTE))).all()) == size
    await database.close()
    await other.close()
