"""`guichet train`: a model file from the corpus, and from corrections where they are given."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.trouble import Trouble
from libs.common.errors import Misconfigured
from services.classifier.gateways.cascade_file import E5, ENCODER, save_second
from services.classifier.gateways.model_file import SHIPPED, UnusableModel, load, load_words, save
from services.classifier.training import cascade
from services.classifier.training.build import Built, build
from services.classifier.training.corpus import CORPUS, Corpus, read_corpus
from services.classifier.training.corrections import (
    NO_CORRECTIONS,
    Corrections,
    Unfit,
    read_corrections,
    worse_than,
)


def train(
    corpus: Path | None, corrections: Path | None, out_file: Path, name: str, x_because: str, console: Console
) -> None:
    """Train and write; with corrections, compare with the model that ships first.

    Raises:
        Trouble: nothing to learn from, something is not installed, or the new model is worse: nothing is written.
    """
    learnt = NO_CORRECTIONS
    try:
        posts = read_corpus(corpus or CORPUS)
        if corrections is not None:
            learnt = read_corrections(corrections, x_because=x_because)
            console.print("; ".join([f"learning from {len(learnt.posts)} corrected posts", *learnt.left_out]))
        built = _built(posts, name, learnt, console)
    except (ValueError, OSError, Unfit) as error:
        raise Trouble(str(error)) from error
    except ImportError as error:
        raise Trouble(f"{error.name} is not installed: pip install 'guichet[train]'") from error
    if learnt.posts and (worse := _worse(built)):
        raise Trouble("not written, it is worse than the model that ships: " + "; ".join(worse))
    sha256 = save(out_file, built.weights, built.about)
    console.print(f"{out_file}: {name}, {built.about['corpus']['posts']:,} posts, sha256 {sha256}")


def train_cascade(corpus: Path | None, corrections: Path | None, out_file: Path, console: Console) -> None:
    """Train the heads of the second look, beside the model that ships, and write them.

    Raises:
        Trouble: nothing to learn from, or the encoder is not installed.
    """
    if corrections is not None:
        raise Trouble("the second look learns from the corpus alone: leave out --corrections", 2)
    try:
        encoder, posts = E5(), read_corpus(corpus or CORPUS)
        shipped = load(SHIPPED)
    except (ValueError, OSError, Misconfigured) as error:
        raise Trouble(str(error)) from error
    chosen = cascade.sample(posts)
    with _progress(console) as bar:
        task = bar.add_task("the corpus at first sight", total=1.0)
        below = cascade.first_look(posts, shipped.words, shipped.weights.sharpness)
        read = cascade.vectors(chosen, encoder, lambda what, share: bar.update(task, description=what, completed=share))
        heads, scores = cascade.teach(chosen, read, below)
    about = {"corpus": {"posts": len(chosen), "sha256": posts.sha256}, "encoder": ENCODER, "scores": scores}
    console.print(f"{out_file}: {len(chosen):,} posts, sha256 {save_second(out_file, heads, about)}")


def _worse(built: Built) -> list[str]:
    """Where it is worse than the model that ships, on the same posts; they are the same where the corpus is."""
    try:
        before = load(SHIPPED)
    except UnusableModel:
        return []
    return worse_than(before.about["scores"], built.about["scores"])


def _built(corpus: Corpus, name: str, corrections: Corrections, console: Console) -> Built:
    with _progress(console) as bar:
        task = bar.add_task("reading", total=1.0)
        return build(
            corpus, name, *load_words(), say=lambda what, share: bar.update(task, description=what, completed=share)
        )


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:<20}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
