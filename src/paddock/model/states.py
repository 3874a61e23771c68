"""The states of AWS's model, and the phases of the two things AWS does not name: instances and environments.

AWS's values are spelled as in the public API model (botocore, lambda 2015-03-31) and tested against it.
"""

from __future__ import annotations

from enum import StrEnum


class CapacityProviderState(StrEnum):
    PENDING = "Pending"
    ACTIVE = "Active"
    FAILED = "Failed"
    DELETING = "Deleting"


class FunctionState(StrEnum):
    PENDING = "Pending"
    ACTIVE = "Active"
    INACTIVE = "Inactive"
    FAILED = "Failed"
    DEACTIVATING = "Deactivating"
    DEACTIVATED = "Deactivated"
    ACTIVE_NON_INVOCABLE = "ActiveNonInvocable"
    DELETING = "Deleting"


class LastUpdateStatus(StrEnum):
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    IN_PROGRESS = "InProgress"


class StateReasonCode(StrEnum):
    """Those of AWS's codes that Paddock gives."""

    IDLE = "Idle"
    CREATING = "Creating"
    UPDATING = "Updating"
    RESTORING = "Restoring"
    ENI_LIMIT_EXCEEDED = "EniLimitExceeded"
    INSUFFICIENT_ROLE_PERMISSIONS = "InsufficientRolePermissions"
    INVALID_CONFIGURATION = "InvalidConfiguration"
    INTERNAL_ERROR = "InternalError"
    SUBNET_OUT_OF_IP_ADDRESSES = "SubnetOutOfIPAddresses"
    INVALID_SUBNET = "InvalidSubnet"
    INVALID_SECURITY_GROUP = "InvalidSecurityGroup"
    INVALID_RUNTIME = "InvalidRuntime"
    INVALID_IMAGE = "InvalidImage"
    INVALID_ZIP_FILE = "InvalidZipFileException"
    FUNCTION_ERROR = "FunctionError"
    VCPU_LIMIT_EXCEEDED = "VcpuLimitExceeded"
    CAPACITY_PROVIDER_SCALING_LIMIT_EXCEEDED = "CapacityProviderScalingLimitExceeded"
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    EC2_REQUEST_LIMIT_EXCEEDED = "EC2RequestLimitExceeded"
    INIT_TIMEOUT = "FunctionError.InitTimeout"
    RUNTIME_INIT_ERROR = "FunctionError.RuntimeInitError"
    EXTENSION_INIT_ERROR = "FunctionError.ExtensionInitError"
    INVALID_ENTRY_POINT = "FunctionError.InvalidEntryPoint"
    INVALID_WORKING_DIRECTORY = "FunctionError.InvalidWorkingDirectory"
    PERMISSION_DENIED = "FunctionError.PermissionDenied"
    TOO_MANY_EXTENSIONS = "FunctionError.TooManyExtensions"
    INIT_RESOURCE_EXHAUSTED = "FunctionError.InitResourceExhausted"


class InstancePhase(StrEnum):
    """A managed instance, as the launcher and our own lease see it. An id never runs twice.

    PENDING: intent stored, not yet reported by an agent. RUNNING: its agent holds the lease. STOPPING: told to end.
    LOST: the lease ran out and nothing is known of its processes. TERMINATED: nothing of it can act any more.
    """

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    LOST = "lost"
    TERMINATED = "terminated"


class EnvironmentPhase(StrEnum):
    """An execution environment, as its agent reports it.

    ASSIGNED: in the desired configuration, not yet reported. STARTING: init under way. READY: takes invocations.
    DRAINING: finishes what is in flight, takes no more. ENDED: its processes are gone (also after a failed init).
    """

    ASSIGNED = "assigned"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    ENDED = "ended"
