from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing

import pytest

from paddock.isolation.peers import Peers
from tests.isolation.enclosed import Enclosure


@pytest.fixture
def peers() -> Iterator[Peers]:
    try:
        found = Peers()
    except OSError as error:
        pytest.skip(str(error))
    with closing(found):
        yield found


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(30)
        yield made


def test_one_s_own_connection_is_one_s_own(peers: Peers, listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()) as client, listener.accept()[0] as accepted:
        assert peers.user_of(accepted.getpeername(), accepted.getsockname()) == os.geteuid()
        assert client.getsockname() == accepted.getpeername()


def test_a_connection_that_is_not_there_is_nobody_s(peers: Peers) -> None:
    assert peers.user_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_s_connection_is_that_user_s(peers: Peers, listener: socket.socket) -> None:
    program = f"import socket; s = socket.create_connection({listener.getsockname()!r}); s.recv(1)"
    argv = ["/usr/bin/python3", "-I", "-S", "-c", program]
    with subprocess.Popen(argv, user=65534, group=65534) as process, listener.accept()[0] as accepted:
        assert peers.user_of(accepted.getpeername(), accepted.getsockname()) == 65534
        accepted.close()
        process.wait(timeout=30)


def test_an_environment_s_connection_is_known_by_its_user(
    in_own_namespaces: Enclosure, peers: Peers, listener: socket.socket
) -> None:
    script = f"import socket; s = socket.create_connection({listener.getsockname()!r}); s.recv(1)"
    started = in_own_namespaces.start(script)
    with listener.accept()[0] as accepted:
        expected = os.geteuid() if started.launch.uid is None else started.launch.uid
        assert peers.user_of(accepted.getpeername(), accepted.getsockname()) == expected
        assert (started.launch.uid is not None) == ("own user" in in_own_namespaces.isolation.describe())
    assert started.ended().status == 0
