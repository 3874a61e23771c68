"""The proposal as a Python script that makes it with boto3; also against a Paddock server, through AWS_ENDPOINT_URL."""

from __future__ import annotations

import json

from paddock.advisor.export.cloudformation import heading
from paddock.advisor.export.proposal import TIMEOUT_SECONDS, Proposal


def render(proposal: Proposal) -> str:
    values = {
        "NAME": proposal.name,
        "ARCHITECTURE": proposal.architecture.value,
        "INSTANCE_TYPES": list(proposal.instance_types),
        "MAX_VCPU_COUNT": proposal.max_vcpu_count,
        "RUNTIME": proposal.runtime_identifier,
        "HANDLER": proposal.handler,
        "MEMORY_MB": proposal.memory_mb,
        "MEMORY_GIB_PER_VCPU": float(proposal.memory_gib_per_vcpu),
        "MAX_CONCURRENCY": proposal.max_concurrency,
        "MIN_ENVIRONMENTS": proposal.min_environments,
        "TIMEOUT_SECONDS": TIMEOUT_SECONDS,
    }
    constants = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
    return heading(proposal) + _SCRIPT.replace("__CONSTANTS__", constants)


_SCRIPT = '''"""Make the capacity provider and the function, given two roles, three subnets and a security group.

    python deploy.py PACKAGE.zip OPERATOR_ROLE_ARN EXECUTION_ROLE_ARN SECURITY_GROUP SUBNET SUBNET SUBNET
"""

import sys
import time
from pathlib import Path

import boto3

__CONSTANTS__

def main() -> None:
    package, operator_role, execution_role, security_group, *subnets = sys.argv[1:]
    client = boto3.client("lambda")
    made = client.create_capacity_provider(
        CapacityProviderName=NAME,
        VpcConfig={"SubnetIds": subnets, "SecurityGroupIds": [security_group]},
        PermissionsConfig={"CapacityProviderOperatorRoleArn": operator_role},
        InstanceRequirements={"Architectures": [ARCHITECTURE], "AllowedInstanceTypes": INSTANCE_TYPES},
        CapacityProviderScalingConfig={"MaxVCpuCount": MAX_VCPU_COUNT, "ScalingMode": "Auto"},
    )
    while client.get_capacity_provider(CapacityProviderName=NAME)["CapacityProvider"]["State"] == "Pending":
        time.sleep(1)
    client.create_function(
        FunctionName=NAME,
        Runtime=RUNTIME,
        Handler=HANDLER,
        Role=execution_role,
        Code={"ZipFile": Path(package).read_bytes()},
        Architectures=[ARCHITECTURE],
        MemorySize=MEMORY_MB,
        Timeout=TIMEOUT_SECONDS,
        CapacityProviderConfig={
            "LambdaManagedInstancesCapacityProviderConfig": {
                "CapacityProviderArn": made["CapacityProvider"]["CapacityProviderArn"],
                "ExecutionEnvironmentMemoryGiBPerVCpu": MEMORY_GIB_PER_VCPU,
                "PerExecutionEnvironmentMaxConcurrency": MAX_CONCURRENCY,
            }
        },
        Publish=True,
        PublishTo="LATEST_PUBLISHED",
    )
    client.get_waiter("published_version_active").wait(FunctionName=NAME, Qualifier="$LATEST.PUBLISHED")
    client.put_function_scaling_config(
        FunctionName=NAME,
        Qualifier="$LATEST.PUBLISHED",
        FunctionScalingConfig={"MinExecutionEnvironments": MIN_ENVIRONMENTS},
    )


if __name__ == "__main__":
    main()
'''
