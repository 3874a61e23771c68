"""Which network the local launcher's instances get, and that nothing of it is left when they are gone.

Keeps no list: the network says what is attached, the instances' directories say who lives. Functions without a capacity
provider stay in the machine's network, as AWS runs them in Lambda's own and not in a VPC of the account.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from paddock.model.ids import DEFAULT_LAMBDA, InstanceId
from paddock.ports.instance_network import Attachment, InstanceNetwork, NetworkError
from paddock.ports.launcher import LaunchRequest

_LOG = logging.getLogger(__name__)


class Attachments:
    """`network` is None where this machine can give none. `attaches` is whether new instances get an interface; those
    that have one keep it, and give it back, in any case.
    """

    def __init__(self, network: InstanceNetwork | None = None, *, attaches: bool = True) -> None:
        self._network = network
        self._attaches = attaches
        self._launching: set[InstanceId] = set()
        self._may_be_unclaimed = network is not None

    @property
    def name(self) -> str:
        return "host" if self._network is None or not self._attaches else "vpc"

    @contextmanager
    def launching(self, request: LaunchRequest) -> Iterator[Attachment | None]:
        """Attached before anything runs. Until the block is left, the instance counts as living; should it fail, the
        next look takes its interface away. Raises `LaunchError`.
        """
        instance_id = request.instance_id
        if self._network is None or not self._attaches or request.provider == DEFAULT_LAMBDA:
            yield None
            return
        self._launching.add(instance_id)
        try:
            yield self._network.attach(instance_id, request.subnet_id, request.security_group_ids)
        except BaseException:
            self._may_be_unclaimed = True
            raise
        finally:
            self._launching.discard(instance_id)

    def detach(self, instance_id: InstanceId) -> None:
        """To be called when no process of the instance is left. What fails is tried again at the next look."""
        if self._network is None:
            return
        try:
            self._network.detach(instance_id)
        except (NetworkError, OSError) as error:
            self._may_be_unclaimed = True
            _LOG.warning("%s is still in its network: %s", instance_id, error)

    def maybe_unclaimed(self) -> frozenset[InstanceId]:
        """To be asked before looking who lives: one that is attached later is not among them."""
        if self._network is None or not self._may_be_unclaimed:
            return frozenset()
        try:
            attached = frozenset(self._network.attached())
        except (NetworkError, OSError) as error:
            _LOG.warning("what is attached cannot be seen: %s", error)
            return frozenset()
        self._may_be_unclaimed = False
        return attached - self._launching

    def detach_unclaimed(self, found: Collection[InstanceId], living: Collection[InstanceId]) -> None:
        """Of those found before, the ones that nobody lives in."""
        for instance_id in sorted(set(found) - set(living)):
            _LOG.info("%s is gone, and so is its interface", instance_id)
            self.detach(instance_id)
