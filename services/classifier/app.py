"""Puts the classifier together; the only file that knows every other."""

import tomllib
from functools import cache
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
from services.classifier.domain.model import Reader
from services.classifier.domain.rules import Rules, rules
from services.classifier.domain.understand import Understanding
from services.classifier.gateways.model_file import SHIPPED, Model, load
from services.classifier.handlers import Classifier
from services.classifier.settings import ClassifierSettings

TABLES = Path(__file__).parent / "tables"


def build(settings: ClassifierSettings, bus: Bus) -> Service:
    """The classifier: one HTTP app, and the worker that runs beside it.

    Raises:
        UnusableModel: the model file is missing, damaged or of another version.
    """
    metrics = Metrics(CollectorRegistry(), "classifier")
    model = load(settings.model or SHIPPED)
    classifier = Classifier(understanding(model), understanding(model), metrics)
    worker = Worker(bus, "classifier", metrics, pure={RAW: classifier.on_raw}, tells=CLASSIFIED)
    log_watch = LogWatch(bus)
    app = web_app(
        "classifier",
        [api.routes(classifier, model), dead_letters.routes("classifier", bus, metrics, [RAW])],
        metrics=metrics,
        keyring=Keyring(settings.keys),
        ready=[log_watch.ready, worker.ready],
        alive=[worker.alive],
        commit=settings.commit,
        body_limits={"/v1/classify": api.CLASSIFY_BYTES},
    )
    return Service("classifier", app, [log_watch.watch, worker.run], settings.host, settings.port, _nothing_to_close)


@cache
def shipped_rules() -> Rules:
    """The rules of the tables beside this file."""
    read = [tomllib.loads((TABLES / name).read_text("utf-8")) for name in ("reasons.toml", "topics.toml")]
    return rules(read[0] | read[1])


def understanding(model: Model) -> Understanding:
    """A model and the rules, warmed up: what is compiled is compiled now, not at the first mention."""
    table = shipped_rules()
    made = Understanding(model.name, Reader(model.weights, model.words, table.phrases), table)
    made.labels([])
    return made


async def _nothing_to_close() -> None:
    """The log is closed by whoever opened it."""
