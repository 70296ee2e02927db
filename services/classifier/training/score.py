"""How good a model is: by head and language, on texts it has not seen."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.classifier.domain.heads import CRITICAL, FIRST_SINGLE, HEADS, SINGLES, TOPICS
from services.classifier.training.calibrate import calibration_error
from services.classifier.training.corpus import Post
from services.classifier.training.examples import FIRST_TAUGHT, TAUGHT

KINDS = {"en": 0, "fr": 1}


def macro_f1(told: NDArray[Any], right: NDArray[Any]) -> float:
    """The mean F1 over the labels that are there or were told."""
    found = []
    for label in np.union1d(told, right):
        hits = int(((told == label) & (right == label)).sum())
        found.append(2 * hits / max(1, int((told == label).sum() + (right == label).sum())))
    return float(np.mean(found))


def auroc(scores: NDArray[Any], positive: NDArray[Any]) -> float:
    """The chance that a positive stands above a negative; ties count half. Nothing to compare gives .5."""
    positive = np.asarray(positive, bool)
    p, n = int(positive.sum()), int((~positive).sum())
    if not p or not n:
        return 0.5
    _, where, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[where]
    return float((rank[positive].sum() - p * (p + 1) / 2) / (p * n))


def held_out(
    scores: NDArray[np.float32],
    sharp: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    one: NDArray[np.int16],
    any_: NDArray[np.int8],
    posts: Sequence[Post],
) -> dict[str, Any]:
    """Scores by language: accuracy, macro-F1 and calibration of each head, F1 of the single labels.

    `scores` begin with the first column the corpus teaches.
    """
    scores = np.hstack([np.zeros((len(scores), FIRST_TAUGHT), np.float32), scores])
    spoken = np.array([KINDS.get(post.language, 2) for post in posts])
    found: dict[str, Any] = {}
    for name, kind in (("en", 0), ("fr", 1)):
        of_kind = spoken == kind
        if not of_kind.any():
            continue
        by_head: dict[str, Any] = {}
        for h, head in enumerate(TAUGHT):
            chosen = of_kind & (one[:, h] >= 0)
            if not chosen.any():
                continue
            x = scores[chosen, head.start : head.stop] * sharp[kind, head.start : head.stop]
            p = np.exp(x - x.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            told, right = p.argmax(axis=1), one[chosen, h]
            by_head[head.name] = {
                "accuracy": round(float((told == right).mean()), 4),
                "macro_f1": round(macro_f1(told, right), 4),
                "calibration_error": round(calibration_error(p.max(axis=1), told == right), 4),
                "texts": int(chosen.sum()),
            }
        p = 1 / (1 + np.exp(-scores[of_kind, FIRST_SINGLE:] * sharp[kind, FIRST_SINGLE:]))
        y = any_[of_kind] == 1
        holds = p >= thresholds[FIRST_SINGLE:]
        place = {label: number for number, label in enumerate(SINGLES)}
        need = place["needs_response"]
        by_head["needs_response"] = {
            "auroc": round(auroc(p[:, need], y[:, need]), 4),
            "calibration_error": round(calibration_error(p[:, need].astype(np.float32), y[:, need]), 4),
        }
        f1 = {label: _f1(holds[:, place[label]], y[:, place[label]]) for label in SINGLES}
        by_head["topics"] = {"macro_f1": round(float(np.mean([f1[topic] for topic in TOPICS])), 4)}
        by_head["reasons"] = {label: round(f1[label], 4) for label in HEADS["reasons"].labels}
        critical = [place[label] for label in CRITICAL]
        is_critical = y[:, critical].any(axis=1)
        by_head["critical"] = {
            "recall": round(float(holds[:, critical].any(axis=1)[is_critical].mean()), 4)
            if is_critical.any()
            else None,
            "precision": round(float(is_critical[holds[:, critical].any(axis=1)].mean()), 4),
        }
        found[name] = by_head
    return found


def _f1(told: NDArray[np.bool_], right: NDArray[np.bool_]) -> float:
    return float(2 * (told & right).sum() / max(1, told.sum() + right.sum()))
