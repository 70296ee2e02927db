"""What a statement for a whole batch promises, on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.db import Database, Json, UtcDateTime, bulk_append, bulk_insert, bulk_update, connect, matching, v
from libs.common.errors import Raced, Rejected
from tests.builders import NOON, make_tables

metadata = sa.MetaData()
THING = sa.Table(
    "thing",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger),
    sa.Column("ratio", sa.Float(53)),
    sa.Column("flag", sa.Boolean),
    sa.Column("note", sa.Text),
    sa.Column("at", UtcDateTime),
    sa.Column("data", Json),
)
PLACE = sa.Table(
    "place",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("post_id", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("used", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("network", "post_id"),
)
HOSTILE = [
    "it's \"quoted\" \\ and \\' more\\",
    "line\nafter\r\nline\ttab",
    "émoji 👩‍👩‍👧‍👦 and العربية and \u202e bidi \u200b zero",
    "'); DROP TABLE thing; --",
    "{braces} [1, 2] :colon $1 %s ${x} NULL null",
    "",
    " ",
    "\u0001\u007f\u2028",
]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Two empty tables."""
    opened = connect(database_url, "tests")
    await make_tables(opened, "tests", metadata)
    yield opened
    await opened.close()


def thing(id_: str = "a", **columns: Any) -> dict[str, Any]:
    """A row with something in each column."""
    row = {"number": 1, "ratio": 0.5, "flag": True, "note": "text", "at": NOON, "data": {"a": [1]}}
    return {"id": id_, **row, **columns}


def place(post_id: str, **columns: Any) -> dict[str, Any]:
    """A row with a natural key."""
    return {"network": "x", "post_id": post_id, "version": 1, **columns}


async def things(database: Database) -> dict[str, Any]:
    """All rows by id, as they come back."""
    async with database.read() as session:
        return {row.id: row for row in await session.execute(sa.select(THING))}


async def places(database: Database) -> list[tuple[str, int, int]]:
    """All rows in the order they were written."""
    async with database.read() as session:
        found = await session.execute(sa.select(PLACE).order_by(PLACE.c.seq))
        return [(row.post_id, row.version, row.used) for row in found]


# --- values


async def test_text_comes_back_as_it_was(database: Database) -> None:
    rows = [thing(f"key {text}", note=text, data=[text, {text: text}]) for text in HOSTILE]
    async with database.begin() as session:
        await bulk_insert(session, THING, rows)
    found = await things(database)
    assert {id_: (row.note, row.data) for id_, row in found.items()} == {
        f"key {text}": (text, [text, {text: text}]) for text in HOSTILE
    }


async def test_a_nul_character_is_rejected_and_what_only_looks_like_one_is_not(database: Database) -> None:
    async with database.begin() as session:
        await bulk_insert(session, THING, [thing(note=r"\u0000 \\u0000", data=[r"\u0000"])])
    for cut in (thing("b", note="cut\0here"), thing("b\0"), thing("b", data={"deep": ["cut\\\0here"]})):
        with pytest.raises(Rejected, match="NUL"):
            async with database.begin() as session:
                await bulk_insert(session, THING, [thing("c"), cut])
    found = await things(database)
    assert {id_: (row.note, row.data) for id_, row in found.items()} == {"a": (r"\u0000 \\u0000", [r"\u0000"])}


async def test_whole_numbers_come_back_exactly(database: Database) -> None:
    numbers = [0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]
    assert await back(database, "number", numbers) == numbers


async def test_fractions_come_back_exactly(database: Database) -> None:
    ratios = [0.0, 0.1, -1.5, 1e-300, 1.7976931348623157e308, 0.1 + 0.2, 2 / 3, 123456789.123456789]
    assert await back(database, "ratio", ratios) == ratios


async def test_a_time_comes_back_aware_and_to_the_microsecond(database: Database) -> None:
    nepal = timezone(timedelta(hours=5, minutes=45))
    times = [
        NOON,
        datetime(2025, 6, 2, 12, 0, 0, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2025, 6, 2, 12, 0, 0, 999_999, tzinfo=nepal),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ]
    found = await back(database, "at", times)
    assert found == times
    assert {at.utcoffset() for at in found} == {timedelta(0)}


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="without a zone"):
        async with database.begin() as session:
            await bulk_insert(session, THING, [thing("a"), thing("b", at=NOON.replace(tzinfo=None))])
    assert await things(database) == {}


