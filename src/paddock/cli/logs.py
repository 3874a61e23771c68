"""`paddock logs`: a function's or a capacity provider's log lines, read through the CloudWatch Logs API like anybody
would.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from paddock.cli.options import DataDir, Output, OutputOption, client, found_server
from paddock.model.errors import SettingsError
from paddock.ports.clock import SystemClock

POLL_SECONDS = 0.5
REMEMBERED_EVENTS = 10_000
"""Event ids kept so that lines with the same millisecond are neither lost nor shown twice."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def logs(
    name: Annotated[str, typer.Argument(help="A function's name, or a log group (begins with /).")],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on showing lines as they come.")] = False,
    since: Annotated[str, typer.Option(help="How far back to begin: 30s, 10m, 2h, 1d.")] = "10m",
    filter_pattern: Annotated[str, typer.Option("--filter", help="CloudWatch Logs filter pattern.")] = "",
    data_dir: DataDir = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show log lines, oldest first."""
    from_ms = beginning_ms(SystemClock().now(), age(since))
    running, keys = found_server(data_dir)
    api = client("logs", running, keys)
    group = name if name.startswith("/") else f"/aws/lambda/{name}"
    try:
        for event in _events(api, group, from_ms, filter_pattern, follow=follow):
            typer.echo(_line(event, output))
    except api.exceptions.ResourceNotFoundException:
        typer.echo(f"paddock: there is no log group {group}: was the function ever started?", err=True)
        raise typer.Exit(1) from None


def age(text: str) -> timedelta:
    """`10m` and the like as a length of time."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if not match:
        raise SettingsError(f"--since takes a number and s, m, h or d, such as 10m; not {text!r}")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def beginning_ms(now: datetime, before: timedelta) -> int:
    """Milliseconds of the epoch, which nothing was logged before; a calendar ends much sooner than an age may be."""
    return max(0, int((now.timestamp() - before.total_seconds()) * 1000))


def _events(api: Any, group: str, from_ms: int, filter_pattern: str, *, follow: bool) -> Iterator[dict[str, Any]]:
    import threading

    shown: dict[str, None] = {}
    pause = threading.Event()
    while True:
        pages = api.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=from_ms, filterPattern=filter_pattern
        )
        for page in pages:
            for event in page["events"]:
                if event["eventId"] not in shown:
                    shown[event["eventId"]] = None
                    from_ms = max(from_ms, event["timestamp"])
                    yield event
        while len(shown) > REMEMBERED_EVENTS:
            del shown[next(iter(shown))]
        if not follow:
            return
        pause.wait(POLL_SECONDS)


def _line(event: dict[str, Any], output: Output) -> str:
    if output is Output.JSON:
        return json.dumps(event)
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} {event['logStreamName'][-8:]} {event['message'].rstrip()}"
