"""Puts the classifier together; the only file that knows every other."""

import tomllib
from pathlib import Path

from prometheus_client import CollectorRegistry

from libs.common import dead_letters
from libs.common.auth import Keyring
from libs.common.bus import Bus
from libs.common.connect import LogWatch
from libs.common.events import CLASSIFIED, RAW
from libs.common.metrics import Metrics
from libs.common.process import Service
from libs.common.web import web_app
from libs.common.worker import Worker
from services.classifier import api
from services.classifier.domain import Baseline, rules
from services.classifier.handlers import Classifier
from services.classifier.settings import ClassifierSettings

TABLE = Path(__file__).parent / "baseline.toml"


def build(settings: ClassifierSettings, bus: Bus) -> Service:
    """The classifier: one HTTP app, and the worker that runs beside it."""
    metrics = Metrics(CollectorRegistry(), "classifier")
    classifier = Classifier(Baseline(rules(tomllib.loads(TABLE.read_text("utf-8")))), metrics)
    worker = Worker(bus, "classifier", metrics, pure={RAW: classifier.on_raw}, tells=CLASSIFIED)
    log_watch = LogWatch(bus)
    app = web_app(
        "classifier",
        [api.routes(classifier), dead_letters.routes("classifier", bus, metrics, [RAW])],
        metrics=metrics,
        keyring=Keyring(settings.keys),
        ready=[log_watch.ready, worker.ready],
        alive=[worker.alive],
        commit=settings.commit,
        body_limits={"/v1/classify": api.CLASSIFY_BYTES},
    )
    return Service("classifier", app, [log_watch.watch, worker.run], settings.host, settings.port, _nothing_to_close)


async def _nothing_to_close() -> None:
    """The log is closed by whoever opened it."""
