"""`python -m paddock.agent --bootstrap FILE`: one managed instance, a watchdog with the agent as its child.

What is imported here stays in the watchdog for the life of the instance; the agent proper is imported after the fork.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from paddock.agent.watchdog import watch
from paddock.launchers.instance_directory import InstanceDirectory


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="paddock.agent", description="The agent of one managed instance.")
    parser.add_argument("--bootstrap", type=Path, required=True, help="what the launcher wrote for this instance")
    parser.add_argument(
        "--fence-after",
        type=float,
        metavar="SECONDS",
        help="end the instance when no server was connected for so long (default: go on for ever)",
    )
    options = parser.parse_args(arguments)

    def run_agent() -> int:
        from paddock.agent.main import run  # noqa: PLC0415  # after the fork, see above

        return run(options.bootstrap, options.fence_after)

    return watch(run_agent, InstanceDirectory(options.bootstrap.absolute().parent))


if __name__ == "__main__":
    sys.exit(main())
