"""Entering a network, in a process of its own: whoever enters one is in it for good."""

import subprocess
import sys
from pathlib import Path

from paddock.agent.network_namespace import MachineNetwork
from tests.agent.network_namespaces import a_namespace

WHERE = "import os; where = lambda: os.readlink('/proc/thread-self/ns/net')\n"
ENTER = (
    "import sys, pathlib; from paddock.agent.network_namespace import enter\n"
    "enter_it = lambda: enter(pathlib.Path(sys.argv[1]))\n"
)
REPOSITORY = Path(__file__).parents[2]
MACHINE = Path("/proc/self/ns/net")


def name_of(namespace: Path) -> str:
    return str(namespace.readlink())


def run(script: str, namespace: Path) -> list[str]:
    command = [sys.executable, "-c", f"{WHERE}{ENTER}{script}", str(namespace)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_process_that_entered_is_there_with_its_threads_and_children() -> None:
    with a_namespace() as namespace:
        script = (
            "enter_it(); print(where())\n"
            "import threading; thread = threading.Thread(target=lambda: print(where()))\n"
            "thread.start(); thread.join()\n"
            "import subprocess; subprocess.run(['readlink', '/proc/self/ns/net'])\n"
        )
        assert run(script, namespace) == [name_of(namespace)] * 3


def test_an_errand_is_in_the_machines_network_with_what_it_starts_and_nothing_else_is() -> None:
    with a_namespace() as namespace:
        script = (
            "network = enter_it(); print(network.run(where))\n"
            "import subprocess\n"
            "print(network.run(lambda: subprocess.check_output(['readlink', '/proc/self/ns/net'], text=True)))\n"
            "print(where())\n"
        )
        machine = name_of(MACHINE)
        assert run(script, namespace) == [machine, machine, name_of(namespace)]


def test_a_socket_made_by_an_errand_reaches_what_listens_in_the_machines_network() -> None:
    with a_namespace() as namespace:
        script = (
            "import socket\n"
            "outside = socket.create_server(('127.0.0.1', 0)); address = outside.getsockname()\n"
            "network = enter_it()\n"
            "made = network.run(lambda: socket.socket()); made.connect(address); print('reached')\n"
            "try:\n    socket.create_connection(address, 5)\nexcept ConnectionRefusedError:\n    print('refused')\n"
        )
        assert run(script, namespace) == ["reached", "refused"]


def test_the_way_back_is_nobody_elses() -> None:
    with a_namespace() as namespace:
        script = (
            "network = enter_it()\n"
            "import subprocess\n"
            "listing = subprocess.check_output(['ls', '-l', '/proc/self/fd'], text=True, close_fds=False)\n"
            "print('net:' in listing)\n"
        )
        assert run(script, namespace) == ["False"]


def test_a_process_with_threads_does_not_enter() -> None:
    with a_namespace() as namespace:
        script = (
            "import threading; stop = threading.Event(); threading.Thread(target=stop.wait, daemon=True).start()\n"
            "try:\n    enter_it()\nexcept OSError:\n    print('refused', where())\n"
        )
        assert run(script, namespace) == ["refused", name_of(MACHINE)]


def test_where_the_machines_network_was_never_left_an_errand_is_a_call() -> None:
    assert MachineNetwork().run(lambda: 7) == 7
    assert not MachineNetwork().is_elsewhere


def test_an_errands_error_is_its_callers() -> None:
    with a_namespace() as namespace:
        script = (
            "network = enter_it()\n"
            "try:\n    network.run(lambda: 1 / 0)\nexcept ZeroDivisionError:\n    print('raised', where())\n"
        )
        assert run(script, namespace) == ["raised", name_of(namespace)]


def test_a_namespace_that_is_gone_cannot_be_entered(tmp_path: Path) -> None:
    script = "try:\n    enter_it()\nexcept FileNotFoundError:\n    print('refused', where())\n"
    assert run(script, tmp_path / "gone") == ["refused", name_of(MACHINE)]


def test_a_runtime_is_installed_from_the_machines_network() -> None:
    with a_namespace() as namespace:
        script = (
            "network = enter_it()\n"
            "from pathlib import Path\n"
            "from paddock import runtimes\n"
            "from paddock.agent.metadata import EndpointAccess\n"
            "from paddock.agent.runtime_commands import InstalledRuntimes, RuntimeInvitation\n"
            "from tests.agent.server_side import environment_spec\n"
            "def ensure(store, runtime):\n"
            "    print(where())\n"
            "    raise runtimes.RuntimeUnavailable(runtime, 'as asked', '')\n"
            "runtimes.RuntimeStore.ensure = ensure\n"
            "access = EndpointAccess('127.0.0.1:9', 'token')\n"
            "invitation = RuntimeInvitation(environment_spec(), Path('/nowhere'), '127.0.0.1:9', '/nowhere', access)\n"
            "terms = {'strict': False, 'aws_layout': False, 'network': network}\n"
            "source = InstalledRuntimes(Path('/nowhere'), 'us-east-1', **terms)\n"
            "try:\n    source.prepare(invitation)\n"
            "except Exception as error:\n    print(str(error).split()[-1], where())\n"
        )
        assert run(script, namespace) == [name_of(MACHINE), "asked", name_of(namespace)]
