"""What managed instances promise while they are replaced, under load that does not wait for answers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from paddock.cli.load import Load, Stream, steady
from paddock.ports.clock import SystemClock
from tests.e2e.conftest import Server, create_function, create_provider, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LOAD_SECONDS = 180
"""The most; it is stopped as soon as everything is replaced."""


def _instance_ids(server: Server) -> set[str]:
    status: Any = json.loads(server.paddock("status", "--output", "json").stdout)
    return {each["instance_id"] for provider in status["providers"] for each in provider["instances"]}


def test_a_patch_replaces_every_instance_under_load_and_no_invocation_fails(
    own_server: Callable[..., Server],
) -> None:
    server = own_server()
    api = server.client("lambda")
    create_function(api, create_provider(api, "p"), "f")
    before = _instance_ids(server)
    stream = Stream("f", 10.0, lambda _: {"do": "wait", "seconds": 0.05})
    load = Load(api, steady((stream,), LOAD_SECONDS), LOAD_SECONDS, SystemClock())
    sending = threading.Thread(target=load.run)
    sending.start()
    try:
        assert eventually(lambda: len(load.answers) > 0)
        begun = server.paddock("patch", "--output", "json")
        again = server.paddock("patch")
        assert eventually(lambda: not before & _instance_ids(server), LOAD_SECONDS)
    finally:
        load.stop()
        sending.join()

    assert set(json.loads(begun.stdout)["instances"]["p"]) == before
    assert again.returncode == 1
    assert "is under way" in again.stderr
    assert set(Counter(answer.outcome for answer in load.answers)) == {"ok"}
