"""Several router processes on one port: to a client, one server."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.request import urlopen

import pytest

from tests.e2e.conftest import Server, create_function, create_provider, eventually, invoke

pytestmark = pytest.mark.e2e
CONNECTIONS = 24


def counted(server: Server, name: str) -> int:
    with urlopen(f"{server.url}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    wanted = f'paddock_invocations_total{{function_name="{name}",version="$LATEST.PUBLISHED"}} '
    return sum(int(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))


def test_whichever_process_gets_a_connection_everything_works(own_server: Callable[..., Server]) -> None:
    server = own_server("--routers", "3")
    api = server.client("lambda")
    create_function(api, create_provider(api, "several"), "several")

    def once(number: int) -> tuple[Any, int, int]:
        """All kinds of requests on a connection of its own."""
        client = server.client("lambda")
        answer = invoke(client, "several", {"n": number})
        accepted = client.invoke(FunctionName="several", InvocationType="Event", Payload=json.dumps({"n": number}))
        return answer, accepted["StatusCode"], len(client.list_functions()["Functions"])

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(once, range(CONNECTIONS)))

    assert [status for _, status, _ in answers] == [202] * CONNECTIONS
    assert [functions for _, _, functions in answers] == [1] * CONNECTIONS
    assert not any("error" in answer for answer, _, _ in answers)
    assert eventually(lambda: counted(server, "several") == 2 * CONNECTIONS)
