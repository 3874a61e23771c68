"""What functions find in a network of their own: names, and Paddock's own endpoint. Real servers, agents and clients.

The machine's resolver is played; nothing outside is asked. Subnets lead nowhere and the security group lets nothing
out: both come without either.
"""

from __future__ import annotations

import shlex
import shutil
import socket
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from paddock.model.ids import Region
from paddock.model.network import default_network
from paddock.networks.vpc import VpcNetwork
from tests.agent.name_messages import NO_SUCH_NAME, A, answer_to, kind_in, name_in
from tests.e2e.conftest import Server, create_function, create_provider, eventually, invoke, package, start_server

pytestmark = pytest.mark.e2e
MACHINE = "127.53.5.1"
KNOWN = {"db.office.example": "10.0.0.7"}
CLOSED = """\
vpc_id: vpc-closed
subnets:
  - {subnet_id: subnet-a, zone: us-east-1a, cidr_block: 10.231.0.0/20, route: none}
  - {subnet_id: subnet-b, zone: us-east-1b, cidr_block: 10.231.16.0/20, route: none}
  - {subnet_id: subnet-c, zone: us-east-1c, cidr_block: 10.231.32.0/20, route: none}
security_groups:
  - {group_id: sg-default, ip_permissions_egress: []}
machine_ports: [%d]
"""


class _PlayedResolver(socketserver.DatagramRequestHandler):
    def handle(self) -> None:
        asked = self.rfile.read()
        address = KNOWN.get(name_in(asked).lower())
        if address is None:
            self.wfile.write(answer_to(asked, code=NO_SUCH_NAME))
        else:
            self.wfile.write(answer_to(asked, *([address] if kind_in(asked) == A else [])))


class _PlayedService(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running(played: socketserver.BaseServer) -> Iterator[None]:
    with played:
        thread = threading.Thread(target=played.serve_forever)
        thread.start()
        try:
            yield
        finally:
            played.shutdown()
            thread.join()


@contextmanager
def a_resolver() -> Iterator[None]:
    with running(socketserver.UDPServer((MACHINE, 53), _PlayedResolver)):
        yield


@contextmanager
def a_service() -> Iterator[int]:
    """On the machine's loopback; its port."""
    played = HTTPServer(("127.0.0.1", 0), _PlayedService)
    with running(played):
        yield played.server_port


@contextmanager
def a_machine(resolv_conf: Path) -> Iterator[list[str]]:
    """How to start a server that finds the played resolver in `/etc/resolv.conf`; one after the other see the same."""
    resolv_conf.write_text(f"nameserver {MACHINE}\n")
    script = f"mount --bind {shlex.quote(str(resolv_conf))} /etc/resolv.conf && echo ready && exec sleep 600"
    with subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdout=subprocess.PIPE) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"ready\n"
        try:
            yield ["nsenter", f"--mount=/proc/{held.pid}/ns/mnt"]
        finally:
            held.kill()


@pytest.fixture(scope="module")
def terms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Of servers whose machine has the played resolver, and whose network leads nowhere."""
    directory = tmp_path_factory.mktemp("machine")
    because = VpcNetwork(default_network(Region("us-east-1")), installation=directory).unavailable_because()
    if because is not None:
        pytest.skip(because)
    if shutil.which("nsenter") is None or shutil.which("unshare") is None:
        pytest.skip("needs unshare and nsenter: apt-get install util-linux")
    network = directory / "network.yaml"
    with a_resolver(), a_service() as service, a_machine(directory / "resolv.conf") as within:
        network.write_text(CLOSED % service)
        yield {"flags": ("--network", "vpc", "--network-file", str(network)), "within": within, "service": service}


@pytest.fixture(scope="module")
def inside(terms: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("inside") / "data", *terms["flags"], within=terms["within"])
    create_calls(server)
    yield server
    server.stop()


def create_calls(server: Server) -> None:
    api = server.client("lambda")
    create_function(
        api,
        create_provider(api, "closed"),
        "calls",
        Handler="calls.handler",
        Code={"ZipFile": package("calls.py")},
        Environment={"Variables": {"AWS_ENDPOINT_URL": server.url}},
        Timeout=30,
    )


def test_names_are_resolved_by_the_machines_resolver_without_any_way_out(inside: Server) -> None:
    found = invoke(inside.client("lambda"), "calls", {"looks_up": ["db.office.example", "nowhere.office.example"]})
    assert found == {
        "looks_up": {"db.office.example": ["10.0.0.7"], "nowhere.office.example": "Name or service not known"}
    }


def test_a_function_calls_another_at_the_endpoint_that_is_set_and_reaches_nothing_else_there(inside: Server) -> None:
    api = inside.client("lambda")
    assert invoke(api, "calls", {"invokes": "calls"}) == {"invokes": {"looks_up": {}}}
    with socket.create_server(("127.0.0.1", 0)) as of_the_machine:
        url = f"http://127.0.0.1:{of_the_machine.getsockname()[1]}"
        assert invoke(api, "calls", {"fetches": url}) == {"fetches": "[Errno 111] Connection refused"}


def test_a_service_of_the_machine_is_reached_at_the_port_that_the_network_file_opens(
    inside: Server, terms: dict[str, Any]
) -> None:
    url = f"http://127.0.0.1:{terms['service']}"
    assert invoke(inside.client("lambda"), "calls", {"fetches": url}) == {"fetches": 200}


def test_a_function_reaches_a_function_url_by_its_name(inside: Server) -> None:
    api = inside.client("lambda")
    url = api.create_function_url_config(FunctionName="calls", AuthType="NONE")["FunctionUrl"]
    assert invoke(api, "calls", {"fetches": url}) == {"fetches": 200}


def test_the_endpoint_is_there_again_for_instances_that_outlived_its_server(
    terms: dict[str, Any], own_server: Callable[..., Server]
) -> None:
    first = own_server(*terms["flags"], within=terms["within"])
    create_calls(first)
    first.kill()
    port = first.url.rpartition(":")[2]
    api = own_server("--port", port, *terms["flags"], within=terms["within"]).client("lambda")
    assert eventually(lambda: invoke(api, "calls", {"invokes": "calls"}) == {"invokes": {"looks_up": {}}})
