"""The router, put together."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from libs.common import dead_letters
from libs.common.auth import Keyring
from libs.common.bus import Bus
from libs.common.connect import Gate, LogWatch
from libs.common.db import connect
from libs.common.events import CLASSIFIED, REPLIES
from libs.common.metrics import Metrics
from libs.common.outbox import Relay
from libs.common.process import Service
from libs.common.web import web_app
from libs.common.worker import Worker
from services.router.api import agents, corrections, mentions, queues, work_items
from services.router.handlers.messages import on_messages
from services.router.handlers.snapshot import Snapshot
from services.router.handlers.taking import Takers
from services.router.settings import RouterSettings

HEARS = (CLASSIFIED, REPLIES)
MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: RouterSettings, bus: Bus) -> Service:
    """One HTTP app and the tasks that run beside it."""
    metrics = Metrics(CollectorRegistry(), "router")
    database = connect(settings.database, "router", pool_size=settings.pool_size, partitions=settings.partitions)
    gate = Gate(settings.database, "router", MIGRATIONS)
    worker = Worker(bus, "router", metrics, database=database, writing=dict.fromkeys(HEARS, on_messages))
    log_watch = LogWatch(bus)
    relay = Relay(database, bus, "router", metrics)
    snapshot = Snapshot(database, metrics.registry)
    app = web_app(
        "router",
        [
            queues.routes(database, snapshot),
            agents.routes(database),
            work_items.routes(database, Takers(database)),
            mentions.routes(database),
            corrections.routes(database),
            dead_letters.routes("router", bus, metrics, HEARS),
        ],
        metrics=metrics,
        keyring=Keyring(settings.keys),
        ready=[gate.ready, log_watch.ready, worker.ready, relay.ready],
        alive=[worker.alive],
        commit=settings.commit,
    )
    tasks = [gate.watch, log_watch.watch, *(gate.before(task) for task in (worker.run, relay.run, snapshot.run))]
    return Service("router", app, tasks, settings.host, settings.port, database.close)
