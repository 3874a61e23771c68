"""Times as Lambda writes them in strings: `2026-11-23T12:00:00.000+0000`."""

from __future__ import annotations

from datetime import datetime


def lambda_timestamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


def epoch_ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
