"""What a brand asks of its replies: who signs how, and whose replies somebody else reads first."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HandleRule:
    """Of one handle."""

    sign: bool = False
    signature: str = "^{initials}"
    approval: bool = False


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
