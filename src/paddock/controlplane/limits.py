"""The bounds of the control plane, each with its reason.

None of them is a setting: they are AWS's own figures, bounds of memory and messages, or how often this process looks,
which nobody outside can tell. What is felt outside (how long things live, wait and are tried) stands in
`settings.py` and the cores' settings, where AWS is silent, and can be set.
"""

DEFAULT_CODE_STORAGE_BYTES = 75 * 1024**3
"""AWS's default quota."""

LEASE_CHECK_SECONDS = 1.0
"""As often as agents report; how long they may be silent is a setting."""

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
"""Of the load: as often as agents report."""
SPARE_LOAD_SAMPLES = 100
"""Per revision, beyond those of the scaler's longest window."""

KEPT_FAILURES = 50
"""Failed environments of one provider that planning still hears of."""
KEPT_FORGOTTEN = 100
"""Instances of one provider that ended since somebody who shows them has looked."""
KEPT_FAILED_LAUNCHES = 50
"""Of one provider, in the store: more than a publish or a back-off counts."""
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
KEEP_LOGS_AGAIN_SECONDS = 0.5
"""Before lines that could not be stored are tried again; doubles up to the limit. Somebody has to make room first."""
KEEP_LOGS_AGAIN_LIMIT_SECONDS = 8.0

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