async def test_json_comes_back_as_it_was(database: Database) -> None:
    values = [{}, [], 0, False, "text", {"a": {"b": [None, 1.5, "é"]}}, [[], {}]]
    assert await back(database, "data", values) == values


async def back(database: Database, column: str, values: list[Any]) -> list[Any]:
    """The values after a way through the column, in their order."""
    async with database.begin() as session:
        await bulk_insert(session, THING, [thing(f"{n:02}", **{column: value}) for n, value in enumerate(values)])
    found = await things(database)
    return [getattr(found[id_], column) for id_ in sorted(found)]


async def test_nothing_is_null_in_every_column(database: Database) -> None:
    empty = dict.fromkeys(("number", "ratio", "flag", "note", "at", "data"))
    async with database.begin() as session:
        await bulk_insert(session, THING, [thing("full"), thing("empty", **empty)])
    async with database.begin() as session:
        nulls = sa.select(THING.c.id).where(*[THING.c[name].is_(None) for name in empty])
        assert (await session.execute(nulls)).scalars().all() == ["empty"]
    assert tuple((await things(database))["empty"])[1:] == (None,) * 6


async def test_both_truths_come_back(database: Database) -> None:
    async with database.begin() as session:
        await bulk_insert(session, THING, [thing("yes", flag=True), thing("no", flag=False)])
    found = await things(database)
    assert (found["yes"].flag, found["no"].flag) == (True, False)


# --- insert


@pytest.mark.parametrize("size", [1, 500, 5000])
async def test_all_rows_are_written_in_their_order(database: Database, size: int) -> None:
    async with database.begin() as session:
        await bulk_insert(session, PLACE, [place(f"post-{n}", version=n) for n in range(size)])
    assert await places(database) == [(f"post-{n}", n, 0) for n in range(size)]


async def test_no_rows_are_no_statement(database: Database) -> None:
    async with database.begin() as session:
        assert await bulk_insert(session, PLACE, [], returning=["seq"]) == []
        assert await bulk_update(session, PLACE, [], key=["seq"]) == 0


async def test_rows_that_are_there_already_are_passed_over_and_not_returned(database: Database) -> None:
    async with database.begin() as session:
        await bulk_insert(session, PLACE, [place("1"), place("2")])
    async with database.begin() as session:
        new = await bulk_insert(
            session,
            PLACE,
            [place("2", version=9), place("3"), place("3", version=9), place("4")],
            on_conflict=["network", "post_id"],
            returning=["post_id", "version"],
        )
    assert sorted(tuple(row) for row in new) == [("3", 1), ("4", 1)]
    assert sorted(await places(database)) == [("1", 1, 0), ("2", 1, 0), ("3", 1, 0), ("4", 1, 0)]


async def test_a_row_that_is_there_takes_the_new_values_only_where_the_guard_holds(database: Database) -> None:
    async with database.begin() as session:
        await bulk_insert(session, PLACE, [place("older", version=1, used=5), place("newer", version=7, used=5)])
    async with database.begin() as session:
        changed = await bulk_insert(
            session,
            PLACE,
            [place("older", version=2, used=0), place("newer", version=2, used=0), place("new", version=2, used=0)],
            on_conflict=["network", "post_id"],
            update=["version"],
            where=PLACE.c.version < sa.literal_column("excluded.version"),
            returning=["post_id"],
        )
    assert sorted(row.post_id for row in changed) == ["new", "older"]
    assert sorted(await places(database)) == [("new", 2, 0), ("newer", 7, 5), ("older", 2, 5)]


async def test_what_is_returned_has_the_columns_types(database: Database) -> None:
    async with database.begin() as session:
        (row,) = await bulk_insert(session, THING, [thing()], returning=["id", "at", "data", "flag"])
    assert tuple(row) == ("a", NOON, {"a": [1]}, True)


