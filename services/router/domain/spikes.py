"""Spikes: more mentions of a topic than there should be at this hour; and too much that is critical. Pure."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from math import pi, sqrt
from statistics import median

from services.router.domain.incidents import Incident, Matcher, Spike

BUCKET = timedelta(minutes=10)
WEEKS = 4
"""Of how many earlier weeks the same hour is looked at, each with the bucket before and after."""

HOURS = timedelta(hours=3)
"""Where fewer than two weeks are known: the last hours, and those around this one yesterday."""

LEAST_COUNT = 10
LEAST_TIMES = 2.0
"""A spike is at least so many mentions, and at least so many times what is expected."""

DEVIATIONS = 4.0
"""Of the prediction: with 30 topics in 144 buckets a day, about one false alarm in a week."""

LASTS = timedelta(hours=6)
"""A proposal waits so long for a person, and an incident of it lasts so long unless somebody says otherwise."""

CRITICAL_SHARE = 0.05
LEAST_CRITICAL = 5
"""More than this share of an hour's inflow, and at least so many: one of ten at night is no alarm."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WEEK = timedelta(weeks=1)
_DAY = timedelta(days=1)
_LEAST_KNOWN = 6  # counts that say what is usual: an hour


def bucket_of(moment: datetime) -> datetime:
    """The beginning of its ten minutes."""
    return _EPOCH + (moment - _EPOCH) // BUCKET * BUCKET


def same_hour(at: datetime, known_since: datetime) -> list[datetime]:
    """The buckets around this time of the week in earlier weeks, as far as they are known."""
    weeks = [at - week * _WEEK for week in range(1, WEEKS + 1)]
    found = [week + step * BUCKET for week in weeks for step in (-1, 0, 1)]
    return [bucket for bucket in found if bucket >= known_since]


def last_hours(at: datetime, known_since: datetime) -> list[datetime]:
    """The buckets just before."""
    return [bucket for n in range(1, HOURS // BUCKET + 1) if (bucket := at - n * BUCKET) >= known_since]


def yesterday(at: datetime, known_since: datetime) -> list[datetime]:
    """The buckets around this hour, a day before."""
    found = [at - _DAY + n * BUCKET for n in range(-3, 4)]
    return [bucket for bucket in found if bucket >= known_since]


def histories(at: datetime, known_since: datetime) -> list[list[datetime]]:
    """The buckets that say what is usual at this one; none where too little is known to say it."""
    weekly = same_hour(at, known_since)
    if len(weekly) >= _LEAST_KNOWN:
        return [weekly]
    return [some for some in (last_hours(at, known_since), yesterday(at, known_since)) if len(some) >= _LEAST_KNOWN]


def upper_bound(counts: Sequence[int]) -> tuple[float, float]:
    """What is expected after these counts, and the most that one more should be.

    A quasi-Poisson prediction bound on the 2/3 power, where a Poisson count is nearly symmetrical; mean and dispersion
    are robust (median, median absolute deviation), so that last week's outage does not hide this one.

    Source: Farrington, Andrews, Beale, Catchpole, "A statistical algorithm for the early detection of outbreaks of
    infectious disease", J. R. Statist. Soc. A 159 (1996); as in R's surveillance::algo.farrington.threshold,
    https://search.r-project.org/CRAN/refmans/surveillance/html/algo.farrington.html
    """
    middle = float(median(counts))
    expected = max(middle, 0.5)  # a topic that nobody speaks of has still a chance to be spoken of
    spread = 1.4826 * median(abs(count - middle) for count in counts)  # as a standard deviation
    dispersion = max(1.0, spread**2 / expected)
    tau = dispersion * (1 + pi / 2 / len(counts))  # and the median's own variance: pi/2 of the mean's
    bound = (expected ** (2 / 3) + DEVIATIONS * sqrt(4 / 9 * expected ** (1 / 3) * tau)) ** 1.5
    return middle, bound


def spike_of(topic: str, at: datetime, count: int, known: Sequence[Sequence[int]]) -> Spike | None:
    """A spike where the count is above what each of the histories lets expect; None without any.

    `at` may be the bucket that is still being filled: what is above the bound already will not come down.
    """
    if count < LEAST_COUNT or not known:
        return None
    expected, bound = max((upper_bound(counts) for counts in known), key=lambda found: found[1])
    if count <= bound or count < LEAST_TIMES * expected:
        return None
    return Spike(topic, at, count, expected, bound)


def proposal(spike: Spike, team: str, now: datetime) -> Incident:
    """What is proposed to a person: the same spike gives the same name. It expires when nobody opens it."""
    slug = f"{spike.topic.replace('_', '-')}-{team}-{spike.at:%Y%m%d-%H%M}"
    return Incident(
        slug=slug[:63],
        name=f"{spike.topic}: {spike.count} in ten minutes, about {spike.expected:.0f} expected",
        team=team,
        state="proposed",
        matcher=Matcher(topics=(spike.topic,)),
        since=spike.at,
        until=now + LASTS,
        spike=spike,
    )


def already_known(topic: str, team: str, incidents: Collection[Incident], now: datetime) -> bool:
    """Whether somebody has been asked about this topic: it is proposed or open, or was and its window is not over."""
    return any(
        topic in (*incident.matcher.topics, incident.spike.topic if incident.spike else "")
        for incident in incidents
        if incident.team == team
        and (incident.state != "closed" or (incident.until or (incident.closed_at or now) + LASTS) > now)
    )


def critical_share_alarm(inflow: int, critical: int) -> bool:
    """Whether too much of an hour's inflow is critical: the world is on fire, or the labels are wrong."""
    return critical >= LEAST_CRITICAL and critical > CRITICAL_SHARE * inflow
