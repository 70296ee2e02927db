"""Track B: the weights that ship, which saw none of these sets, by the mappings beside this file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.classifier.sets import path_of, rows_of
from cli.evaluate import BATCH, evaluated
from services.classifier.domain.understand import Asked, Understanding

MAPS = Path(__file__).parent / "maps"
SHORT = 40  # characters: shorter texts tell little of their language
SEVEN = ("en", "fr", "es", "de", "it", "pt", "nl")

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asking:
    """One figure of one judgement of one mapping."""

    text: str
    mapping: str
    judge: str
    figure: Callable[[Figures], float | None]
    wanted: float | None = None  # of the targets, where there is one for it

    @property
    def file(self) -> str:
        """The set; one with several mappings has a language at the end of each."""
        return self.mapping.removesuffix("_en").removesuffix("_fr")


@dataclass(frozen=True, slots=True)
class Answer:
    """A figure, what was wanted of it, and of how many texts it is."""

    text: str
    found: float | None
    wanted: float | None
    texts: int
    calibration_error: float | None


def _of(key: str) -> Callable[[Figures], float | None]:
    return lambda of: of.get(key)


def _recall(label: str) -> Callable[[Figures], float | None]:
    return lambda of: of["recall"].get(label)


_F1, _AUROC = _of("macro_f1"), _of("auroc")
ASKED = (
    Asking("airline sentiment, macro-F1", "airline_us", "sentiment", _F1, 0.66),
    Asking("airline sentiment, negative recall", "airline_us", "sentiment", _recall("negative"), 0.80),
    Asking("complaint, macro-F1", "complaints_acl19", "complaint", _F1, 0.74),
    Asking("complaint, AUROC", "complaints_acl19", "complaint", _AUROC, 0.82),
    Asking("actionable, AUROC (first person)", "mentions_sys6018", "actionable, first person", _AUROC, 0.86),
    Asking("actionable, AUROC (second person)", "mentions_sys6018", "actionable, second person", _AUROC, 0.86),
    Asking("actionable, AUROC of p(complaint)", "mentions_sys6018", "actionable, by p(complaint)", _AUROC),
    Asking("French complaints, recall", "fr_signalconso", "complaint", _recall("yes"), 0.92),
    Asking("French complaints, needs a response", "fr_signalconso", "needs a response", _recall("yes")),
    Asking("language, 7 languages, accuracy", "lid_tweets", "language", _of("accuracy"), 0.983),
    Asking("English feedback: complaint, AUROC", "cfa_ijcnlp17_en", "complaint", _AUROC),
    Asking("French feedback: complaint, AUROC", "cfa_ijcnlp17_fr", "complaint", _AUROC),
    Asking("French feedback: complaint, macro-F1", "cfa_ijcnlp17_fr", "complaint", _F1),
    Asking("English sentiment (UMSAB), macro-F1", "umsab_tweets_en", "sentiment", _F1),
    Asking("French sentiment (UMSAB), macro-F1", "umsab_tweets_fr", "sentiment", _F1),
    Asking("English sentiment (TweetEval), macro-F1", "tweeteval", "sentiment", _F1),
    Asking("French negative (machine-translated), AUROC", "fr_sent140_mt", "negative", _AUROC),
    Asking("topics, six of ours, macro-F1", "twcs_topics600", "topics", _F1),
    Asking("topics, six of ours, AUROC", "twcs_topics600", "topics", _AUROC),
)
SHORT_WANTED = 0.93


def shipped(folder: Path, model: Understanding) -> tuple[list[Answer], list[str]]:
    """The figures, and the sets that are not there."""
    done: dict[str, dict[str, Any]] = {}
    away: list[str] = []
    answers: list[Answer] = []
    for asking in ASKED:
        csv = path_of(folder, asking.file)
        if not csv.exists():
            away += [asking.file] if asking.file not in away else []
            continue
        if asking.mapping not in done:
            done[asking.mapping] = evaluated(csv, None, MAPS / f"{asking.mapping}.toml", lambda: model)
        [of] = [one["by_language"] for one in done[asking.mapping]["judgements"] if one["name"] == asking.judge]
        of = of["all"]
        answers.append(Answer(asking.text, asking.figure(of), asking.wanted, of["texts"], of["calibration_error"]))
        if asking.mapping == "lid_tweets":
            answers.append(_short(folder, model))
    return answers, away


def _short(folder: Path, model: Understanding) -> Answer:
    """The languages of the short texts alone, which no mapping can ask for."""
    rows = rows_of(path_of(folder, "lid_tweets"))
    meant = [row for row in rows if row["lang"] in SEVEN and len(row["text"]) < SHORT]
    told = _languages(model, [row["text"] for row in meant])
    hits = sum(row["lang"] == language for row, language in zip(meant, told, strict=True))
    text = f"language, under {SHORT} characters, accuracy"
    return Answer(text, hits / max(1, len(meant)), SHORT_WANTED, len(meant), None)


def _languages(model: Understanding, texts: Sequence[str]) -> list[str]:
    return [
        labels.language
        for at in range(0, len(texts), BATCH)
        for labels in model.labels([Asked(text) for text in texts[at : at + BATCH]])
    ]
