import subprocess
import sys
from pathlib import Path

from paddock.agent.limits import AGENT_LOG_BYTES

WRITES = """
import logging, os, sys
from pathlib import Path
from paddock.agent.journal import open_journal
directory = Path(sys.argv[1])
open_journal(directory)
for number in range(int(sys.argv[2])):
    logging.getLogger("paddock.agent").info("line %d", number)
print("printed", flush=True)
"""


def write(directory: Path, lines: int) -> None:
    with (directory / "agent.log").open("ab") as log:
        command = [sys.executable, "-c", WRITES, str(directory), str(lines)]
        subprocess.run(command, stdout=log, stderr=log, check=True)


def test_the_agents_log_is_turned_over_when_it_is_full(tmp_path: Path) -> None:
    (tmp_path / "agent.log").write_bytes(b"x" * AGENT_LOG_BYTES)
    write(tmp_path, 3)

    assert (tmp_path / "agent.log.1").stat().st_size == AGENT_LOG_BYTES
    lines = (tmp_path / "agent.log").read_text().splitlines()
    assert [line.rpartition(" INFO ")[2] for line in lines] == ["line 0", "line 1", "line 2", "printed"]


def test_a_log_with_room_goes_on(tmp_path: Path) -> None:
    (tmp_path / "agent.log").write_bytes(b"before\n")
    write(tmp_path, 1)
    assert (tmp_path / "agent.log").read_text().startswith("before\n")
    assert not (tmp_path / "agent.log.1").exists()
