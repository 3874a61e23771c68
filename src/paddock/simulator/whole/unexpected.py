"""Exceptions that the product caught and could only write into its log: each is a fault, however it went on after."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PRODUCT = "paddock"


class _Listener(logging.Handler):
    def __init__(self, told: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] is not None:
            self._told(f"{record.getMessage()}\n{''.join(traceback.format_exception(*record.exc_info))}")


@contextmanager
def unexpected(told: Callable[[str], None]) -> Iterator[None]:
    """What is logged meanwhile is heard here, and shown nowhere."""
    logger, disabled = logging.getLogger(PRODUCT), logging.root.manager.disable
    listener, level, propagates = _Listener(told), logger.level, logger.propagate
    logging.disable(logging.WARNING)
    logger.setLevel(logging.ERROR)
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        logger.propagate = propagates
        logging.disable(disabled)
