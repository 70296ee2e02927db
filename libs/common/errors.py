"""What can go wrong with a batch, in the four words the worker understands (a bug is everything else)."""


class Rejected(Exception):
    """This record can never be handled: unreadable, not a post. The worker sends it to the dead letters.

    `event_id` names the record at fault when the handler had a whole batch in hand; the others run again.
    """

    def __init__(self, reason: str, event_id: str | None = None) -> None:
        super().__init__(reason)
        self.event_id = event_id


class Raced(Exception):
    """Someone was quicker. Load again, decide again: nothing of this batch was saved."""


class Unavailable(Exception):
    """Something we need is away (named first). Wait and try again; nothing is wrong with the records."""

    def __init__(self, what: str, why: str = "") -> None:
        super().__init__(f"{what} is away: {why}" if why else f"{what} is away")
        self.what = what


class Misconfigured(Exception):
    """The set-up is wrong and waiting will not mend it. One readable line; the process stops."""
