"""`python -m bench.classifier DATA_FOLDER`: both tracks beside their targets, as Markdown or JSON."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.classifier.sets import SETS, path_of
from bench.classifier.shipped import Answer, shipped
from bench.classifier.taught import Found, Method, lesson, method_of
from cli.classify import opened
from cli.trouble import Trouble
from services.classifier.gateways.model_file import load_words

# Accuracy, macro-F1 and AUROC that a fast tier should reach when a set teaches it.
WANTED: dict[str, tuple[float | None, float | None, float | None]] = {
    "airline sentiment": (0.83, 0.78, None),
    "ten complaint reasons": (0.66, 0.59, None),
    "complaint yes/no": (None, 0.85, None),
    "French sentiment": (0.66, None, None),
    "French feedback": (0.77, 0.47, None),
    "Banking77": (0.925, None, None),
    "CLINC150": (0.935, None, 0.96),
}
Taught = dict[str, tuple[Method, Found]]


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(prog="python -m bench.classifier", description=__doc__)
    asked.add_argument("folder", type=Path, help="the folder with the labelled sets, NAME.train.csv")
    asked.add_argument("--json", action="store_true", help="one JSON object instead of Markdown")
    asked.add_argument("--model", type=Path, help="else the model that ships")
    asked.add_argument("--cascade", type=float, default=0, help="the share that an encoder reads again, 0..1")
    asked.add_argument(
        "--track", choices=("a", "b", "both"), default="both", help="a: taught by each set; b: what ships"
    )
    given = asked.parse_args()
    if not given.folder.is_dir():
        raise Trouble(f"{given.folder} is no folder: name the one with the labelled sets", 2)
    taught = _taught(given.folder) if given.track != "b" else {}
    answers, away = shipped(given.folder, opened(given.model, given.cascade)) if given.track != "a" else ([], [])
    away += [one.file for one in SETS if not path_of(given.folder, one.file).exists() and one.file not in away]
    if given.json:
        sys.stdout.write(json.dumps(_as_json(taught, answers, away), ensure_ascii=False) + "\n")
    else:
        sys.stdout.writelines(line + "\n" for line in _markdown(taught, answers, away))


def _taught(folder: Path) -> Taught:
    near, _ = load_words()
    found: Taught = {}
    for one in SETS:
        if path_of(folder, one.file).exists():
            sys.stderr.write(f"{one.name} ...\n")
            method = method_of(one.name)
            found[one.name] = method, lesson(one, folder, near).taught(method)
    return found


def _as_json(taught: Taught, answers: Sequence[Answer], away: Sequence[str]) -> dict[str, Any]:
    return {
        "taught": {name: {"method": asdict(method)} | asdict(found) for name, (method, found) in taught.items()},
        "shipped": [asdict(answer) for answer in answers],
        "not_there": list(away),
    }


def _markdown(taught: Taught, answers: Sequence[Answer], away: Sequence[str]) -> Iterator[str]:
    if taught:
        yield "The same method, taught by four fifths of each set and judged on the fifth it has not seen:"
        yield ""
        yield "| set | texts judged | accuracy | wanted | macro-F1 | wanted | AUROC | wanted | calibration error |"
        yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        for name, (_, found) in taught.items():
            figures = (found.accuracy, found.macro_f1, found.auroc)
            cells = [text for pair in zip(figures, WANTED[name], strict=True) for text in _pair(*pair)]
            yield f"| {name} | {found.texts:,} | {' | '.join(cells)} | {found.calibration_error:.3f} |"
        yield ""
    if answers:
        yield "What ships, which has seen none of these sets:"
        yield ""
        yield "| figure | texts | found | wanted | | calibration error |"
        yield "| --- | ---: | ---: | ---: | --- | ---: |"
        for one in answers:
            share, wanted = _pair(one.found, one.wanted)
            calibration = "" if one.calibration_error is None else f"{one.calibration_error:.3f}"
            yield f"| {one.text} | {one.texts:,} | {share} | {wanted} | {_verdict(one)} | {calibration} |"
        yield ""
    if away:
        yield f"Not there: {', '.join(away)}."


def _pair(found: float | None, wanted: float | None) -> tuple[str, str]:
    return ("" if found is None else f"{found * 100:.1f}"), ("" if wanted is None else f"{wanted * 100:.1f}")


def _verdict(one: Answer) -> str:
    if one.found is None or one.wanted is None:
        return ""
    return "met" if one.found >= one.wanted else f"missed by {(one.wanted - one.found) * 100:.1f}"


if __name__ == "__main__":
    try:
        main()
    except Trouble as trouble:
        sys.stderr.write(f"bench.classifier: {trouble}\n")
        sys.exit(trouble.code)
