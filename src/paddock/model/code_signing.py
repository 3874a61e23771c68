"""A code signing configuration: whose signatures a function's code must bear, and what happens when it does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from paddock.model.ids import CodeSigningConfigId


class UntrustedArtifactPolicy(StrEnum):
    """`Warn` deploys all the same."""

    WARN = "Warn"
    ENFORCE = "Enforce"


@dataclass(frozen=True, slots=True)
class CodeSigningConfig:
    config_id: CodeSigningConfigId
    signing_profile_version_arns: tuple[str, ...]
    untrusted_artifact_on_deployment: UntrustedArtifactPolicy
    last_modified: datetime
    description: str = ""

    @property
    def refuses_unsigned(self) -> bool:
        return self.untrusted_artifact_on_deployment is UntrustedArtifactPolicy.ENFORCE
