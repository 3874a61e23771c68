"""What the self-test executes in place of a function: tries what must fail and what must work, and says what happened.

A script of its own, on the standard library: it runs where nothing of Paddock can be seen. Each line of its output is a
claim's name and either `ok` or what was found instead.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from typing import NamedTuple


class Facts(NamedTuple):
    """About the agent, from outside: its pid and start time, a file of its own, a file in the machine's `/tmp`."""

    agent_pid: int
    agent_start_ticks: str
    file_outside: str
    file_in_tmp: str
    port: int


def task_is_read_only(_: Facts) -> str:
    try:
        descriptor = os.open("/var/task/written", os.O_CREAT | os.O_WRONLY)
    except OSError:
        return "ok"
    os.close(descriptor)
    return "/var/task can be written to"


def tmp_is_private(facts: Facts) -> str:
    if os.path.exists(facts.file_in_tmp):  # noqa: PTH110
        return "the machine's /tmp is seen"
    with open("/tmp/written", "w") as file:  # noqa: S108, PTH123
        file.write("x")
    return "ok"


def agent_is_hidden(facts: Facts) -> str:
    try:
        with open(f"/proc/{facts.agent_pid}/stat", "rb") as file:  # noqa: PTH123
            start_ticks = file.read().rpartition(b")")[2].split()[19].decode()
    except OSError:
        return "ok"
    return "the agent's process is seen" if start_ticks == facts.agent_start_ticks else "ok"


def files_are_absent(facts: Facts) -> str:
    try:
        with open(facts.file_outside, "rb"):  # noqa: PTH123
            return "a file outside can be read"
    except OSError:
        return "ok"


def user_is_unprivileged(_: Facts) -> str:
    return "ok" if os.getuid() != 0 else "runs as root"


def runtime_api_is_reachable(facts: Facts) -> str:
    try:
        with socket.create_connection(("127.0.0.1", facts.port), timeout=2):
            return "ok"
    except OSError as error:
        return f"the Runtime API cannot be reached: {error}"


CLAIMS: dict[str, Callable[[Facts], str]] = {
    "task": task_is_read_only,
    "tmp": tmp_is_private,
    "processes": agent_is_hidden,
    "files": files_are_absent,
    "user": user_is_unprivileged,
    "runtime-api": runtime_api_is_reachable,
}


def main() -> None:
    pid, start_ticks, outside, in_tmp, port = sys.argv[1:]
    facts = Facts(int(pid), start_ticks, outside, in_tmp, int(port))
    for name, claim in CLAIMS.items():
        try:
            said = claim(facts)
        except OSError as error:
            said = f"failed: {error}"
        sys.stdout.write(f"{name} {said}\n")


if __name__ == "__main__":
    main()
