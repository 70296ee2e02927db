"""What a replay says of itself."""

from collections import Counter

from cli.replay import Tally, reason_of
from cli.replay_command import facts, reasons, summary


def test_the_summary_counts_everything_and_says_how_fast() -> None:
    assert summary(Tally(18881, 18880, 1), 18881, 4.0) == [
        "18,881 posts: 18,880 accepted, 1 duplicates, 0 rejected; 18,881 in 4.0 s (4,720/s)"
    ]


def test_rejected_posts_are_a_warning_with_their_reasons() -> None:
    tally = Tally(10, 5, 0, 5, Counter({"$.text: missing": 3, "not a JSON object": 2}))
    assert summary(tally, 10, 1.0)[1] == "warning: rejected: 3 x $.text: missing; 2 x not a JSON object"


def test_only_the_commonest_reasons_are_named() -> None:
    assert reasons(Tally(reasons=Counter({"a": 3, "b": 2, "c": 1, "d": 1})), most=2) == (
        "3 x a; 2 x b; 2 for other reasons"
    )


def test_a_reason_names_the_place_and_not_the_post() -> None:
    assert reason_of({"index": 4, "id": "9", "path": "$.text", "detail": "It is missing."}) == "$.text: It is missing."
    assert reason_of({"index": 4, "type": "line-too-long"}) == "line-too-long"


def test_the_bar_says_rate_counts_and_what_is_left() -> None:
    assert facts(Tally(10, 9, 0, 1), 200.0, 90.0) == "200/s  9 accepted  1 rejected  90 s left"
    assert facts(Tally(10, 10), 200.0, None) == "200/s  10 accepted"
