"""Clocks for tests, and what properties choose from."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from services.router.domain.clocks import DEFAULT_SLA, Clock, Kind, SlaPolicy, start_clock
from services.router.domain.hours import ALWAYS, Hours, hours_from
from tests.unit.router.weeks import HOUR, MINUTE

TICK = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
TUESDAY = datetime(2026, 3, 3, 9, tzinfo=UTC)  # 10:00 in Paris
OFFICE = hours_from("office", "Europe/Paris", {"mon-fri": ["09:00-18:00"]})
BUSINESS = SlaPolicy("business")
QUARTERS = (0.5, 0.75, 1.0)

urgencies = st.sampled_from(["critical", "high", "normal", "low"])
intents = st.sampled_from(["complaint", "information_request", "feedback"])
policies = st.sampled_from(
    [DEFAULT_SLA, BUSINESS, SlaPolicy("tight", 2, {"high": 10 * MINUTE, "normal": 20 * MINUTE, "feedback": 30 * HOUR})]
)
ahead = st.integers(0, 3000).map(lambda minutes: minutes * MINUTE)


def clock(
    policy: SlaPolicy = DEFAULT_SLA,
    hours: Hours = ALWAYS,
    urgency: str = "high",
    intent: str = "complaint",
    start: datetime = TUESDAY,
    kind: Kind = "first",
) -> Clock:
    started = start_clock(policy, hours, kind, urgency, intent, start, clock_id="clk_1", conversation_id="cnv_1")
    assert started is not None
    return started


def due_of(started: Clock) -> datetime:
    assert started.due_at is not None
    return started.due_at
