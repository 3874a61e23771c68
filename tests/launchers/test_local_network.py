"""Instances with a network namespace of their own: real agents in a real namespace, the rest of the network written."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from paddock.launchers.processes import send_signal
from paddock.model.states import InstancePhase, StateReasonCode
from paddock.ports.launcher import LaunchError
from paddock.testing.launcher_conformance import ended, launch_request, observed, running
from paddock.wire.agent import Report
from tests.agent.network_namespaces import a_namespace
from tests.agent.server_side import ServerSide
from tests.launchers.networks import WrittenNetwork
from tests.launchers.test_local import local, serving


@pytest.fixture
def network() -> Iterator[WrittenNetwork]:
    with a_namespace() as namespace:
        yield WrittenNetwork(namespace)


def network_of(pid: int) -> Path:
    return Path(f"/proc/{pid}/ns/net").readlink()


async def test_all_of_an_instance_lives_in_its_namespace_and_serves(network: WrittenNetwork, tmp_path: Path) -> None:
    async with local(tmp_path, network) as under_test:
        server = ServerSide()
        instance_id, spec = await serving(under_test, server)
        header, body = await server.invoke(spec, b'{"answer": 7}').result()
        assert (header.outcome, body) == ("ok", b"7")
        namespace = network.attached()[instance_id].namespace.readlink()
        recorded = under_test.directory(instance_id).process()
        assert recorded is not None
        inside = [pid for pid in under_test.processes(instance_id) if pid != recorded.pid]
        assert len(inside) > 1
        assert {network_of(pid) for pid in inside} == {namespace}
        await server.close()


async def test_what_passes_its_interface_is_reported(network: WrittenNetwork, tmp_path: Path) -> None:
    async with local(tmp_path, network) as under_test:
        server = ServerSide()
        await serving(under_test, server)

        def is_told() -> bool:
            return any(isinstance(each, Report) and bool(each.network_in_bytes) for each in server.messages)

        await server.until(is_told)
        await server.close()


async def test_the_same_port_is_free_for_each_instance(network: WrittenNetwork, tmp_path: Path) -> None:
    """The machine's own listener, which stands for another instance's, is in nobody's way."""
    async with local(tmp_path, network) as under_test:
        server = ServerSide()
        _, spec = await serving(under_test, server)
        with socket.create_server(("0.0.0.0", 0)) as taken:
            port = taken.getsockname()[1]
            header, _ = await server.invoke(spec, b'{"listen": %d}' % port).result()
        assert header.outcome == "ok"
        await server.close()


async def test_capabilities_and_the_list_say_it(network: WrittenNetwork, tmp_path: Path) -> None:
    async with local(tmp_path, network) as under_test:
        assert under_test.launcher.capabilities().network == "vpc"
        one = await running(under_test)
        assert one.private_ip_address == "10.231.0.4"
    async with local(tmp_path) as under_test:
        assert under_test.launcher.capabilities().network == "host"


async def test_a_refused_attachment_is_a_refused_launch(network: WrittenNetwork, tmp_path: Path) -> None:
    async with local(tmp_path, network) as under_test:
        network.refusal = LaunchError(StateReasonCode.INSUFFICIENT_CAPACITY, "no free address", transient=True)
        request = launch_request(under_test)
        with pytest.raises(LaunchError) as raised:
            await under_test.launcher.launch(request)
        assert (raised.value.reason_code, raised.value.transient) == (StateReasonCode.INSUFFICIENT_CAPACITY, True)
        assert await observed(under_test, request.instance_id) is None
        assert not under_test.directory(request.instance_id).path.exists()
        network.refusal = None
        await running(under_test)


async def test_an_instance_that_ended_by_itself_leaves_no_attachment(network: WrittenNetwork, tmp_path: Path) -> None:
    async with local(tmp_path, network) as under_test:
        one = await running(under_test)
        recorded = under_test.directory(one.instance_id).process()
        assert recorded is not None
        send_signal(recorded.pid, signal.SIGKILL)
        await ended(under_test, one.instance_id)
        assert network.given == {}


async def test_another_server_detaches_what_ended_while_there_was_none(network: WrittenNetwork, tmp_path: Path) -> None:
    async with local(tmp_path, network) as under_test:
        one = await running(under_test)
        recorded = under_test.directory(one.instance_id).process()
        assert recorded is not None
        await under_test.restart(attaches=False)
        assert list(network.given) == [one.instance_id]
        send_signal(recorded.pid, signal.SIGKILL)
        await ended(under_test, one.instance_id)
        assert network.given == {}


async def test_an_attachment_without_an_instance_is_taken_away(network: WrittenNetwork, tmp_path: Path) -> None:
    async with local(tmp_path, network) as under_test:
        request = launch_request(under_test, 7)
        network.attach(request.instance_id, request.subnet_id, ())
        one = await running(under_test)
        assert list(network.given) == [one.instance_id]


async def test_a_namespace_that_is_gone_ends_the_instance_with_the_reason(tmp_path: Path) -> None:
    async with local(tmp_path, WrittenNetwork(tmp_path / "gone")) as under_test:
        request = launch_request(under_test)
        await under_test.launcher.launch(request)
        found = await ended(under_test, request.instance_id)
        assert found.phase is InstancePhase.TERMINATED
        assert found.reason is not None
        assert "the agent cannot start" in found.reason
