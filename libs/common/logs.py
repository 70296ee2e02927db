"""One way to write logs: structlog over the standard library, a JSON object a line, ids only."""

import logging
from typing import Literal

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

_TALKATIVE = ("aiokafka", "aiosqlite", "alembic", "asyncio", "httpcore2", "httpx2", "sqlalchemy", "uvicorn")


def configure(service: str, level: str = "info", log_format: Literal["json", "console"] = "json") -> None:
    """Send every logger of this process to stderr, libraries only from WARNING on.

    `service` stands on each line unless a context variable of that name says otherwise (several in one process).
    """

    def name_service(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        line.setdefault("service", service)
        return line

    severity = logging.getLevelNamesMapping()[level.upper()]
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_service,
    ]
    # both without the local variables of a traceback's frames: they hold texts and names
    last: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[*common, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(severity),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        ProcessorFormatter(foreign_pre_chain=common, processors=[ProcessorFormatter.remove_processors_meta, *last])
    )
    handler.addFilter(_Repeats())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(severity)
    for name in _TALKATIVE:
        library = logging.getLogger(name)
        library.handlers = []
        library.propagate = True
        library.setLevel(max(severity, logging.WARNING))


class _Repeats(logging.Filter):
    """Lets what a library says again and again through once in ten seconds: a broker that is away fills disks."""

    SECONDS = 10.0

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_TALKATIVE):
            return True
        what = (record.name, str(record.msg))
        if record.created - self._said_at.get(what, 0.0) < self.SECONDS:
            return False
        self._said_at[what] = record.created
        return True
