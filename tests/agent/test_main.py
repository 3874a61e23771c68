"""The agent's process: what it imports, how it refuses to start, how quickly it is up."""

import json
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from paddock.agent.main import _bound

HEAVY = ["sqlalchemy", "botocore", "boto3", "rich", "typer", "yaml", "numpy", "cryptography", "paddock.controlplane"]
"""None of these may be imported before an instance has an environment, nor after: the agent needs none of them."""


def test_the_agent_stays_lean() -> None:
    code = "import json, sys; import paddock.agent.main; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert [name for name in HEAVY if name in loaded] == []
    assert "paddock.runtimes" not in loaded, "only an environment needs it"


def test_the_watchdog_stays_small() -> None:
    code = "import json, sys; import paddock.agent.__main__; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert [name for name in ["asyncio", "uvloop", "msgspec", "httptools", *HEAVY] if name in loaded] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "no bootstrap"), ("{}", "no bootstrap"), ("[1]", "no bootstrap"), (None, "no bootstrap")],
)
def test_a_bootstrap_that_is_none_is_refused_in_one_line(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "bootstrap.json"
    if content is not None:
        path.write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "paddock.agent", "--bootstrap", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_agent_that_has_run_does_not_run_again(tmp_path: Path) -> None:
    path = tmp_path / "bootstrap.json"
    path.write_text("{}")
    command = [sys.executable, "-m", "paddock.agent", "--bootstrap", str(path)]
    subprocess.run(command, capture_output=True, check=False)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "runs already, or has run" in done.stderr


def test_whoever_sees_the_agents_socket_may_connect_to_it(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    path.touch()
    with _bound(path), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.connect(str(path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["agent.sock"]
