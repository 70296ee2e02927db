"""From bytes to items: what is mended, what is refused, and in which words."""

import contextlib
import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain import Refused
from services.ingest.gateways import items, plain


@pytest.mark.parametrize(
    ("written", "mended"),
    [
        (rb'"plain"', rb'"plain"'),
        (rb'"\u00e9"', rb'"\u00e9"'),
        (rb'"\u0000"', rb'"\ufffd"'),
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\uD83D\uDE00"', rb'"\uD83D\uDE00"'),
        (rb'"\ud83d"', rb'"\ufffd"'),
        (rb'"\ude00"', rb'"\ufffd"'),
        (rb'"\ude00\ud83d"', rb'"\ufffd\ufffd"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\\ud83d"', rb'"\\ud83d"'),
        (rb'"\\\ud83d"', rb'"\\\ufffd"'),
        (rb'"\\u0000 \u0000"', rb'"\\u0000 \ufffd"'),
    ],
)
def test_nul_and_half_surrogates_are_replaced_and_nothing_else(written: bytes, mended: bytes) -> None:
    assert items.mended(written) == mended


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=30))
def test_any_text_python_can_write_as_json_can_be_read_once_it_is_mended(text: str) -> None:
    body = json.dumps({"network": "crm", "id": "1", "text": text, "author": {"id": "c"}}).encode()
    [item] = items.items(body)
    found = plain.read(item).text
    assert found == text.replace("\0", "�").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@given(st.binary(max_size=200))
def test_any_bytes_are_items_or_a_bad_body(body: bytes) -> None:
    found: Sequence[msgspec.Raw] = []
    with contextlib.suppress(items.BadBody):
        found = items.items(body)
    for item in found:
        with pytest.raises(items.ERRORS):
            plain.read(item)


@given(st.binary(max_size=200))
def test_any_line_is_an_item_or_refused(line: bytes) -> None:
    item = items.line_item(line)
    if not isinstance(item, Refused):
        with pytest.raises(items.ERRORS):
            plain.read(item)


def test_an_object_is_one_item_and_an_array_is_many() -> None:
    assert len(items.items(b' \n{"id": 1}')) == 1
    assert len(items.items(b'\xef\xbb\xbf[{"id": 1}, {"id": 2}]')) == 2


def test_blank_lines_do_not_count() -> None:
    assert len(items.lines(b'\n{"id": 1}\r\n  \n\n{"id": 2}')) == 2


@pytest.mark.parametrize(
    ("body", "type_", "path", "said"),
    [
        (b'{"network": "crm"}', "missing", "$.id", "$.id is missing."),
        (b'{"network": "crm", "id": "1", "text": "a", "author": {}}', "missing", "$.author.id", "is missing"),
        (b'{"network": 3}', "invalid", "$.network", "Expected `str`, got `int`."),
        (b'{"network": "crm", "id": "1", "text": "a", "author": {"id": "c"}, "posted_at": "x"}', "invalid",
         "$.posted_at", "RFC3339"),
    ],
)  # fmt: skip
def test_an_error_names_its_place(body: bytes, type_: str, path: str, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        plain.read(msgspec.Raw(body))
    refused = items.explained(error.value)
    assert (refused.type, refused.path) == (type_, path)
    assert said in refused.detail
    assert refused.fix


@pytest.mark.parametrize(
    ("item", "id_"),
    [
        (b'{"id": "A-1"}', "A-1"),
        (b'{"id": 17}', "17"),
        (b'{"data": {"id": "19"}}', "19"),
        (b'{"id": []}', None),
        (b"[]", None),
        (b"{", None),
    ],
)
def test_the_id_of_a_refused_item_is_said_where_it_can_be_read(item: bytes, id_: str | None) -> None:
    assert items.id_of(msgspec.Raw(item)) == id_
