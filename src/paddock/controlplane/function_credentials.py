"""What functions sign with, for how long, and when they get the next.

On managed instances an endpoint hands it out, and is told of new ones long before the old ones end. On default Lambda
it stands in variables, which cannot change: an environment is replaced before its own end. Never reaches a log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from paddock.model.function import FunctionConfiguration

MANAGED_LIFETIME = timedelta(hours=1)
"""A role's session by default. No setting, nor the next two: functions and their SDKs are written for these."""
RENEWED_SECONDS = 20 * 60.0
"""What the endpoint hands out is good for 40 minutes at least: SDKs ask again 10 to 15 minutes before the end."""
ON_DEMAND_LIFETIME = timedelta(hours=12)
"""As a role's session at the longest. AWS does not say how long it keeps an environment that is always invoked."""
EXPIRATION = "AWS_CREDENTIAL_EXPIRATION"
"""For the endpoint only: SDKs that find it beside static variables try to renew those, and cannot."""


@dataclass(frozen=True, slots=True)
class FunctionCredentials:
    """`variables` as functions have them; None: they do not end."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires_at: datetime | None = None

    @property
    def for_endpoint(self) -> dict[str, str]:
        if self.expires_at is None:
            return dict(self.variables)
        return {**self.variables, EXPIRATION: f"{self.expires_at:%Y-%m-%dT%H:%M:%SZ}"}


CredentialSource = Callable[[datetime, timedelta], FunctionCredentials]
"""Made now, for so long."""


def no_credentials(now: datetime, lifetime: timedelta) -> FunctionCredentials:
    """For a control plane without a server around it."""
    return FunctionCredentials()


def credentials_for(
    source: CredentialSource, configuration: FunctionConfiguration, now: datetime
) -> FunctionCredentials:
    return source(now, ON_DEMAND_LIFETIME if configuration.on_demand else MANAGED_LIFETIME)
