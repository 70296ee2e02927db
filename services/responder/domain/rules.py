"""What a brand asks of its replies: who signs how, whose replies somebody reads first, and what a machine writes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HandleRule:
    """Of one handle."""

    sign: bool = False
    signature: str = "^{initials}"
    approval: bool = False
    acknowledgement: str = ""  # the template of an automatic acknowledgement; empty: none is written
    automated: bool = False  # the account is labelled as automated on its network
    survey: str = ""  # the template of a survey; empty: nobody is asked
    survey_cooldown_days: int = 90  # between two surveys to one person
    handoff: str = ""  # the template that asks in public to go on in private; empty: words of ours


@dataclass(frozen=True, slots=True)
class AgentRule:
    """Of one agent."""

    initials: str = ""
    approval: bool = False


def why_approval(handle: HandleRule, agent: AgentRule) -> str:
    """Why somebody else has to read the reply first; empty: nobody has to."""
    if handle.approval:
        return "replies of this handle are read by somebody else first"
    if agent.approval:
        return "this agent's replies are read by somebody else first"
    return ""
