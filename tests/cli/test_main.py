"""The way in, before there are commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from paddock.cli.main import main


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
