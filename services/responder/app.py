"""Puts the responder together; the only file that knows every other."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from libs.common import dead_letters
from libs.common.auth import Keyring
from libs.common.bus import Bus
from libs.common.connect import Gate, LogWatch
from libs.common.db import connect
from libs.common.events import WORK_ITEMS
from libs.common.metrics import Metrics
from libs.common.outbox import Relay
from libs.common.process import Service
from libs.common.web import web_app
from libs.common.worker import Worker
from services.responder.api.actions import action_routes
from services.responder.api.closures import closure_routes
from services.responder.api.coach import coach_routes
from services.responder.api.length import length_routes
from services.responder.api.options import option_routes
from services.responder.api.replies import reply_routes
from services.responder.api.rules import rule_routes
from services.responder.api.satisfaction import satisfaction_routes
from services.responder.api.shapes import REPLY_BODY_BYTES
from services.responder.api.stats import stats_routes
from services.responder.api.surveys import stop_routes, survey_routes
from services.responder.api.templates import template_routes
from services.responder.domain.eligibility import Means
from services.responder.domain.length import Limits
from services.responder.domain.posting import Pace
from services.responder.gateways.credentials import read_credentials
from services.responder.gateways.meter import Meter, read_prices
from services.responder.gateways.registry import PRIVATE, open_gateways
from services.responder.handlers.closures import Closures
from services.responder.handlers.coach import Coach
from services.responder.handlers.figures import Figures, Housekeeper
from services.responder.handlers.machines import Machines
from services.responder.handlers.mentions import Mentions
from services.responder.handlers.options import Composer
from services.responder.handlers.replies import Changes, Replies
from services.responder.handlers.sending import Sender
from services.responder.handlers.surveys import Surveys
from services.responder.settings import ResponderSettings

MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: ResponderSettings, bus: Bus) -> Service:
    """The responder: replies over HTTP, a worker that hears of mentions, a sender, a relay."""
    name = "responder"
    database = connect(settings.database, name, partitions=bus.partitions)
    metrics = Metrics(CollectorRegistry(), name)
    figures = Figures(metrics.registry)
    changes = Changes()
    pace = _pace(settings)
    meter = Meter(metrics.registry, read_prices(settings.prices))
    gateways = open_gateways(
        database,
        read_credentials(settings.credentials),
        meter,
        x_base_url=settings.x_base_url,
        x_token=settings.x_token,
        x_fields_name=settings.x_fields_name,
        post_limit=settings.post_limit,
        token_lease=settings.token_lease,
    )
    means = Means(frozenset(gateways), PRIVATE, settings.x_plan)
    limits = Limits(x=settings.x_longest, mastodon=settings.mastodon_longest)
    replies = Replies(database, changes, figures, means, limits, settings.undo)
    machines = Machines(figures, changes, means, settings.acknowledge_within)
    surveys = Surveys(database, figures, changes, means, settings.survey_after, settings.survey_open_for)
    closures = Closures(means, replies)
    mentions = Mentions(figures, machines, surveys, closures)
    worker = Worker(bus, name, metrics, database=database, writing={WORK_ITEMS: mentions.on_work_items})
    sender = Sender(
        database,
        gateways,
        pace,
        changes,
        figures,
        at_once=settings.send_at_once,
        poll_seconds=settings.poll.total_seconds(),
        probe=settings.probe,
        meter=meter,
    )
    log_watch = LogWatch(bus)
    relay = Relay(database, bus, name, metrics)
    housekeeper = Housekeeper(database, figures)
    gate = Gate(settings.database, name, MIGRATIONS)

    async def close() -> None:
        for gateway in gateways.values():
            await gateway.close()
        await database.close()

    app = web_app(
        name,
        [
            reply_routes(database, replies),
            action_routes(database, replies, pace),
            option_routes(Composer(database, gateways, means, limits)),
            closure_routes(database, closures),
            template_routes(database),
            rule_routes(database),
            stats_routes(database),
            satisfaction_routes(database),
            survey_routes(database, surveys),
            stop_routes(database, surveys),
            length_routes(limits),
            coach_routes(database, Coach(database, limits)),
            dead_letters.routes(name, bus, metrics, [WORK_ITEMS]),
        ],
        metrics=metrics,
        keyring=Keyring(settings.keys),
        ready=[gate.ready, log_watch.ready, worker.ready, sender.ready, relay.ready],
        alive=[worker.alive, sender.alive],
        commit=settings.commit,
        body_limits={
            "/v1/closures/{conversation_id}/post": REPLY_BODY_BYTES,
            "/v1/length": REPLY_BODY_BYTES,
            "/v1/reply-checks": 2 * REPLY_BODY_BYTES,  # the draft, and what it answers
            "/v1/replies": REPLY_BODY_BYTES,
            "/v1/replies/{id}": REPLY_BODY_BYTES,
            "/v1/templates/{slug}": REPLY_BODY_BYTES,
        },
    )
    working = (worker.run, sender.run, relay.run, housekeeper.run, surveys.run)
    tasks = (gate.watch, log_watch.watch, *map(gate.before, working))
    return Service(name, app, tasks, settings.host, settings.port, close)


def _pace(settings: ResponderSettings) -> Pace:
    return Pace(
        send_within=settings.send_within,
        post_limit=settings.post_limit,
        recover_after=settings.recover_after,
        look_again=settings.look_again,
        give_up_after=settings.give_up_after,
    )
