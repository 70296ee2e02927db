"""Logs: one JSON object a line, whoever wrote it, and no local variables in a traceback."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from libs.common import logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def fails() -> None:
    text = "my flight AF123 was canceled"
    raise ValueError(len(text))


def test_a_line_is_json_with_service_and_context(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("router")
    structlog.contextvars.bind_contextvars(request_id="r-1")
    structlog.get_logger("services.router").info("set_aside", reason="spam")
    [line] = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "set_aside",
        "reason": "spam",
        "request_id": "r-1",
        "service": "router",
        "level": "info",
        "logger": "services.router",
    }


def test_a_context_may_name_another_service(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("guichet")
    with structlog.contextvars.bound_contextvars(service="ingest"):
        structlog.get_logger("x").info("hello")
    assert lines(capsys)[0]["service"] == "ingest"


def test_libraries_write_the_same_way_and_only_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("router", "debug")
    for name in ("uvicorn.error", "aiokafka.consumer", "sqlalchemy.engine.Engine"):
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble")
    assert [(line["event"], line["logger"], line["service"]) for line in lines(capsys)] == [
        ("trouble", "uvicorn.error", "router"),
        ("trouble", "aiokafka.consumer", "router"),
        ("trouble", "sqlalchemy.engine.Engine", "router"),
    ]


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("router", "warning")
    structlog.get_logger("x").info("chatter")
    logging.getLogger("x").info("chatter")
    assert lines(capsys) == []


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_local_variables(log_format: Any, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("router", "info", log_format)
    try:
        fails()
    except ValueError:
        structlog.get_logger("x").exception("failed")
        logging.getLogger("y").exception("failed")
    written = capsys.readouterr().err
    assert written.count("ValueError: 28") == 2
    assert "AF123" not in written


def test_configuring_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("router")
    logs.configure("router")
    logging.getLogger("x").warning("once")
    assert len(lines(capsys)) == 1
