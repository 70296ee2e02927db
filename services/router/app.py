"""The router, put together."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from libs.common import dead_letters
from libs.common.auth import Keyring
from libs.common.bus import Bus
from libs.common.connect import Gate, LogWatch
from libs.common.db import connect
from libs.common.events import CLASSIFIED, REPLIES
from libs.common.keys import list_keys
from libs.common.metrics import Metrics
from libs.common.outbox import Relay
from libs.common.process import Service
from libs.common.web import web_app
from libs.common.worker import Worker
from services.router.api import (
    agents,
    business_hours,
    consultations,
    conversation_actions,
    conversation_review,
    conversations,
    corrections,
    expected_wait,
    incidents,
    mentions,
    people,
    public,
    queues,
    reservations,
    setup,
    simulations,
    work_items,
)
from services.router.handlers.consultations import Consultations
from services.router.handlers.conversations import Conversations
from services.router.handlers.desk import Desk
from services.router.handlers.dispatching import Dispatcher
from services.router.handlers.figures import Figures
from services.router.handlers.messages import Messages
from services.router.handlers.moving import Moving
from services.router.handlers.offers import Offers
from services.router.handlers.presence import Presences
from services.router.handlers.recomputing import recompute
from services.router.handlers.setup import SettingUp
from services.router.handlers.simulations import Rehearsals
from services.router.handlers.snapshot import Snapshot
from services.router.handlers.taking import Takers
from services.router.handlers.timers import Timers
from services.router.handlers.waits import Waits
from services.router.handlers.waking import Waker
from services.router.handlers.watching import IncidentWatch
from services.router.settings import RouterSettings
from services.router.store.lines import Lines
from services.router.store.setup import Setups

HEARS = (CLASSIFIED, REPLIES)
MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: RouterSettings, bus: Bus) -> Service:
    """One HTTP app and the tasks that run beside it."""
    metrics = Metrics(CollectorRegistry(), "router")
    database = connect(settings.database, "router", pool_size=settings.pool_size, partitions=settings.partitions)
    gate = Gate(settings.database, "router", MIGRATIONS)
    keyring = Keyring(settings.keys)
    setups = Setups()
    figures = Figures(metrics.registry)
    messages = Messages(setups, Lines(), figures)
    worker = Worker(bus, "router", metrics, database=database, writing=dict.fromkeys(HEARS, messages.on_messages))
    log_watch = LogWatch(bus)
    relay = Relay(database, bus, "router", metrics)
    snapshot = Snapshot(database, setups, metrics.registry)
    waits = Waits(database, setups, metrics.registry, settings.post_budgets)
    timers = Timers(database, setups, figures, [Waker().wake, IncidentWatch(metrics.registry).watch])
    dispatcher = Dispatcher(database, setups, figures)
    app = web_app(
        "router",
        [
            queues.routes(snapshot, waits),
            expected_wait.routes(database, setups, waits),
            public.routes(database, setups, waits, proxies=settings.proxies),
            agents.routes(database, setups, Presences(setups)),
            work_items.routes(database, Takers(database, setups, figures), Desk(setups, figures), setups),
            reservations.routes(database, Offers(setups, figures)),
            *setup.routes(database, SettingUp(database, recompute, (snapshot.forget,))),
            business_hours.routes(database),
            simulations.routes(Rehearsals(database, setups)),
            people.routes(keyring, lambda: list_keys(settings.keys)),
            mentions.routes(database),
            conversations.routes(database),
            conversation_review.routes(database, Conversations(setups, figures)),
            conversation_actions.routes(database, Conversations(setups, figures), Moving(setups, figures)),
            incidents.routes(database, setups, figures),
            consultations.routes(database, Consultations(setups)),
            corrections.routes(database),
            dead_letters.routes("router", bus, metrics, HEARS),
        ],
        metrics=metrics,
        keyring=keyring,
        body_limits={"/v1/setup": setup.WHOLE_BYTES, "/v1/simulations": setup.WHOLE_BYTES},
        ready=[gate.ready, log_watch.ready, worker.ready, relay.ready],
        alive=[worker.alive],
        commit=settings.commit,
    )
    running = (worker.run, relay.run, snapshot.run, timers.run, dispatcher.run, waits.run)
    tasks = [gate.watch, log_watch.watch, *(gate.before(task) for task in running)]
    return Service("router", app, tasks, settings.host, settings.port, database.close)
