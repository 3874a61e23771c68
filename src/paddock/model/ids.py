"""Typed ids. A `FunctionName` cannot be passed where an `InstanceId` is wanted; the type checker holds that."""

from __future__ import annotations

from typing import NamedTuple, NewType

AccountId = NewType("AccountId", str)
Region = NewType("Region", str)
AvailabilityZone = NewType("AvailabilityZone", str)
SubnetId = NewType("SubnetId", str)
SecurityGroupId = NewType("SecurityGroupId", str)

CapacityProviderName = NewType("CapacityProviderName", str)
FunctionName = NewType("FunctionName", str)
VersionName = NewType("VersionName", str)
"""`$LATEST`, `$LATEST.PUBLISHED` or a number in decimal."""

RevisionId = NewType("RevisionId", str)
"""One publish: `$LATEST.PUBLISHED` keeps its name and gets a new revision each time it is published."""

InstanceId = NewType("InstanceId", str)
EnvironmentId = NewType("EnvironmentId", str)
InvocationId = NewType("InvocationId", str)
TenantId = NewType("TenantId", str)
"""Whom an invocation is made for, and an environment of a function with tenant isolation belongs to."""
LayerName = NewType("LayerName", str)
CodeSigningConfigId = NewType("CodeSigningConfigId", str)
CodeSha256 = NewType("CodeSha256", str)
"""SHA-256 of a deployment package in base64, as AWS shows it."""

DEFAULT_LAMBDA = CapacityProviderName("$default")
"""What functions without a capacity provider run on: our own pool, under a name that no customer can give."""

NO_TENANT = TenantId("")
"""Of functions whose environments serve whoever comes."""

LATEST = VersionName("$LATEST")
LATEST_PUBLISHED = VersionName("$LATEST.PUBLISHED")


class FunctionVersionKey(NamedTuple):
    """Names one version of one function; what an execution environment is bound to."""

    function_name: FunctionName
    version: VersionName

    def __str__(self) -> str:
        return f"{self.function_name}:{self.version}"
