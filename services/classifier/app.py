"""Puts the classifier together; the only file that knows every other."""

import time
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter

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
from services.classifier.domain.cascade import SecondLook
from services.classifier.domain.model import Reader
from services.classifier.domain.rules import Rules, rules
from services.classifier.domain.understand import Again, Understanding
from services.classifier.gateways.cascade_file import E5, ENCODER, installed, load_second
from services.classifier.gateways.model_file import SHIPPED, Model, load
from services.classifier.handlers import Classifier
from services.classifier.settings import ClassifierSettings

TABLES = Path(__file__).parent / "tables"


def build(settings: ClassifierSettings, bus: Bus) -> Service:
    """The classifier: one HTTP app, and the worker that runs beside it.

    Raises:
        UnusableModel: the model file is missing, damaged or of another version.
        Misconfigured: the cascade is on and not installed.
    """
    metrics = Metrics(CollectorRegistry(), "classifier")
    model = load(settings.model or SHIPPED)
    share, budget = settings.cascade_share, settings.cascade_budget.total_seconds()
    again = second_look(share, budget, _count_looks(metrics))
    cascade = api.Cascade(state=_state(share), model=ENCODER, share=share, budget=budget)
    classifier = Classifier(understanding(model, again), understanding(model, again), metrics, slow=again is not None)
    worker = Worker(bus, "classifier", metrics, pure={RAW: classifier.on_raw}, tells=CLASSIFIED)
    log_watch = LogWatch(bus)
    app = web_app(
        "classifier",
        [api.routes(classifier, model, cascade), dead_letters.routes("classifier", bus, metrics, [RAW])],
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


def understanding(model: Model, again: Again | None = None) -> Understanding:
    """A model and the rules, warmed up: what is compiled is compiled now, not at the first mention."""
    table = shipped_rules()
    made = Understanding(model.name, Reader(model.weights, model.words, table.phrases), table, again)
    made.labels([])
    return made


def second_look(
    share: float, budget: float, tell: Callable[[int, int], None] = lambda _taken, _left: None
) -> SecondLook | None:
    """The cascade, for several threads; None where `share` is 0, and nothing of it is imported.

    Raises:
        Misconfigured: it is not installed, or its heads cannot be used.
    """
    if not share:
        return None
    return SecondLook(E5(), load_second().heads, share, budget, time.perf_counter, tell)


def _count_looks(metrics: Metrics) -> Callable[[int, int], None]:
    looks = Counter(
        "second_looks_total",
        "Posts for the encoder of the cascade: read again, or without time left",
        ("outcome",),
        registry=metrics.registry,
    )

    def count(taken: int, left: int) -> None:
        looks.labels("taken").inc(taken)
        looks.labels("no_time").inc(left)

    return count


def _state(share: float) -> api.CascadeState:
    return "on" if share else "off" if installed() else "not installed"


async def _nothing_to_close() -> None:
    """The log is closed by whoever opened it."""
