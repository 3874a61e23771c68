"""What default Lambda adds to an environment: one invocation at a time, so its log has an end."""

from __future__ import annotations

from paddock.agent.log_collector import LogCollector
from paddock.agent.log_tail import LogTail


class OneAtATime:
    """`collector` is set once the environment has it."""

    def __init__(self) -> None:
        self.log_tail = LogTail()
        self.collector: LogCollector | None = None

    def begin(self) -> None:
        """What was written before does not belong to the invocation that comes now."""
        self.read_logs()
        self.log_tail.clear()

    def read_logs(self) -> None:
        if self.collector is not None:
            self.collector.read_what_is_there()

    def tail(self) -> str:
        return self.log_tail.text()
