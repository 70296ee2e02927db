"""`guichet classify`: one post a line in, one JSON object a line out, in order."""

import itertools
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from cli.trouble import Trouble
from libs.common.errors import Misconfigured
from services.classifier.app import second_look, understanding
from services.classifier.domain.understand import Asked, Understanding, Understood
from services.classifier.gateways.model_file import SHIPPED, load

BATCH = 256
_LABELS = (
    "language", "intent", "secondary_intent", "needs_response", "urgency", "reasons", "sentiment", "topics",
    "contact_channel", "channel_sentiment", "blamed_channel", "flags", "stated_wait_minutes", "confidence", "decision",
    "model",
)  # fmt: skip


def opened(model: Path | None, cascade: float = 0) -> Understanding:
    """The model of a file, or the one that ships; `cascade` is the share of the posts an encoder reads again.

    Raises:
        Trouble: it cannot be used.
    """
    try:
        return understanding(load(model or SHIPPED), second_look(cascade, math.inf))
    except Misconfigured as error:
        raise Trouble(str(error), 2) from error


def classify(source: Path | None, model: Path | None, cascade: float = 0, *, scores: bool) -> None:
    """Classify the lines of a file, or of standard input.

    Raises:
        Trouble: there is no such file, or the model cannot be used.
    """
    understood = opened(model, cascade)
    try:
        file: BinaryIO = sys.stdin.buffer if source is None or str(source) == "-" else source.open("rb")
    except OSError as error:
        raise Trouble(f"{source} cannot be read: {error.strerror}") from error
    write = sys.stdout.write
    for batch in _batches(_posts(file)):
        for (id_, _), one in zip(batch, understood.understood([asked for _, asked in batch]), strict=True):
            write(json.dumps(told(id_, one, scores=scores), ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def told(id_: str, one: Understood, *, scores: bool) -> dict[str, Any]:
    """What is written of one post: as `POST /v1/classify` answers."""
    found: dict[str, Any] = {"id": id_} | {name: getattr(one.labels, name) for name in _LABELS}
    if scores:
        found["scores"] = one.scores
    return found


def _posts(lines: Iterable[bytes]) -> Iterator[tuple[str, Asked]]:
    """The posts of lines: JSON objects in X's shape by their id, anything else as plain text by its line's number."""
    for number, line in enumerate(lines, 1):
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if number == 1:
            text = text.removeprefix("\ufeff")
        post: Any = None
        if text.startswith("{"):
            try:
                post = json.loads(text)
            except ValueError:
                post = None
        if isinstance(post, dict) and isinstance(post.get("text"), str):
            hint = post.get("lang")
            yield str(post.get("id", number)), Asked(post["text"], hint if isinstance(hint, str) else "")
        else:
            yield str(number), Asked(text)


def _batches(posts: Iterator[tuple[str, Asked]]) -> Iterator[Sequence[tuple[str, Asked]]]:
    while batch := list(itertools.islice(posts, BATCH)):
        yield batch
