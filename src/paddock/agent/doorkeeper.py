"""Keeps other environments away from a Runtime API: asks once for each connection whose it is.

Environments share the loopback of their instance. Where each has a user of its own, nobody else has business here.
"""

from __future__ import annotations

import asyncio
import logging

from paddock.isolation.peers import Peers

_LOG = logging.getLogger("paddock.agent")


class Doorkeeper:
    def __init__(self, peers: Peers, uid: int) -> None:
        self._peers = peers
        self._uid = uid
        self._said = False

    def admits(self, transport: asyncio.BaseTransport) -> bool:
        """Not when the other end is gone already either: what it may have sent is nobody's."""
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not peer or not own:
            return False
        user = self._peers.user_of(peer, own)
        if user is not None and user != self._uid and not self._said:
            self._said = True  # once is enough: whoever tries may try on and on
            _LOG.warning("user %d was kept from the Runtime API of user %d", user, self._uid)
        return user == self._uid
