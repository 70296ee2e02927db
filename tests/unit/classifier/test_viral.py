"""How likely a post is to spread."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Reach
from services.classifier.domain.viral import HIGH, Viral, viral_risk

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def test_nothing_known_is_no_risk() -> None:
    assert viral_risk(Reach(), 1.0, HOUR) == Viral(0.0, 0.0, 0.0, 0.0, 0.0)
    assert viral_risk(Reach(verified=True), 1.0, HOUR).score == 0.0


def test_many_followers_and_a_negative_tone_are_high() -> None:
    assert viral_risk(Reach(followers=100_000), 0.8, HOUR).score >= HIGH
    assert viral_risk(Reach(followers=100_000), 0.1, HOUR).score < HIGH


def test_twenty_reactions_a_minute_and_a_negative_tone_are_high() -> None:
    fast = Reach(followers=12, reposts=300, quotes=100, likes=800)

    assert viral_risk(fast, 0.8, HOUR).score >= HIGH
    assert viral_risk(fast, 0.8, 48 * HOUR).score < HIGH


def test_a_small_account_is_not_lowered() -> None:
    likes = Reach(likes=600)

    assert viral_risk(Reach(followers=3, likes=600), 0.9, HOUR).score == viral_risk(likes, 0.9, HOUR).score


def test_a_verified_author_raises_a_little() -> None:
    plain, verified = (viral_risk(Reach(followers=20_000, verified=v), 0.9, HOUR) for v in (False, True))

    assert plain.score < verified.score < plain.score + 0.1
    assert (plain.verified, verified.verified) == (0.0, 1.0)


@pytest.mark.parametrize(("followers", "part"), [(0, 0.0), (1_000, 0.0), (10_000, 0.5), (100_000, 1.0), (10**9, 1.0)])
def test_followers_count_by_their_logarithm(followers: int, part: float) -> None:
    assert viral_risk(Reach(followers=followers), 0.5, HOUR).followers == pytest.approx(part)


def test_two_likes_in_the_first_second_are_no_storm() -> None:
    assert viral_risk(Reach(likes=2), 1.0, timedelta(seconds=1)) == viral_risk(Reach(likes=2), 1.0, MINUTE)
    assert viral_risk(Reach(likes=2), 1.0, -HOUR).score < HIGH


counts = st.none() | st.integers(-5, 10**12)


@given(counts, counts, counts, counts, st.none() | st.booleans(), st.floats(), st.timedeltas())
def test_everything_stays_between_0_and_1(
    followers: int | None,
    reposts: int | None,
    quotes: int | None,
    likes: int | None,
    verified: bool | None,
    negative: float,
    age: timedelta,
) -> None:
    reach = Reach(followers=followers, verified=verified, reposts=reposts, quotes=quotes, likes=likes)
    risk = viral_risk(reach, negative, age)

    parts = (risk.score, risk.followers, risk.velocity, risk.negative, risk.verified)
    assert all(0.0 <= part <= 1.0 for part in parts)
