"""What a server refuses before it serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddock.isolation import ladder
from paddock.isolation.launch import as_process
from paddock.isolation.view import Rung
from paddock.model.errors import StartError
from paddock.server.main import run
from paddock.server.settings import Settings


def test_a_server_does_not_start_with_less_isolation_than_is_demanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ladder.Way(Rung.PROCESS, ("limits",), as_process(landlock=0, filtered=False), frozenset())
    monkeypatch.setattr(ladder, "ways_of_this_machine", lambda _scratch: [plain])

    with pytest.raises(StartError, match="isolation of namespaces or more was demanded and cannot be had"):
        run(Settings(data_dir=tmp_path, port=0, isolation_min="namespaces"))
