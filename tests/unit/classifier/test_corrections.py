"""Learning from agents: what may be learnt from, and the gate."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.classifier.training.corrections import Unfit, read_corrections, worse_than


def correction(**changed: Any) -> dict[str, Any]:
    return {
        "id": "cor_1",
        "network": "crm",
        "post_id": "1",
        "text": "where is my parcel",
        "labels": {"language": "en", "intent": "assistance_request", "sentiment": "neutral", "topics": ["wait_loop"]},
        "version": 1,
    } | changed


def written(tmp_path: Path, *corrections: dict[str, Any]) -> Path:
    path = tmp_path / "corrections.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in corrections))
    return path


def test_a_correction_becomes_a_post_with_consistent_labels(tmp_path: Path) -> None:
    found = read_corrections(written(tmp_path, correction()))
    post = found.posts[0]
    assert (post.id, post.intent, post.urgency, post.reasons) == ("crm:1", "assistance_request", "high", ("wait_loop",))


def test_the_last_correction_of_a_post_counts(tmp_path: Path) -> None:
    later = correction(labels={"intent": "complaint"}, version=2)
    assert {post.intent for post in read_corrections(written(tmp_path, correction(), later)).posts} == {"complaint"}


def test_posts_of_a_network_that_forbids_training_are_left_out_unless_somebody_says_why(tmp_path: Path) -> None:
    path = written(tmp_path, correction(network="x", post_id="9"), correction())
    refused = read_corrections(path)
    assert {post.id for post in refused.posts} == {"crm:1"}
    assert refused.left_out == ["1 left out: their network forbids training (--x-because REASON to learn from them)"]
    assert "x_because" not in refused.told()

    allowed = read_corrections(path, x_because="our own research licence")
    assert {post.id for post in allowed.posts} == {"crm:1", "x:9"}
    assert allowed.told()["x_because"] == "our own research licence"


def test_nothing_to_learn_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="holds nothing to learn from"):
        read_corrections(written(tmp_path, correction(network="x")))
    path = written(tmp_path, correction())
    path.write_text(path.read_text() + '{"id": 3}\n')
    with pytest.raises(Unfit, match=r"corrections\.ndjson:2 is not a correction"):
        read_corrections(path)


SCORES = {
    "en": {
        "intent": {"macro_f1": 0.70, "calibration_error": 0.02},
        "needs_response": {"auroc": 0.91},
        "critical": {"recall": 0.80},
    }
}


def changed(head: str, figure: str, value: float) -> dict[str, Any]:
    return {"en": {**SCORES["en"], head: {**SCORES["en"][head], figure: value}}}


@pytest.mark.parametrize(
    ("after", "worse"),
    [
        (SCORES, []),
        (changed("intent", "macro_f1", 0.72), []),
        (changed("intent", "macro_f1", 0.697), []),
        (changed("intent", "macro_f1", 0.69), ["en intent macro_f1 0.700 -> 0.690"]),
        (changed("intent", "calibration_error", 0.05), ["en intent calibration_error 0.020 -> 0.050"]),
        (changed("needs_response", "auroc", 0.90), ["en needs_response auroc 0.910 -> 0.900"]),
        (changed("critical", "recall", 0.75), ["en critical recall 0.800 -> 0.750"]),
    ],
)
def test_a_model_that_is_worse_on_any_head_does_not_pass(after: dict[str, Any], worse: list[str]) -> None:
    assert worse_than(SCORES, after) == worse
