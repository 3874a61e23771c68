"""The ways AWS writes a moment, by the names its models give them, to and from aware datetimes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime


def to_epoch(moment: datetime) -> int | float:
    """Seconds; whole ones as an integer, others to the millisecond, which is what AWS keeps."""
    seconds = round(moment.timestamp(), 3)
    return int(seconds) if seconds.is_integer() else seconds


def to_iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def to_rfc822(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def to_lambda_string(moment: datetime) -> str:
    """How Lambda writes `LastModified` of a function, which its model calls a string: 2024-01-01T00:00:00.000+0000."""
    return to_iso(moment).removesuffix("Z") + "+0000"


WRITERS: dict[str, Callable[[datetime], str]] = {
    "iso8601": to_iso,
    "rfc822": to_rfc822,
    "unixtimestamp": lambda moment: str(to_epoch(moment)),
}


def from_wire(value: object) -> datetime:
    """A moment from any of the three forms. Raises `ValueError`."""
    if isinstance(value, int | float):
        return _from_epoch(value)
    text = str(value)
    try:
        return _from_epoch(float(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = parsedate_to_datetime(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _from_epoch(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(seconds) from error
