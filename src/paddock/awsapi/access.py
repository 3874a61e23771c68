"""The door: who may come in. Either every request is signed by a known key, or (on loopback only) nobody asks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Literal, TypeAlias

from paddock.awsapi.messages import Request
from paddock.awsapi.sigv4 import Credential, Identity, claimed_identity, verify
from paddock.model.arns import Place
from paddock.model.errors import ApiError
from paddock.model.function_url import URL_LABEL
from paddock.ports.clock import Clock

AuthMode: TypeAlias = Literal["sigv4", "none"]


LOCAL_DOMAINS = (".localhost", ".local", ".internal")


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
            _refuse_foreign_pages(request)
            return claimed_identity(request, place.account_id, place.region)
        identity = verify(request, self._credentials, self._clock.now())
        if identity.region != place.region:
            text = f"Credential should be scoped to a valid region, not '{identity.region}'. "
            raise ApiError("InvalidSignatureException", text, status=403)
        return identity

    def identify_at_function_url(self, request: Request) -> Identity:
        """As `identify`, under names that are a function's and not ours, and for pages of any site."""
        if self.mode == "none":
            return claimed_identity(request, self.place.account_id, self.place.region)
        return self.identify(request)

    def claimed_service(self, request: Request) -> str:
        """For which service a request says it was signed; empty if it does not say. Not verified."""
        return claimed_identity(request, self.place.account_id, self.place.region).service


def _refuse_foreign_pages(request: Request) -> None:
    """Where nobody asks for a signature, a web page must not act for whoever has it open.

    Pages of other sites send an `Origin` that is not ours; a site that has its name point here shows by that name.
    """
    host = request.headers.get(b"host", b"")
    origin = request.headers.get(b"origin")
    if not _is_local(host) or (origin is not None and origin.rpartition(b"/")[2] != host):
        text = (
            "Without authentication only local tools are let in; sign your requests, or use this server by its address"
        )
        raise ApiError("AccessDeniedException", text, status=403)


@lru_cache(maxsize=64)
def _is_local(host: bytes) -> bool:
    """An address, or a name that no stranger can own: `localhost`, one without dots, one of a local domain."""
    text = host.decode("latin-1").lower()
    name = text.rpartition(":")[0] or text
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        # What a function URL shows is not ours: a page from there must not act for whoever has it open.
        return "." not in name or (name.endswith(LOCAL_DOMAINS) and URL_LABEL not in name)
    return True
