"""The bounds of the agent, each with its reason.

None of them is a setting unless it says so: they are AWS's own figures, bounds of memory and messages, how often this
process looks, and waits for what comes at once or never. What is felt outside, where AWS is silent, comes with the
instance's bootstrap and can be set.
"""

HELLO_SECONDS = 5.0
"""A connection that has not said who it is by then is none of ours."""
MAX_LINKS = 64
"""Servers and routers of one machine or cluster that talk to one agent."""
SMALL_MESSAGE_BYTES = 64 * 1024
"""What may be said before a hello."""

LINK_BUFFER_BYTES = 512 * 1024
"""Above this much unsent on a link, large answers wait their turn chunk by chunk and streams are no longer read; small
answers still go out at once.
"""

MAX_EVENT_BYTES = 6 * 1024 * 1024 + 100
"""Of an event, as of an answer (Lambda quotas)."""
MAX_HEAD_BYTES = 1024 * 1024 + 4096
"""Of the request line and headers of a runtime's request. One of them is the cause for X-Ray, which AWS's clients send
up to a mebibyte; AWS's agent has this limit from its HTTP library.
"""
JOINED_EVENT_BYTES = 64 * 1024
"""A shorter event is written with its head in one piece."""
MAX_POLL_BYTES = 4096
"""A poll longer than this is parsed each time."""
DISCARDED_BYTES = 64 * 1024 * 1024
"""How much of a refused body is read on, so that the runtime sees the refusal, before its connection is closed."""
SPARE_CONNECTIONS = 64
"""Of a runtime and its extensions beyond two per slot (polls, posts): who opens more leaks them."""
STREAM_BYTES = 200 * 1024 * 1024
"""Of a streamed answer (Lambda quotas)."""

ENDPOINT_HEAD_BYTES = 16 * 1024
"""Of a request to the metadata or the credential endpoint."""
ENDPOINT_SECONDS = 10.0
"""For such a request to arrive and its answer to be taken."""
ENDPOINT_CONNECTIONS = 1024
"""Of all environments of an instance at once; SDKs ask rarely, and beyond it the oldest gives way."""

NAME_SECONDS = 5.0
"""For a name to be resolved; then whoever asked is told that it failed."""
NAME_ATTEMPT_SECONDS = 2.0
"""For one resolver of the machine to answer before the next is asked."""
NAME_ROUNDS = 2
"""How often each of them is asked: a datagram may get lost."""
NAME_BURST, NAME_PAUSE_SECONDS = 16, 1 / 64
"""After so many datagrams a pause: 1,024 a second, as AWS's resolver takes from an interface (VPC user guide)."""
NAME_QUERIES = 512
"""On their way at once, each with a socket of its own."""
NAME_QUERY_BYTES = 4096
"""Of a question with all that is written behind it."""
NAME_CONNECTIONS = 64
NAME_CONNECTION_SECONDS = 10.0
"""By TCP, which is for answers too long for a datagram, and for the next question on the same connection to come."""

RELAY_CONNECTIONS = 1024
"""Of all functions of an instance to Paddock's own endpoint at once; as many as there are slots on a large instance.
Who comes above it waits.
"""
MACHINE_PORT_CONNECTIONS = 256
"""The same to each service of the machine that was opened: more than databases take."""
RELAY_CHUNK_BYTES = 64 * 1024
RELAY_CONNECT_SECONDS = 5.0
RELAY_LOOK_SECONDS = 1.0
"""Between two looks for where the server listens now."""

BLOB_WAIT_SECONDS = 900.0
"""For a layer of an image, which may have gigabytes, to arrive from the server."""
IDLE_IMAGE_BYTES = 4 * 1024**3
"""Of images, unpacked, that no environment has any more and that stay in case one is started again: the functions of
default Lambda that fell idle last. The default of a setting.
"""
CODE_WAIT_SECONDS = 300.0
"""For a package to arrive from the server, also across a restart of the server."""
MAX_PACKAGE_BYTES = 262_144_000
"""Of a deployment package, zipped or unzipped (Lambda quotas: 250 MB)."""
MAX_PACKAGE_ENTRIES = 200_000
"""More files than a file system of an instance should be asked to hold for one function."""
RUNTIME_WAIT_SECONDS = 600.0
"""For a runtime to be installed at its first use; compiling the Node.js client takes up to two minutes."""

