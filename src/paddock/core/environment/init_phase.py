"""The init phase of one environment: how long it may take, and the first that went wrong in it.

Runtime and extensions say why they cannot go on and are expected to end then; some do not. Whatever ends the phase, the
first error is what is reported. Source: AWS's open agent code (first fatal error).
"""

from __future__ import annotations

from paddock.core.environment import errors
from paddock.core.environment.words import Failure

TIMEOUT_TEXT = "The function's initialization did not finish in time."


class InitPhase:
    """`deadline` is monotonic; None while nothing runs, and once it has passed."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        self._runtime_posted = False
        self._first: tuple[str, str] | None = None

    def began(self, now: float, timeout_seconds: float) -> None:
        self.deadline = now + timeout_seconds

    def is_due(self, now: float) -> bool:
        """Whether its time is up; once."""
        if self.deadline is None or now < self.deadline:
            return False
        self.deadline = None
        return True

    def runtime_failed(self, error_type: str, text: str) -> bool:
        """A runtime's post; only its first one is taken."""
        if self._runtime_posted:
            return False
        self._runtime_posted = True
        self.failed(errors.sanitised_error_type(error_type), text)
        return True

    def failed(self, error_type: str, text: str) -> None:
        """Kept when it is the first."""
        if self._first is None:
            self._first = error_type, text

    def failure(self, error_type: str, text: str) -> Failure:
        """What is reported when the phase ends so."""
        if self._first is not None:
            error_type, posted = self._first
            text = posted or text
        return Failure(error_type, errors.reason_code(error_type, init=True), text, init=True)
