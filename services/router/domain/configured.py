"""From what is written to what decides: the kinds of the set-up, and a `Setup` of all of them."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import msgspec

from services.router.domain.clocks import SlaPolicy
from services.router.domain.hours import BadHours, Hours, hours_from
from services.router.domain.reading import Mistake, Unreadable, read
from services.router.domain.setup import (
    BusinessHours,
    Procedure,
    Queue,
    RoutingPolicy,
    Setup,
    Skill,
    Targets,
    Team,
)
from services.router.domain.words import DEFAULT_QUEUE

Configured = Queue | RoutingPolicy | BusinessHours | Targets | Skill | Team | Procedure

KINDS: Mapping[str, type[Configured]] = {
    "queues": Queue,
    "routing-policies": RoutingPolicy,
    "sla-policies": Targets,
    "business-hours": BusinessHours,
    "skills": Skill,
    "teams": Team,
    "procedures": Procedure,
}
"""By the name of their resource."""

C = TypeVar("C", bound=Configured)


def thing_of(kind: type[C], slug: str, version: int, body: Mapping[str, Any]) -> C:
    """One configured thing from its body.

    Raises:
        msgspec.ValidationError: the body is not one; the message names the path.
    """
    return msgspec.convert({**body, "slug": slug, "version": version}, kind)


def written(kind: str, slug: str, body: object) -> Configured:
    """One configured thing as a person wrote it.

    Raises:
        Unreadable: all that is wrong with it; for hours also what no zone, no week and no country has.
    """
    whole = {**body, "slug": slug} if isinstance(body, Mapping) else body
    thing: Configured = read(KINDS[kind], whole, given={"version": 0})
    if isinstance(thing, BusinessHours):
        try:
            hours_of(thing)
        except BadHours as error:
            raise Unreadable([Mistake(error.path, error.detail, error.fix)]) from error
    return thing


def setup_of(revision: int, kept: Iterable[tuple[str, str, int, Mapping[str, Any]]]) -> Setup:
    """The set-up of these (kind, slug, version, body). A default queue is always there.

    Raises:
        msgspec.ValidationError, BadHours: a body is not what its kind says.
    """
    things: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    for kind, slug, version, body in kept:
        if kind in KINDS:  # another one is a newer version's
            things[kind][slug] = thing_of(KINDS[kind], slug, version, body)
    things["queues"].setdefault(DEFAULT_QUEUE, Queue(slug=DEFAULT_QUEUE))
    return Setup(
        revision=revision,
        queues=things["queues"],
        policies=things["routing-policies"],
        hours={slug: hours_of(written) for slug, written in things["business-hours"].items()},
        slas={slug: policy_of(written) for slug, written in things["sla-policies"].items()},
        skills=things["skills"],
        teams=things["teams"],
        procedures=things["procedures"],
    )


def hours_of(written: BusinessHours) -> Hours:
    """Hours that can be asked.

    Raises:
        BadHours: what is wrong, where, and what to do.
    """
    return hours_from(
        written.slug, written.zone, written.week, exceptions=written.exceptions, holidays=written.holidays
    )


def policy_of(written: Targets) -> SlaPolicy:
    """Targets as spans of time."""
    return SlaPolicy(
        slug=written.slug,
        version=written.version,
        targets={
            "critical": timedelta(seconds=written.critical_seconds),
            "high": timedelta(seconds=written.high_seconds),
            "normal": timedelta(seconds=written.normal_seconds),
            "information": timedelta(seconds=written.information_seconds),
            "feedback": timedelta(seconds=written.feedback_seconds),
        },
        basis=written.basis,
        resolution=timedelta(seconds=written.resolution_seconds) if written.resolution_seconds else None,
        promise=timedelta(seconds=written.promise_seconds),
        warn_at=tuple(sorted(set(written.warn_at))),
    )
