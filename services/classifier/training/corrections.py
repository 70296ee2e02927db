"""Learning from agents: corrections as more posts, and the gate a new model has to pass."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.classifier.domain.heads import HEADS, REASONS, TOPICS, urgency_of
from services.classifier.training.corpus import Post

FORBIDDEN = frozenset({"x"})  # networks whose terms forbid training on what was posted there
F1_SLACK = 0.005
RECALL_SLACK = 0.01
CALIBRATION_SLACK = 0.01
REPEATED = 3  # times a correction counts: a person looked twice


class Unfit(Exception):
    """The corrections cannot be learnt from; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Corrections:
    """Corrected posts, and a line for each kind that was left out."""

    posts: Sequence[Post]
    left_out: Sequence[str] = ()
    sha256: str = ""
    x_because: str = ""  # why posts of networks that forbid training were learnt from, where they were

    def told(self) -> dict[str, Any]:
        """What a model says of them."""
        told = {"posts": len(self.posts), "sha256": self.sha256}
        return told | {"x_because": self.x_because} if self.x_because else told


NO_CORRECTIONS = Corrections(())


def read_corrections(path: Path, *, x_because: str = "") -> Corrections:
    """Read the export of the router's `/v1/corrections`: NDJSON, one correction a line; the last of a post counts.

    Args:
        x_because: why posts of networks that forbid training may be learnt from here; empty: they are left out.

    Raises:
        Unfit: a line is not a correction; it is named.
        OSError: the file cannot be read.
    """
    content = path.read_bytes()
    latest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            told = _correction(line, f"{path}:{number}")
            latest[str(told["network"]), str(told["post_id"])] = told
    allowed = [one for one in latest.values() if x_because or one["network"] not in FORBIDDEN]
    posts = [_post(one) for one in allowed for _ in range(REPEATED)]
    left_out = []
    if forbidden := len(latest) - len(allowed):
        left_out.append(f"{forbidden} left out: their network forbids training (--x-because REASON to learn from them)")
    if not posts:
        raise Unfit(f"{path} holds nothing to learn from; " + (left_out[0] if left_out else "it is empty"))
    learnt_from_x = any(one["network"] in FORBIDDEN for one in allowed)
    return Corrections(posts, left_out, hashlib.sha256(content).hexdigest(), x_because if learnt_from_x else "")


def _correction(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        told = json.loads(line)
        _ = told["network"], told["post_id"], told["text"], told["labels"]["intent"]
    except (ValueError, KeyError, TypeError) as error:
        raise Unfit(f"{where} is not a correction as /v1/corrections exports them ({error!r})") from error
    return told  # type: ignore[no-any-return]


def _post(told: Mapping[str, Any]) -> Post:
    labels = told["labels"]
    intent = labels["intent"]
    topics = tuple(topic for topic in TOPICS if topic in labels.get("topics", ()))
    wanted = {*labels.get("reasons", ())} - {"complaint", "wait_loop", "manual"}
    wanted |= {"complaint"} if intent == "complaint" else set()
    wanted |= {"wait_loop"} if "wait_loop" in topics else set()
    reasons = tuple(reason for reason in REASONS if reason in wanted)
    return Post(
        id=f"{told['network']}:{told['post_id']}",
        language=labels.get("language", "und"),
        text=told["text"],
        intent=intent,
        needs_response=bool(labels.get("needs_response", intent not in ("praise_thanks", "chatter", "spam_abuse"))),
        urgency=urgency_of(intent, reasons),
        reasons=reasons,
        sentiment=labels.get("sentiment", "neutral"),
        topics=topics,
        contact_channel=labels.get("contact_channel", "none"),
        channel_sentiment=labels.get("channel_sentiment", "neutral"),
        asks_private_contact="asks_private_contact" in labels.get("flags", ()),
        is_question="is_question" in labels.get("flags", ()),
    )


def worse_than(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Where a new model is worse by more than the slack, in words; nothing means that it may be used.

    Both are judged on posts they had not seen: macro-F1 of a head by .005, recall of critical posts or calibration
    by .01.
    """
    found = []
    for language, heads in before.items():
        now = after.get(language, {})
        for head in HEADS:
            old, new = heads.get(head), now.get(head)
            if not isinstance(old, Mapping) or not isinstance(new, Mapping):
                continue
            for figure, slack, more_is_better in (
                ("macro_f1", F1_SLACK, True),
                ("auroc", F1_SLACK, True),
                ("calibration_error", CALIBRATION_SLACK, False),
            ):
                if figure in old and figure in new:
                    lost = (old[figure] - new[figure]) * (1 if more_is_better else -1)
                    if lost > slack:
                        found.append(f"{language} {head} {figure} {old[figure]:.3f} -> {new[figure]:.3f}")
        old, new = heads.get("critical", {}).get("recall"), now.get("critical", {}).get("recall")
        if old is not None and new is not None and old - new > RECALL_SLACK:
            found.append(f"{language} critical recall {old:.3f} -> {new:.3f}")
    return found
