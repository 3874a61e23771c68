"""Whose a connection on the loopback is: the kernel is asked for the user of its other end.

Environments share the instance's network, so a function could speak to another's Runtime API. Where each environment
has a user of its own, its agent can tell. Source: `linux/inet_diag.h`, manual page sock_diag(7).
"""

from __future__ import annotations

import socket
import struct

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST = 20, 1
_ALL_STATES = 0xFFFFFFFF
_NO_COOKIE = 0xFFFFFFFF
_MESSAGE_BYTES = 4096
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI")
_SOCKET_ID = struct.Struct("!HH16s16s")
_UID_OFFSET = _HEADER.size + 64
"""In `struct inet_diag_msg`: behind four bytes, the socket's id (48), its timer and both queues."""


class Peers:
    """One open question line to the kernel; a question takes some ten microseconds. `close` it at the end."""

    def __init__(self) -> None:
        """Raises `OSError` where there is no such line (not Linux, or not compiled in)."""
        family = getattr(socket, "AF_NETLINK", None)
        if family is None:
            raise OSError("sockets cannot be looked up here")
        self._netlink = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)
        self._netlink.settimeout(1.0)

    def user_of(self, peer: tuple[str, int], own: tuple[str, int]) -> int | None:
        """The user who holds the other end of an accepted IPv4 connection; None when that end is gone."""
        addresses = _SOCKET_ID.pack(peer[1], own[1], _packed(peer[0]), _packed(own[0]))
        identity = addresses + struct.pack("=III", 0, _NO_COOKIE, _NO_COOKIE)
        request = _REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, _ALL_STATES) + identity
        header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0)
        try:
            self._netlink.send(header + request)
            answer = self._netlink.recv(_MESSAGE_BYTES)
        except OSError:
            return None
        if len(answer) < _UID_OFFSET + 4 or _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
            return None
        uid: int = struct.unpack_from("=I", answer, _UID_OFFSET)[0]
        return uid

    def close(self) -> None:
        self._netlink.close()


def _packed(address: str) -> bytes:
    return socket.inet_aton(address).ljust(16, b"\0")
