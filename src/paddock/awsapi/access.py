"""The door: who may come in. Either every request is signed by a known key, or (on loopback only) nobody asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from paddock.awsapi.messages import Request
from paddock.awsapi.sigv4 import Credential, Identity, claimed_identity, verify
from paddock.model.arns import Place
from paddock.model.errors import ApiError
from paddock.ports.clock import Clock

AuthMode: TypeAlias = Literal["sigv4", "none"]


class Access:
    """`credentials` is looked up at each request, so that keys made later count at once."""

    def __init__(self, mode: AuthMode, credentials: Mapping[str, Credential], place: Place, clock: Clock) -> None:
        self.mode = mode
        self.place = place
        self._credentials = credentials
        self._clock = clock

    def identify(self, request: Request) -> Identity:
        """Raises `ApiError` for whom AWS would not let in."""
        place = self.place
        if self.mode == "none":
            return claimed_identity(request, place.account_id, place.region)
        identity = verify(request, self._credentials, self._clock.now())
        if identity.region != place.region:
            text = f"Credential should be scoped to a valid region, not '{identity.region}'. "
            raise ApiError("InvalidSignatureException", text, status=403)
        return identity

    def claimed_service(self, request: Request) -> str:
        """For which service a request says it was signed; empty if it does not say. Not verified."""
        return claimed_identity(request, self.place.account_id, self.place.region).service
