"""The agent's own log: one line each to the file the launcher opened as stderr, which is kept small.

Nothing of functions goes there: no output, no payloads, no credentials.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from paddock.agent.limits import AGENT_LOG_BYTES


class AgentLogHandler(logging.Handler):
    """Turns the file over when it is full: the descriptors 1 and 2 of this process go to the new one."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._turn_over()
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except OSError:
            pass  # a full disk must not stop the agent

    def _turn_over(self) -> None:
        if not self._path.exists() or self._path.stat().st_size < AGENT_LOG_BYTES:
            return
        self._path.replace(self._path.with_suffix(".log.1"))
        opened = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for descriptor in (1, 2):
            os.dup2(opened, descriptor)
        os.close(opened)


def open_journal(directory: Path) -> None:
    handler = AgentLogHandler(directory / "agent.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("paddock.agent")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
