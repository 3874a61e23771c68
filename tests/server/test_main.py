"""What a server refuses before it serves."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from paddock.isolation import ladder
from paddock.isolation.launch import as_process
from paddock.isolation.view import Rung
from paddock.model.errors import SettingsError, StartError
from paddock.server import main
from paddock.server.main import run
from paddock.server.settings import Settings


def test_a_server_does_not_start_with_less_isolation_than_is_demanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ladder.Way(Rung.PROCESS, ("limits",), as_process(landlock=0, filtered=False), frozenset())
    monkeypatch.setattr(ladder, "ways_of_this_machine", lambda _scratch: [plain])

    with pytest.raises(StartError, match="isolation of namespaces or more was demanded and cannot be had"):
        run(Settings(data_dir=tmp_path, port=0, isolation_min="namespaces"))


def test_a_network_that_cannot_be_had_is_one_line_for_the_operator(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "paddock.cli.main", "up", "--network", "vpc", "--data-dir", str(tmp_path / "data")]
    nowhere = os.environ | {"PATH": str(tmp_path)}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=nowhere)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("paddock: --network vpc cannot be had: ")
    assert ended.stderr.count("\n") == 1


def test_a_port_in_use_is_one_line_for_the_operator(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "paddock.cli.main", "up", "--port", str(port), "--data-dir", str(tmp_path)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    said = f"paddock: cannot listen on 127.0.0.1:{port}: it is in use; stop what uses it or choose another port\n"
    assert (ended.returncode, ended.stderr) == (1, said)


def test_a_network_file_that_cannot_be_used_is_one_line_for_the_operator(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"network\.yaml cannot be read"):
        run(Settings(data_dir=tmp_path, port=0, network_file=tmp_path / "network.yaml"))


def test_a_full_disk_is_one_line_for_the_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def serve(*_: object) -> None:
        raise ExceptionGroup("of tasks", [OSError(errno.ENOSPC, "No space left on device")])

    monkeypatch.setattr(main, "_serve", serve)

    with pytest.raises(StartError, match="is full: free some space"):
        run(Settings(data_dir=tmp_path, port=0))


def test_a_fault_of_ours_is_not_dressed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def serve(*_: object) -> None:
        raise ExceptionGroup("of tasks", [ZeroDivisionError()])

    monkeypatch.setattr(main, "_serve", serve)

    with pytest.raises(ExceptionGroup, match="of tasks"):
        run(Settings(data_dir=tmp_path, port=0))
