"""Every bound of the HTTP server, with its reason. Changed by passing other values, never by editing a loop."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of one listening server. All times are seconds, kept to the tick of the sweep (one second)."""

    head_bytes: int = 64 * KIB
    """Request line and headers: AWS's own front refuses far less; a client context alone may take 3.5 KiB."""

    connections: int = 4096
    """About 10 KiB each when idle; more than the file descriptors a service is commonly given."""

    arriving_bytes: int = 1024 * MIB
    """Large bodies that may be on their way in at once, all connections together: a dozen of the largest uploads."""

    pipelined_requests: int = 128
    """Requests of one connection that may wait for the answer before theirs; real clients send one at a time."""

    header_timeout_seconds: int = 20
    """From a request's first byte to its last header: ends connections that send a byte now and then."""

    body_stall_seconds: int = 30
    """How often it is looked whether a body goes on arriving. One of which less than `ARRIVE_ON_BYTES` has come since
    is given up: it would hold its place among `arriving_bytes` for hours.
    """

    idle_timeout_seconds: int = 90
    """SDKs drop idle connections after 60 s or so; we close later than they do, so that they need not retry."""

    write_stall_seconds: int = 60
    """A client that reads next to nothing of its whole answer for so long is gone; while a stream is still being made,
    that has a bound of its own.
    """

    linger_seconds: int = 5
    """How long a refused body is still read and thrown away, so that the client gets to read the refusal."""

    backlog: int = 4096
    """A burst of a thousand clients must not meet a full accept queue."""


SMALL_BODY_BYTES = 128 * KIB
"""Bodies up to here pass without asking the route for its limit: no route has a lower one."""

DIRECT_BODY_BYTES = 64 * KIB
"""A longer body passes the parser by and is hashed as it arrives: fewer copies, and no long pause at its end."""

SMALL_PIECE_BYTES = 4 * KIB
"""Pieces of a body below this size are gathered, so that one sent byte by byte takes no more memory than another."""

ARRIVE_ON_BYTES = 16 * KIB
"""In the time of a stall: half a kilobyte a second, which the slowest line of today exceeds."""

READ_ON_BYTES = 64 * KIB
"""Who takes less of its answer in the time of a stall reads a kilobyte a second, or nothing. Kernels tell of smaller
steps only now and then.
"""

JOIN_WRITE_BYTES = 32 * KIB
"""Answers up to here are written in one piece with their head; above, copying costs more than a second buffer."""

SWEEP_SECONDS = 1.0
"""How often deadlines are looked at: one timer for all connections."""
