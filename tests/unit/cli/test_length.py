"""`guichet length` measures line by line."""

import json

from cli.length import told
from services.responder.domain.length import Limits


def test_a_line_is_a_text_and_a_json_string_may_hold_several() -> None:
    lines = ["Hello, world! 👋\n".encode(), b'"a\\nb"\r\n', b'"open\n', b"\n", b"\xff"]
    found = [json.loads(line) for line in told(lines, "x", Limits())]
    assert [each["length"] for each in found] == [16, 3, 5, 0, 2]
    assert list(found[0]) == ["length", "limit", "valid", "valid_prefix"]
    assert [each["valid"] for each in found] == [True, True, True, False, True]
