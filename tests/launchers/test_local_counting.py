"""Instances in the machine's network: real agents count what their control group moves, and nothing of it stays."""

import asyncio
import signal
from pathlib import Path

import pytest

from paddock.launchers.cgroups import tried_group
from paddock.launchers.processes import send_signal
from paddock.networks.packet_counter import CannotCount, PacketCounter
from paddock.testing.launcher_conformance import ended
from paddock.wire.agent import Report
from tests.agent.server_side import ServerSide
from tests.launchers.test_local import LocalUnderTest, local, serving
from tests.networks.kernel_programs import attached_programs, wait_until_unloaded


@pytest.fixture(autouse=True)
def _possible() -> None:
    with tried_group() as group:
        try:
            PacketCounter(None if group is None else group.sockets).close()
        except CannotCount as reason:
            pytest.skip(str(reason))


def programs_of(under_test: LocalUnderTest, instance_id: str) -> set[int]:
    groups = (under_test.data_dir / "instances" / instance_id / "cgroups").read_text().splitlines()
    return attached_programs(Path(groups[-1]))


async def test_a_function_that_speaks_to_nobody_moves_nothing(tmp_path: Path) -> None:
    """Though it takes and answers invocations: its Runtime API is inside the instance."""
    async with local(tmp_path) as under_test:
        server = ServerSide()
        _, spec = await serving(under_test, server)
        header, _ = await server.invoke(spec, b'{"size": 1000000}').result()
        assert header.outcome == "ok"
        server.messages.clear()

        def reports() -> list[Report]:
            return [each for each in server.messages if isinstance(each, Report)]

        await server.until(lambda: bool(reports()))
        assert {(each.network_in_bytes, each.network_out_bytes) for each in reports()} == {(0, 0)}
        await server.close()


@pytest.mark.parametrize("victim", ["watchdog", "agent"])
async def test_no_program_outlives_an_instance_that_was_killed(tmp_path: Path, victim: str) -> None:
    async with local(tmp_path) as under_test:
        server = ServerSide()
        instance_id, _ = await serving(under_test, server)
        programs = programs_of(under_test, instance_id)
        assert len(programs) == 2
        recorded = under_test.directory(instance_id).process()
        assert recorded is not None
        send_signal(recorded.pid if victim == "watchdog" else under_test.agent(instance_id), signal.SIGKILL)
        await ended(under_test, instance_id)
        await asyncio.to_thread(wait_until_unloaded, programs)
        await server.close()
