"""What the log says of connections to agents: nothing of an end that was meant, and each one that was not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from paddock.router import connections
from paddock.wire.routes import InstanceRouteRemoved
from tests.router.driving import driven, until
from tests.router.scripted_agent import scripted_agent


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.LogCaptureFixture]:
    """Retries come quickly here, so that there are many of them."""
    monkeypatch.setattr(connections, "FIRST_RETRY_SECONDS", 0.001)
    monkeypatch.setattr(connections, "LONGEST_RETRY_SECONDS", 0.001)
    with caplog.at_level(logging.DEBUG, connections.__name__):
        yield caplog


def news(told: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in told.records if record.levelno >= logging.INFO]


async def test_an_agent_whose_route_goes_as_it_ends_is_no_news(
    tmp_path: Path, told: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "FIRST_RETRY_SECONDS", 60.0)
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        agent.path.unlink()
        agent.drop_connections()
        await until(lambda: "the connection to the agent of i-1 ended" in told.text)
        service.router.apply(InstanceRouteRemoved("i-1"))
        await until(lambda: not agent.connections)

    assert news(told) == []


async def test_a_router_that_stops_says_nothing_of_its_connections(
    tmp_path: Path, told: pytest.LogCaptureFixture
) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent):
        pass

    assert news(told) == []


async def test_a_connection_that_broke_and_is_there_again_is_told(
    tmp_path: Path, told: pytest.LogCaptureFixture
) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent):
        agent.drop_connections()
        await until(lambda: len(agent.hellos) == 2)

    assert news(told) == ["the connection to the agent of i-1 ended and is there again"]


async def test_an_agent_that_stays_away_is_told_once(tmp_path: Path, told: pytest.LogCaptureFixture) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent):
        agent.path.unlink()
        agent.drop_connections()
        await until(lambda: told.text.count("cannot be reached") > 3 * connections.TOLD_FAILURES)

    [said] = news(told)
    assert said.startswith("the agent of i-1 can no longer be reached: ")