async def test_a_row_that_breaks_a_rule_stops_all_of_them(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        async with database.begin() as session:
            await bulk_insert(session, PLACE, [place("1"), place("2"), place("1")])
    assert await places(database) == []


# --- append: a few rows go in one statement, many by COPY or executemany

SIZES = pytest.mark.parametrize("size", [1, 500])


@SIZES
async def test_what_is_appended_comes_back_as_it_was(database: Database, size: int) -> None:
    empty = dict.fromkeys(("number", "ratio", "flag", "note", "at", "data"))
    rows = [thing(f"key {text}", note=text, data=[text, {text: text}], number=-(2**63)) for text in HOSTILE]
    rows += [thing("lone text", data="text"), thing("nothing", **empty), thing("false", flag=False, ratio=0.1 + 0.2)]
    more = [thing(f"{n}") for n in range(size)]
    async with database.begin() as session:
        await bulk_append(session, (THING, rows + more))
    found = await things(database)
    names = tuple(THING.c.keys())
    assert [tuple(found[row["id"]]) for row in rows] == [tuple(row[name] for name in names) for row in rows]
    assert len(found) == len(rows) + size


@SIZES
async def test_parts_are_appended_together_each_in_its_order(database: Database, size: int) -> None:
    async with database.begin() as session:
        await bulk_append(
            session, (PLACE, [place(f"post-{n}", version=n) for n in range(size)]), (PLACE, []), (THING, [thing("a")])
        )
    assert await places(database) == [(f"post-{n}", n, 0) for n in range(size)]
    assert list(await things(database)) == ["a"]


@SIZES
async def test_a_row_that_is_there_already_means_raced_and_none_is_kept(database: Database, size: int) -> None:
    async with database.begin() as session:
        await bulk_append(session, (THING, [thing("0", note="first")]))
    with pytest.raises(Raced):
        async with database.begin() as session:
            await bulk_append(session, (PLACE, [place("1")]), (THING, [thing(f"{n}") for n in range(size)]))
    assert [row.note for row in (await things(database)).values()] == ["first"]
    assert await places(database) == []


@SIZES
async def test_a_broken_rule_of_the_table_is_no_race(database: Database, size: int) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        async with database.begin() as session:
            await bulk_append(session, (PLACE, [place("1")] + [place(f"{n}") for n in range(1, size + 1)]))
    assert await places(database) == []


@SIZES
async def test_what_cannot_be_kept_is_refused_when_appended(database: Database, size: int) -> None:
    more = [thing(f"{n}") for n in range(size)]
    for cut in (thing("b", note="cut\0here"), thing("b\0"), thing("b", data={"deep": ["cut\\\0here"]})):
        with pytest.raises(Rejected, match="NUL"):
            async with database.begin() as session:
                await bulk_append(session, (THING, [*more, cut]))
    with pytest.raises(ValueError, match="without a zone"):
        async with database.begin() as session:
            await bulk_append(session, (THING, [*more, thing("b", at=NOON.replace(tzinfo=None))]))
    assert await things(database) == {}


async def test_what_was_appended_before_a_failure_is_not_kept(database: Database) -> None:
    async def twice(session: AsyncSession) -> None:
        await bulk_append(session, (THING, [thing(f"{n}") for n in range(500)]))
        await bulk_append(session, (THING, [thing("0")]))

    with pytest.raises(Raced):
        await database.write(twice)
    assert await things(database) == {}


# --- update


async def test_each_row_found_by_its_key_takes_its_own_values(database: Database) -> None:
    async with database.begin() as session:
        await bulk_insert(session, THING, [thing("a"), thing("b"), thing("left alone")])
    later = NOON + timedelta(microseconds=7)
    async with database.begin() as session:
        rows: list[dict[str, Any]] = [
            {"id": "b", "note": "it's b", "at": later, "data": ["b"], "flag": False, "ratio": 0.1, "number": None},
            {"id": "a", "note": None, "at": None, "data": None, "flag": None, "ratio": None, "number": 2**40},
            {"id": "not there", "note": "", "at": NOON, "data": {}, "flag": True, "ratio": 0.0, "number": 0},
        ]
        assert await bulk_update(session, THING, rows, key=["id"]) == 2
    found = await things(database)
    assert tuple(found["b"]) == ("b", None, 0.1, False, "it's b", later, ["b"])
    assert tuple(found["a"]) == ("a", 2**40, None, None, None, None, None)
    assert tuple(found["left alone"]) == ("left alone", 1, 0.5, True, "text", NOON, {"a": [1]})


async def test_the_guard_decides_per_row_and_only_what_met_it_is_counted(database: Database) -> None:
    async with database.begin() as session:
        await bulk_insert(session, PLACE, [place("full", used=9), place("free", used=1), place("just", used=7)])
    async with database.begin() as session:
        took = await bulk_update(
            session,
            PLACE,
            [{"network": "x", "post_id": post_id, "more": 3} for post_id in ("full", "free", "just")],
            key=["network", "post_id"],
            values={"used": PLACE.c.used + v("more")},
            where=PLACE.c.used + v("more") <= 10,
        )
    assert took == 2
    assert await places(database) == [("full", 1, 9), ("free", 1, 4), ("just", 1, 10)]


@pytest.mark.parametrize("size", [500, 5000])
async def test_a_large_batch_is_updated_at_once(database: Database, size: int) -> None:
    async with database.begin() as session:
        await bulk_insert(session, PLACE, [place(f"{n:05}") for n in range(size)])
        rows = [{"network": "x", "post_id": f"{n:05}", "used": n} for n in reversed(range(size))]
        assert await bulk_update(session, PLACE, rows, key=["network", "post_id"]) == size
    assert sorted(await places(database)) == [(f"{n:05}", 1, n) for n in range(size)]


async def test_a_time_can_be_compared_with_a_time_of_the_row(database: Database) -> None:
    async with database.begin() as session:
        await bulk_insert(session, THING, [thing("a", at=NOON), thing("b", at=NOON)])
        rows = [{"id": "a", "at": NOON - timedelta(seconds=1)}, {"id": "b", "at": NOON + timedelta(seconds=1)}]
        assert await bulk_update(session, THING, rows, key=["id"], where=THING.c.at < v("at")) == 1
    found = await things(database)
    assert (found["a"].at, found["b"].at) == (NOON, NOON + timedelta(seconds=1))


# --- one question for a batch


@pytest.mark.parametrize("size", [1, 500, 5000])
async def test_one_question_finds_the_rows_of_all_keys(database: Database, size: int) -> None:
    async with database.begin() as session:
        await bulk_insert(session, PLACE, [place(f"{n:05}") for n in range(size)])
    keys = [{"network": "x", "post_id": f"{n:05}"} for n in range(0, size + 100, 2)]
    async with database.read() as session:
        statement, params = matching(session, PLACE, sa.select(PLACE.c.post_id), keys)
        found = (await session.execute(statement, params)).scalars().all()
    assert sorted(found) == [f"{n:05}" for n in range(0, size, 2)]


async def test_a_question_by_several_columns_mixes_no_pairs(database: Database) -> None:
    async with database.begin() as session:
        await bulk_insert(
            session, PLACE, [{"network": n, "post_id": p, "version": 1} for n in ("x", "y") for p in ("it's 1", "2")]
        )
    async with database.read() as session:
        keys = [{"network": "x", "post_id": "it's 1"}, {"network": "y", "post_id": "2"}]
        statement, params = matching(session, PLACE, sa.select(PLACE.c.network, PLACE.c.post_id), keys)
        found = [tuple(row) for row in await session.execute(statement.where(PLACE.c.version == 1), params)]
    assert sorted(found) == [("x", "it's 1"), ("y", "2")]


async def test_rows_can_be_found_by_their_times(database: Database) -> None:
    times = [NOON + timedelta(microseconds=n) for n in range(3)]
    async with database.begin() as session:
        await bulk_insert(session, THING, [thing(str(n), at=at) for n, at in enumerate(times)])
    async with database.read() as session:
        statement, params = matching(session, THING, sa.select(THING.c.id), [{"at": times[1]}])
        assert (await session.execute(statement, params)).scalars().all() == ["1"]
