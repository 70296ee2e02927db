"""`guichet train`: from the corpus to a model file, the same file from the same corpus."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.classifier.domain.heads import COLUMNS, CRITICAL, FIRST_SINGLE, LANGUAGES, SINGLES
from services.classifier.domain.model import Weights
from services.classifier.domain.words import NO_WORDS, Words
from services.classifier.training import calibrate, fit
from services.classifier.training.corpus import Corpus, Post
from services.classifier.training.corrections import NO_CORRECTIONS, Corrections
from services.classifier.training.examples import FIRST_TAUGHT, balance, features_of, known
from services.classifier.training.languages import MAIN, MORE_LIKELY, lines_of_words
from services.classifier.training.score import KINDS, held_out

LANGUAGE_PACE = fit.Pace(passes=5, l1=0.05)
CODE = (
    "domain/text.py",
    "domain/features.py",
    "domain/heads.py",
    "domain/words.py",
    "training/fit.py",
    "training/examples.py",
    "training/languages.py",
)
MISS = 1.5  # beta of the thresholds of critical reasons: a miss costs more than a false alarm
CRITICAL_FROM = 0.3  # at least: what interrupts people has to be right now and then
Say = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Built:
    """A model before it is written."""

    weights: Weights
    about: Mapping[str, Any]


def build(
    corpus: Corpus,
    name: str,
    near: Words,
    words_sha256: str,
    corrections: Corrections = NO_CORRECTIONS,
    pace: fit.Pace | None = None,
    say: Say = lambda _what, _share: None,
) -> Built:
    """Fit, round, set the confidences right on five held-out folds, and score on them.

    Args:
        corrections: learnt from beside the corpus, and never judged on: two models of one corpus can be compared.
        say: told what is being done, and how much of all is done (0..1).

    Raises:
        ImportError: the word lists of the extra `train` are not installed.
    """
    pace = pace or fit.Pace()
    say("reading", 0.0)
    judged, posts = len(corpus.posts), [*corpus.posts, *corrections.posts]
    one, any_ = known(posts)
    task = fit.Task(features_of([post.text for post in posts], near), one, any_, balance(one))
    folds = np.array([calibrate.fold_of(post) for post in corpus.posts] + [-1] * len(corrections.posts))
    unseen = np.zeros((judged, COLUMNS - FIRST_TAUGHT), np.float32)
    for fold in range(calibrate.FOLDS):
        say(f"fold {fold + 1} of {calibrate.FOLDS}", fold / (calibrate.FOLDS + 2))
        fitted = fit.fit(task, np.flatnonzero(folds != fold), pace)
        outside = np.flatnonzero(folds == fold)
        unseen[outside] = fit.scores(fitted, task.features, outside)
    say("languages", calibrate.FOLDS / (calibrate.FOLDS + 2))
    languages = fit_languages()
    say("the whole corpus", (calibrate.FOLDS + 1) / (calibrate.FOLDS + 2))
    rounded = in_eight_bits(languages, fit.fit(task, np.arange(len(posts)), pace))
    one, any_ = one[:judged], any_[:judged]
    sharp = calibrate.sharpness(unseen, one, any_, [post.language for post in corpus.posts])
    weights = Weights(*rounded, sharp, thresholds(_single_probabilities(unseen, sharp, corpus.posts), any_))
    about = {
        "name": name,
        "kind": "hashed linear, int8",
        "corpus": {"posts": judged, "sha256": corpus.sha256, "languages": _counts(corpus.posts)},
        "corrections": corrections.told(),
        "words_sha256": words_sha256,
        "code_sha256": code_hash(),
        "pace": asdict(pace),
        "scores": held_out(unseen, sharp, weights.thresholds, one, any_, corpus.posts),
    }
    return Built(weights, about)


def fit_languages() -> fit.Fitted:
    """The language columns, taught by lines of words alone: the posts are of two languages, the world is not."""
    lines, languages = lines_of_words()
    known_ = np.array([[LANGUAGES.index(language)] for language in languages], np.int16)
    nothing = np.zeros((len(lines), 0), np.int8)
    task = fit.Task(features_of(lines, NO_WORDS), known_, nothing, np.ones((len(lines), 1), np.float32))
    heads = np.array([[0, len(LANGUAGES)]], np.int64)
    fitted = fit.fit(task, np.arange(len(lines)), LANGUAGE_PACE, heads=heads, singles=np.zeros(0, np.int64))
    fitted.bias[: len(MAIN)] += MORE_LIKELY  # they stand first among the columns
    return fitted


def in_eight_bits(
    languages: fit.Fitted, rest: fit.Fitted
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """The weights as whole numbers, what one of them is worth by column, and those of the vectors and the bias."""
    table = np.hstack([languages.table, rest.table])
    scale = np.maximum(np.abs(table).max(axis=0) / 127, 1e-9).astype(np.float32)
    near = np.hstack([np.zeros((len(rest.near), len(LANGUAGES)), np.float32), rest.near])
    return np.rint(table / scale).astype(np.int8), scale, near, np.concatenate([languages.bias, rest.bias])


def _single_probabilities(
    scores: NDArray[np.float32], sharp: NDArray[np.float32], posts: Sequence[Post]
) -> NDArray[np.float32]:
    kind = np.array([KINDS.get(post.language, 2) for post in posts])
    singles = scores[:, FIRST_SINGLE - FIRST_TAUGHT :]
    found: NDArray[np.float32] = (1 / (1 + np.exp(-singles * sharp[kind][:, FIRST_SINGLE:]))).astype(np.float32)
    return found


def thresholds(probabilities: NDArray[np.float32], any_: NDArray[np.int8]) -> NDArray[np.float32]:
    """Where each single label begins to hold, by column of the weights."""
    found = np.full(COLUMNS, 0.5, np.float32)
    for number, label in enumerate(SINGLES):
        beta = MISS if label in CRITICAL else 1.0
        if label != "needs_response":
            least = CRITICAL_FROM if label in CRITICAL else 0.0
            best = calibrate.threshold(probabilities[:, number], any_[:, number], beta)
            found[FIRST_SINGLE + number] = max(best, least)
    return found


def code_hash() -> str:
    """Of the files that decide what the weights are."""
    digest = hashlib.sha256()
    for name in CODE:
        digest.update((Path(__file__).parent.parent / name).read_bytes())
    return digest.hexdigest()


def _counts(posts: Sequence[Post]) -> dict[str, int]:
    return {
        language: sum(post.language == language for post in posts) for language in sorted({p.language for p in posts})
    }
