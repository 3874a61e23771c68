"""The bounds of an invocation, each with its reason, and AWS's texts for what is beyond them.

None of them is a setting: they are AWS's own figures and bounds of memory. What is felt outside, where AWS is silent,
stands in `settings.py`.
"""

from __future__ import annotations

SYNCHRONOUS_PAYLOAD_BYTES = 6 * 1024 * 1024 + 100
"""AWS's: 6 MiB and a little for what its own services wrap around a payload."""

NAMED_SYNCHRONOUS_PAYLOAD_BYTES = 6 * 1024 * 1024
"""The figure that AWS's error names."""

ASYNCHRONOUS_PAYLOAD_BYTES = 1024 * 1024
"""AWS's since late 2025."""

CLIENT_CONTEXT_CHARACTERS = 3583
"""AWS's, of the base64 text."""

DEFAULT_ACCOUNT_CONCURRENCY = 1000
"""AWS's, of default Lambda's invocations at once."""

PENDING_EVENTS = 1024
"""Asynchronous invocations on their way to the disk. A store that is behind by more must not fill our memory."""

REMEMBERED_NAMES = 4096
"""Parsed function names kept; an attacker's made-up ones push out no more than this."""
