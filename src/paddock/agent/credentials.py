"""The credentials of functions on this instance, as the server gave them last, in the words of SDKs.

Never logged. They end, and the server says the next ones long before: SDKs come back in time and find them here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

RENEWED_SECONDS = 3600.0
"""SDKs ask again some minutes before a document expires; for keys that do not say when they end."""
EXPIRATION = "AWS_CREDENTIAL_EXPIRATION"


class FunctionCredentials:
    def __init__(self) -> None:
        self._variables: dict[str, str] = {}

    def renew(self, variables: Mapping[str, str]) -> None:
        """`AWS_ACCESS_KEY_ID` and so on; nothing is kept of an empty one."""
        if variables:
            self._variables = dict(variables)

    def seed(self, variables: Mapping[str, str]) -> None:
        """Until the server has said."""
        if not self._variables:
            self.renew(variables)

    def document(self, epoch_seconds: float) -> bytes | None:
        """None while there are none. Every field is there, because SDK for JavaScript insists on them."""
        if not self._variables:
            return None
        in_a_while = datetime.fromtimestamp(epoch_seconds + RENEWED_SECONDS, UTC)
        expires = self._variables.get(EXPIRATION) or f"{in_a_while:%Y-%m-%dT%H:%M:%SZ}"
        return json.dumps(
            {
                "AccessKeyId": self._variables.get("AWS_ACCESS_KEY_ID", ""),
                "SecretAccessKey": self._variables.get("AWS_SECRET_ACCESS_KEY", ""),
                "Token": self._variables.get("AWS_SESSION_TOKEN", ""),
                "Expiration": expires,
            }
        ).encode()
