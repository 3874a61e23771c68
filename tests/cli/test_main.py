"""The way in: what ends a command that is none of its own answers."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from paddock import __version__
from paddock.cli.main import main
from paddock.server import data_dir as data_directory
from paddock.server.data_dir import RunningServer


class Interrupted:
    """A finder that Ctrl-C comes to while it looks for the commands."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> None:
        if name == "paddock.cli.app":
            raise KeyboardInterrupt


def test_ctrl_c_while_the_commands_are_imported_has_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "paddock.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130


def test_a_server_that_does_not_answer_is_one_line_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody_listens.getsockname()[1]}"
        (tmp_path / "credentials.json").write_text('{"access_key_id": "AKIA", "secret_access_key": "none"}')
        data_directory.announce(tmp_path, RunningServer(url, "us-east-1", os.getpid(), "sigv4"))
        assert run(monkeypatch, "logs", "hello", "--data-dir", str(tmp_path)) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("paddock: ")
    assert url in line


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """The exit status of `paddock` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["paddock", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_the_version_is_told_by_the_option_and_by_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [run(monkeypatch, "--version"), run(monkeypatch, "version")] == [0, 0]
    assert capsys.readouterr().out.split() == [__version__, __version__]


def test_an_empty_provider_patches_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "patch", "--provider", "", "--data-dir", str(tmp_path)) == 2
    assert "--provider is empty" in capsys.readouterr().err
