"""The bounds of the control plane, each with its reason."""

from datetime import timedelta

DEFAULT_CODE_STORAGE_BYTES = 75 * 1024**3
"""AWS's default quota."""

LEASE_CHECK_SECONDS = 1.0

RECONNECT_SECONDS = 0.05
"""Before the first new try to reach an agent; doubles up to the limit. An agent is up within a few of these."""
RECONNECT_LIMIT_SECONDS = 1.0
FIRST_CONNECT_SECONDS = 0.1
"""Limit of the same while the agent was never reached: somebody waits for the instance to come up."""
HELLO_SECONDS = 5.0

QUICK_LIST_SECONDS = 0.1
"""Between looks at the launcher while an instance comes or goes."""
SLOW_LIST_SECONDS = 5.0
"""While none does: an instance's end is heard of by its connection first."""
UNKNOWN_LISTS = 2
"""An instance that no intent knows is ended when it was seen in so many complete lists."""

PLAN_INTERVAL_SECONDS = 0.05
"""Between two plans of one provider: changes that come together are planned together."""
SAMPLE_SECONDS = 1.0
WARM_UP_SECONDS = 10.0
"""An environment is ready when its first worker asks for work; the CPU the others start with is no load."""
SPARE_LOAD_SAMPLES = 100
"""Per revision, beyond those of the scaler's longest window."""

KEPT_FAILURES = 50
"""Failed environments of one provider that planning still hears of."""
KEPT_FAILURE_SECONDS = 900.0
KEPT_FAILED_LAUNCHES = 50
KEPT_PLANS = 200
"""Of one provider, in the store."""
REASONS_INTERVAL_SECONDS = 30.0
"""A plan that changes nothing is kept at most so often: its reasons hold figures that move every second."""

CODE_PIECE_BYTES = 256 * 1024
"""Of a package in one message; the connection's other messages wait no longer than this takes to write."""
CODE_AT_ONCE = 4
"""Packages sent to one agent side by side, so that a small one does not wait behind the layers of an image."""
SENT_BUFFER_BYTES = 1024 * 1024
"""Unsent bytes of one connection above which a package's next piece waits."""
WAITING_LOG_BATCHES = 64
"""Of one agent; it holds back well before."""

REPLACEMENT_LEAD = timedelta(hours=2)
"""So long before its lifetime ends an instance is replaced: five turns of a fifth of the fleet, each of a launch and a
drain of up to 16 minutes."""
REPLACEMENT_LEAD_SHARE = 0.1
"""Of a lifetime too short for that."""
TERMINATION_GRACE_SECONDS = 5.0
"""For an instance on which nothing is left that anybody waits for."""
LAUNCHES_AT_ONCE = 8

CLEANUP_SECONDS = 3600.0
"""Between two searches for packages that no version needs."""

ASYNC_LOADED = 1000
"""Accepted invocations held in memory; the rest stays in the store until these are done."""
MAX_EVENT_AGE_SECONDS = 6 * 3600.0
"""AWS's default: an asynchronous event that could not be run by then is dropped."""
MAX_ASYNC_ERRORS = 3
"""One try and two retries, as AWS does by default."""
THROTTLE_BACKOFF_SECONDS = 1.0
THROTTLE_BACKOFF_LIMIT_SECONDS = 300.0
"""AWS: "from 1 second after the first attempt to a maximum of 5 minutes"."""
