"""What a plan of default Lambda gathers while it is made: why, and when to look again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from paddock.model.fleet import Reason


@dataclass(slots=True)
class Notes:
    now: datetime
    reasons: list[Reason] = field(default_factory=list)
    _wake: datetime | None = None

    def because(self, subject: str, text: str) -> None:
        self.reasons.append(Reason(subject, text))

    def wake_at(self, moment: datetime) -> None:
        self._wake = moment if self._wake is None else min(self._wake, moment)

    @property
    def wake_after(self) -> timedelta | None:
        return None if self._wake is None else max(self._wake - self.now, timedelta(0))
