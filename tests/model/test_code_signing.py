from __future__ import annotations

from datetime import UTC, datetime

import pytest

from paddock.model.code_signing import CodeSigningConfig, UntrustedArtifactPolicy
from paddock.model.ids import CodeSigningConfigId


@pytest.mark.parametrize("policy", list(UntrustedArtifactPolicy))
def test_only_enforce_refuses_what_is_not_signed(policy: UntrustedArtifactPolicy) -> None:
    config = CodeSigningConfig(CodeSigningConfigId("csc-1"), (), policy, datetime(2026, 11, 23, tzinfo=UTC))

    assert config.refuses_unsigned is (policy.value == "Enforce")
