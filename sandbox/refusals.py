"""What the network says when it refuses, in its own shape and words."""

from collections.abc import Mapping
from typing import Any, Literal

PROBLEMS = "https://api.x.com/2/problems/"

Kind = Literal[
    "rate_limited",
    "revoked",
    "no_credits",
    "spending_limit",
    "usage_capped",
    "suspended",
    "restricted",
    "not_permitted",
    "client_not_enrolled",
    "duplicate",
    "not_summoned",
    "not_engaged",
    "not_visible",
    "too_long",
    "cashtags",
    "forbidden",
    "closed_messages",
]


class Refused(Exception):
    """The network does not do this: a problem in its own shape."""

    def __init__(
        self, status: int, title: str, detail: str, type_: str = "about:blank", more: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"title": title, "status": status, "type": type_, "detail": detail, **(more or {})}


def refusal(kind: Kind) -> Refused:
    """Each refusal that has a name; the words clients look for are in `detail`."""
    status, title, detail, *rest = _WORDS[kind]
    return Refused(status, title, detail, *rest)


def invalid(message: str, parameter: str, value: object, detail: str = "") -> Refused:
    """400 for a parameter."""
    more = {"errors": [{"message": message, "parameters": {parameter: [str(value)]}}]}
    sentence = detail or "One or more parameters to your request was invalid."
    return Refused(400, "Invalid Request", sentence, PROBLEMS + "invalid-request", more)


def not_found(value: str, resource: str = "tweet") -> dict[str, Any]:
    """The `errors` of a good answer in which something is missing."""
    return {
        "value": value,
        "resource_id": value,
        "resource_type": resource,
        "parameter": "id",
        "title": "Not Found Error",
        "detail": f"Could not find {resource} with id: [{value}].",
        "type": PROBLEMS + "resource-not-found",
    }


_WORDS: Mapping[Kind, tuple[Any, ...]] = {
    "rate_limited": (429, "Too Many Requests", "Too Many Requests"),
    "revoked": (401, "Unauthorized", "Unauthorized"),
    "no_credits": (
        402,
        "CreditsDepleted",
        "Your enrolled account [1] does not have any credits to fulfill this request.",
        "https://api.twitter.com/2/problems/credits",
    ),
    "spending_limit": (403, "Forbidden", "Your account has reached its spending limit for this cycle."),
    "usage_capped": (
        429,
        "UsageCapped",
        "Usage cap exceeded: Monthly product cap",
        PROBLEMS + "usage-capped",
        {"period": "Monthly", "scope": "Product"},
    ),
    "suspended": (403, "Forbidden", "Your account is suspended and is not permitted to access this feature."),
    "restricted": (403, "Forbidden", "To protect our users, this account is temporarily restricted."),
    "not_permitted": (403, "Forbidden", "You are not permitted to perform this action."),
    "client_not_enrolled": (
        403,
        "Client Forbidden",
        "This client is not attached to a project with the access this request needs.",
        PROBLEMS + "client-forbidden",
        {"reason": "client-not-enrolled", "required_enrollment": "Appropriate Level of API Access"},
    ),
    "duplicate": (403, "Forbidden", "You are not allowed to create a Tweet with duplicate content."),
    "not_summoned": (
        403,
        "Forbidden",
        "Reply to this conversation is not allowed because you have not been mentioned or otherwise engaged by the"
        " author of the post you are replying to.",
    ),
    "not_engaged": (
        403,
        "Forbidden",
        "You can only reply to or quote posts where you are mentioned or are the author.",
    ),
    "not_visible": (
        403,
        "Forbidden",
        "You attempted to reply to a Tweet that is deleted or not visible to you.",
    ),
    "too_long": (400, "Invalid Request", "Your Tweet text is too long.", PROBLEMS + "invalid-request"),
    "cashtags": (403, "Forbidden", "A post may hold a maximum of one cashtag."),
    "forbidden": (403, "Forbidden", "Forbidden"),
    "closed_messages": (403, "Forbidden", "You do not have permission to DM one or more participants."),
}
