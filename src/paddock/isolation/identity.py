"""Which user of this machine an environment's processes are. Pure."""

from __future__ import annotations

import hashlib

from paddock.isolation.filesystem import SEEN_GID, SEEN_UID
from paddock.isolation.inside.order import Identity

FIRST_UID = 1_900_000_000
UIDS = 200_000_000
"""Above all that systemd, distributions and engines hand out (systemd's last is 1,879,048,191), below 2^31."""


def own_identity(environment_id: str) -> Identity:
    """For an agent that is root: a user that nobody else is, without any bookkeeping. Two of a thousand environments
    on a machine share one with a chance of one in four hundred, and then each still has its own namespaces.
    """
    digest = hashlib.sha256(environment_id.encode()).digest()
    own = FIRST_UID + int.from_bytes(digest[:8], "big") % UIDS
    return Identity(uid=own, gid=own, seen_uid=SEEN_UID, seen_gid=SEEN_GID)


def agents_identity(uid: int, gid: int) -> Identity:
    """For an agent that is an ordinary user: the only one it can give."""
    return Identity(uid=uid, gid=gid, seen_uid=SEEN_UID, seen_gid=SEEN_GID)