OPEN_FILES = 4096
"""Of an execution environment (Lambda Managed Instances, March 2026)."""
PROCESSES = 4096
"""And threads, of an execution environment, where they can be counted. AWS leaves it at the operating system's default,
but there a function that forks without end has a machine to itself.
"""
STOP_SECONDS = 5.0
"""For the process between the agent and the runtime to be gone after SIGKILL."""
EXIT_STATUS_SECONDS = 1.0
"""For the exit status of a runtime with one worker, whose connection is closed first."""
LAST_WORDS_SECONDS = 0.5
"""For the pipes of an ended runtime to be read to their end, and for the last frames of an ending agent to be sent."""

REPORT_SECONDS = 1.0
"""Between two reports: three missed ones take the instance out of routing."""
MEMORY_CHECK_SECONDS = 0.5
"""Between two looks at what an environment holds, where no cgroup limits it."""
CHECKS_OF_A_PEAK = 2
"""Each so many looks the kernel is asked for what processes held in between: once a report."""
PEAK_SAMPLE_SECONDS = 0.05
"""Between two looks at what a cgroup holds, where the kernel does not remember its peaks: as often as AWS looks. A look
takes 1.4 µs: with thirty environments it is 0.4 % of a core, half of it for waking up.
"""
DISK_SECONDS = 5.0
"""Between two looks at what was read and written: a file for each process of the instance."""
ENDED_REPORTED_SECONDS = 15.0
"""How long an ended environment that is no longer wanted is still reported: longer than a server's restart."""
SHUTDOWN_GRACE_SECONDS = 30.0
"""In which an agent that is asked to end by a signal lets invocations finish; whoever asked may be less patient."""

MAX_LINE_BYTES = 256 * 1024
"""Of a log line (CloudWatch Logs' limit for an event); a longer one goes on as a line of its own."""
LOG_FLUSH_SECONDS = 0.1
LOG_BATCH_BYTES = 512 * 1024
LOG_BATCH_RECORDS = 2_000
"""Of one batch: well under a frame, and quickly stored."""
UNACKNOWLEDGED_LOG_BATCHES = 32
UNACKNOWLEDGED_LOG_BYTES = 4 * 1024 * 1024
"""Sent and not yet safe with the server; more waits in the streams."""
STREAM_PAUSE_BYTES = 1024 * 1024
"""Waiting lines of one environment above which its output is no longer read, which slows a function that floods."""
STREAM_KEEP_BYTES = 4 * 1024 * 1024
"""Waiting lines of one environment above which lines are dropped and counted."""
ALL_STREAMS_KEEP_BYTES = 64 * 1024 * 1024
"""The same over all environments of an instance."""
LOG_STALL_SECONDS = 2.0
"""When no batch was acknowledged for so long, output is read again and dropped: no server, no log, but functions go on.
"""

EARLY_TELEMETRY_BYTES = 1024 * 1024
EARLY_TELEMETRY_EVENTS = 10_000
"""Kept during init for extensions that subscribe late: as much as one of them could ask to have buffered."""
SUBSCRIPTIONS = 16
"""Of one extension, each in place of the one before; for each all that has happened is prepared anew."""
TELEMETRY_ATTEMPTS = 3
"""To deliver a batch. Whoever restarts its listener is back by then; what comes meanwhile waits, bounded."""
TELEMETRY_BACKOFF_SECONDS = 0.1
"""Before the second attempt, and twice that before the third."""
TELEMETRY_DELIVERY_SECONDS = 5.0
"""For a subscriber to take a batch, so that one that hangs is told what it missed."""
TELEMETRY_REPLY_BYTES = 64 * 1024
"""Of the head of a subscriber's answer."""

AGENT_LOG_BYTES = 4 * 1024 * 1024
"""Of the agent's own log file; one older file of the same size is kept."""
