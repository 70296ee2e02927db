"""What goes wrong at the terminal, in one readable line."""


class Trouble(Exception):
    """Something the person at the terminal can mend; the message says how. `code` is the exit status."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Refused(Trouble):
    """A service said no."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Away(Trouble):
    """Nothing answers at an address, or what answers is not ready: worth another try.

    `retry_after_seconds` is what the service asked for, if it did.
    """

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
