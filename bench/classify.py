"""What understanding a mention costs, from its text to the labelled event, beside scikit-learn on the same texts."""

import importlib
import itertools
import subprocess
import sys
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from prometheus_client import CollectorRegistry

from bench.measure import Turn, cut, interleaved, nearest_rank, own_cpu, profiled, quiet_gc, timed
from bench.options import Options
from bench.posts import HANDLE, NETWORK, SECRET, posted_at
from bench.results import Goal, Result, ratio, row_of
from cli.trouble import Trouble
from libs.common.bus import conversation_key
from libs.common.events import MentionReceived
from libs.common.metrics import Metrics
from services.classifier.app import understanding
from services.classifier.gateways.model_file import SHIPPED, load
from services.classifier.handlers import Classifier
from services.classifier.training.corpus import read_corpus

BATCHES = (1, 32, 256)
FLOOR_BATCH = 256
FLOOR_TAUGHT = 600  # posts the floor's one head is taught by: its speed does not depend on them
STARTS = 3  # fresh processes
GOAL_PER_SECOND = 20_000
GOAL_P99_MS = 1.0
GOAL_MIB = 250.0
GOAL_START_SECONDS = 3.0

_FIRST_LABEL = """
import os, sys
from pathlib import Path
from services.classifier.app import understanding
from services.classifier.domain.understand import Asked
from services.classifier.gateways.model_file import load

model = load(Path(sys.argv[1]))
stream, asked = understanding(model), understanding(model)
stream.labels([Asked("Nobody answers the phone, I have waited for 45 minutes")])
import psutil
print(psutil.Process().memory_info().rss / 2**20)
"""
Handle = Callable[[Sequence[Any]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Start:
    """A fresh process, until it told its first label."""

    seconds: float
    mib: float


def measure(options: Options, file: Path | None = None, model: Path | None = None) -> Result:
    """Our side in batches of 1, 32 and 256, the floor in batches of 256.

    Args:
        file: posts, one a line, JSON with a `text`; else those of the corpus.
        model: else the one that ships.
    """
    texts = _texts(file)
    seconds, rounds = options.turn_seconds(2.0), options.rounds(5)
    starts = [_started(model or SHIPPED) for _ in range(min(STARTS, rounds))]
    turns = uvloop.run(_measure(texts, model or SHIPPED, seconds, rounds, options.profile))
    largest, single, floor = turns[_name(BATCHES[-1])], turns[_name(1)], turns["floor"]
    waits = [wait for turn in single for wait in turn.waits_ms]
    best = min(starts, key=lambda start: start.seconds)
    return Result(
        name="classify",
        question="from a mention's text to the labelled event, on one core",
        unit="mentions",
        rows=[row_of(name, some) for name, some in turns.items()],
        goals=[
            Goal(
                text=f"mentions a second, batches of {BATCHES[-1]}",
                wanted=GOAL_PER_SECOND,
                found=row_of("", largest).per_second,
            ),
            Goal(
                text="one mention, p99",
                wanted=GOAL_P99_MS,
                found=round(nearest_rank(waits, 0.99), 3),
                at_most=True,
                unit=" ms",
            ),
            Goal(
                text="resident memory",
                wanted=GOAL_MIB,
                found=round(max(start.mib for start in starts), 1),
                at_most=True,
                unit=" MiB",
            ),
            Goal(
                text="from nothing to the first label",
                wanted=GOAL_START_SECONDS,
                found=round(best.seconds, 2),
                at_most=True,
                unit=" s",
            ),
        ],
        settings={
            "texts": len(texts),
            "characters_mean": round(sum(map(len, texts)) / len(texts)),
            "rounds": rounds,
            "turn_seconds": seconds,
        },
        notes=[
            f"one alone: {nearest_rank(waits, 0.5):.3f} ms p50, {nearest_rank(waits, 0.99):.3f} ms p99",
            "the floor is scikit-learn: HashingVectorizer (letters 2-5 in words, words 1-2, 2^17 each) and "
            "LogisticRegression.predict_proba with one head of seven labels; ours has all heads, the rules, the event",
            f"times the floor's rate, batches of {FLOOR_BATCH}: {ratio(largest, floor):.1f}",
            "memory and start are those of a fresh process that imports the whole service; the best of "
            f"{len(starts)} starts, the slowest took {max(start.seconds for start in starts):.2f} s",
        ],
        command=options.command("classify") + (f" --file {file}" if file else ""),
    )


async def _measure(
    texts: Sequence[str], model: Path, seconds: float, rounds: int, profile: bool
) -> dict[str, list[Turn]]:
    classifier = _classifier(model)
    mentions = [_received(number, text) for number, text in enumerate(texts)]
    floor = _floor(texts)
    ours = {_name(size): cut(mentions, size) for size in BATCHES}

    async def through_sklearn(batch: Sequence[str]) -> object:
        return floor(batch)

    def side(batches: Sequence[Sequence[Any]], handle: Handle, title: str = "") -> Callable[[], Awaitable[Turn]]:
        return lambda: _turn(batches, handle, seconds, title)

    sides = {name: side(batches, classifier.on_raw) for name, batches in ours.items()}
    turns = await interleaved(sides | {"floor": side(cut(texts, FLOOR_BATCH), through_sklearn)}, rounds)
    if profile:
        await side(ours[_name(BATCHES[-1])], classifier.on_raw, _name(BATCHES[-1]))()
    return turns


def _name(size: int) -> str:
    return f"batches of {size}" if size > 1 else "one by one"


async def _turn(batches: Sequence[Sequence[Any]], handle: Handle, seconds: float, title: str) -> Turn:
    """Batch after batch, from the first again when all are done."""
    turn = Turn()
    single = len(batches[0]) == 1
    with quiet_gc(), profiled(title), timed(turn, {"client": own_cpu}):
        end = time.perf_counter() + seconds
        for batch in itertools.cycle(batches):
            asked = time.perf_counter()
            await handle(batch)
            now = time.perf_counter()
            if single:
                turn.waits_ms.append((now - asked) * 1000)
            turn.done += len(batch)
            if now > end:
                break
    return turn


def _classifier(model: Path) -> Classifier:
    """As the service has it: the model once for the stream, once for who asks."""
    read = load(model)
    return Classifier(understanding(read), understanding(read), Metrics(CollectorRegistry(), "classifier"))


def _received(number: int, text: str) -> MentionReceived:
    author = str(7_000_000_000 + number)
    return MentionReceived(
        event_id=f"{number:030x}",
        occurred_at=posted_at(number),
        key=conversation_key(SECRET, NETWORK, author),
        network=NETWORK,
        post_id=str(2_000_000_000_000_000_000 + number),
        author_id=author,
        author_username=f"person{number}",
        handle=HANDLE,
        text=text,
        posted_at=posted_at(number),
        received_at=posted_at(number),
    )


def _texts(file: Path | None) -> list[str]:
    if file is None:
        return [post.text for post in read_corpus().posts]
    try:
        lines = file.read_bytes().splitlines()
        posts = [msgspec.json.decode(line) for line in lines if line.strip()]
    except OSError as error:
        raise Trouble(f"{file} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise Trouble(f"{file} is not one JSON object a line: {error}") from error
    found = [post["text"] for post in posts if isinstance(post, dict) and isinstance(post.get("text"), str)]
    if not found:
        raise Trouble(f"{file} holds no posts: each line is a JSON object with a text")
    return found


def _floor(texts: Sequence[str]) -> Callable[[Sequence[str]], object]:
    """scikit-learn with the same kinds of features and one head."""
    hashing = importlib.import_module("sklearn.feature_extraction.text").HashingVectorizer
    union = importlib.import_module("sklearn.pipeline").make_union
    regression = importlib.import_module("sklearn.linear_model").LogisticRegression
    features = union(
        hashing(analyzer="char_wb", ngram_range=(2, 5), n_features=1 << 17),
        hashing(ngram_range=(1, 2), n_features=1 << 17),
    )
    posts = read_corpus().posts
    some = [post for number, post in enumerate(posts) if number % max(1, len(posts) // FLOOR_TAUGHT) == 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is not done after ten steps: it need not be good
        head = regression(max_iter=10).fit(features.transform([p.text for p in some]), [p.intent for p in some])
    return lambda batch: head.predict_proba(features.transform(batch))


def _started(model: Path) -> Start:
    begun = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", _FIRST_LABEL, str(model)], capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    seconds = time.perf_counter() - begun
    if ended.returncode:
        raise Trouble(f"a fresh process could not classify: {ended.stderr.strip().splitlines()[-1]}")
    return Start(seconds, float(ended.stdout))
