"""*Queues now*: who waits, how long, and who is there."""

from deploy.grafana.boards import Board, Variable
from deploy.grafana.panels import GREEN, ORANGE, RED, Panel, Query, stat_of

_Q = 'queue=~"$queue"'
_DEPTH = "queue_urgency_state:queue_depth:max"
_WAITING = f'{_DEPTH}{{{_Q}, state="pending"}}'
_HOUR = ((1800.0, ORANGE), (3600.0, RED))
_OLDEST = f"queue:queue_oldest_age_seconds:max{{{_Q}}}"
_WAIT = "queue_quantile:expected_wait_seconds:max"

BOARD = Board(
    slug="queues",
    title="Guichet: queues now",
    description="Who waits now, how urgent and how long, and who is there to answer.",
    variables=[Variable("queue", "queue_open")],
    since="now-3h",
    panels=[
        stat_of(
            "Waiting", "Items that wait for an agent (state pending), over the chosen queues.", f"sum({_WAITING})"
        ),
        stat_of(
            "Critical waiting",
            "Waiting items of urgency critical. They come before everything else; none should wait.",
            f'sum({_DEPTH}{{{_Q}, state="pending", urgency="critical"}})',
            steps=[(1, RED)], base=GREEN,
        ),
        stat_of(
            "Oldest",
            "Age of the oldest waiting item, from the author's post. Orange from 30 min, red from 1 h: the promise.",
            f"max({_OLDEST})",
            unit="s", steps=_HOUR, base=GREEN,
        ),
        stat_of(
            "Overdue",
            "Waiting items whose first answer is past its deadline by the queue's own policy and hours.",
            f"sum(queue:queue_overdue:max{{{_Q}}})",
            steps=[(1, RED)], base=GREEN,
        ),
        stat_of(
            "Expected wait (p80)",
            "Until a first human answer to a plain question that joins now: 8 of 10 wait no longer. The longest of the "
            "chosen queues; where it is more than so many hours, those. Empty while it is not known; never a guess.",
            f'max({_WAIT}{{{_Q}, quantile="0.8"}} >= 0)',
            unit="s", steps=_HOUR, base=GREEN, empty="not known",
        ),
        stat_of(
            "Agents available",
            "Agents who are there and have room. An agent counts in each queue they serve: with several queues chosen, "
            "the largest is shown.",
            f'max(queue_availability:agents:max{{{_Q}, availability="available"}})',
            steps=[(1, ORANGE), (2, GREEN)], base=RED,
        ),
        Panel(
            "stack", "Waiting, by urgency",
            "Items that wait for an agent, by the urgency of their latest message.",
            [Query(f"sum by (urgency) ({_WAITING})", "{{urgency}}")],
        ),
        Panel(
            "lines", "Oldest waiting, by queue",
            "Age of the oldest waiting item of each queue, from the author's post. Dashed: 1 h.",
            [Query(_OLDEST, "{{queue}}")],
            unit="s", steps=[(3600, RED)],
        ),
        Panel(
            "lines", "Expected wait, by queue",
            "Until a first human answer to a plain question that joins now: 8 of 10 wait no longer (p80); where it is "
            "more than so many hours, those. A gap: it is not known (closed, nobody there, or too few samples).",
            [Query(f'{_WAIT}{{{_Q}, quantile="0.8"}} >= 0', "{{queue}}")],
            unit="s", steps=[(3600, RED)], empty="not known",
        ),
        Panel(
            "stack", "Agents, by availability",
            "Where the agents are. Each counts in every queue they serve: with several queues chosen, the largest "
            "number is shown.",
            [Query(f"max by (availability) (queue_availability:agents:max{{{_Q}}})", "{{availability}}")],
        ),
        Panel(
            "lines", "Load",
            "Units in hand over the units of the agents who are there (an item weighs what its queue says). 100 %: "
            "nobody has room. The fullest hour tells how many people a promise takes.",
            [
                Query(
                    f"queue:agent_used_units:max{{{_Q}}} / (queue:agent_capacity_units:max{{{_Q}}} > 0)", "{{queue}}"
                )
            ],
            unit="percentunit", steps=[(0.9, ORANGE)], most=1.0,
        ),
        Panel(
            "lines", "Overdue, by queue",
            "Waiting items whose first answer is past its deadline by the queue's own policy and hours.",
            [Query(f"queue:queue_overdue:max{{{_Q}}}", "{{queue}}")],
        ),
    ],
)  # fmt: skip
