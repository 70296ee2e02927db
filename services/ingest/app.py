"""Puts ingest together; the only file that knows every other."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from libs.common.auth import Keyring
from libs.common.bus import Bus
from libs.common.connect import Gate, LogWatch
from libs.common.db import connect
from libs.common.metrics import Metrics
from libs.common.process import Service, Task
from libs.common.web import web_app
from services.ingest.api import handles, mentions, sources
from services.ingest.handlers import Directory, Figures, FileSource, Ingest
from services.ingest.settings import IngestSettings

MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: IngestSettings, bus: Bus) -> Service:
    """Ingest: one HTTP app, and the tasks that keep its handles fresh and follow its file."""
    database = connect(settings.database, "ingest")
    metrics = Metrics(CollectorRegistry(), "ingest")
    gate = Gate(settings.database, "ingest", MIGRATIONS)
    directory = Directory(database)
    log_watch = LogWatch(bus)
    ingest = Ingest(bus, directory, settings.secret.get_secret_value().encode(), Figures(metrics))
    app = web_app(
        "ingest",
        [mentions.routes(ingest), handles.routes(database, directory), sources.routes(database)],
        metrics=metrics,
        keyring=Keyring(settings.keys),
        ready=[gate.ready, directory.ready, log_watch.ready],
        commit=settings.commit,
        body_limits={"/v1/mentions": mentions.MENTIONS_BYTES},
    )
    tasks: list[Task] = [gate.watch, gate.before(directory.watch), log_watch.watch]
    if settings.file is not None:
        tasks.append(gate.before(FileSource(settings.file, ingest, database).watch))
    return Service("ingest", app, tasks, settings.host, settings.port, database.close)
