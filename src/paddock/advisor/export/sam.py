"""The proposal as a SAM template, whose capacity provider has other names for the same things.

SAM gives the capacity provider its operator role when none is named.
"""

from __future__ import annotations

from paddock.advisor.export import cloudformation as cfn
from paddock.advisor.export.proposal import TIMEOUT_SECONDS, Proposal


def render(proposal: Proposal) -> str:
    document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": f"{proposal.name} on Lambda Managed Instances",
        "Parameters": cfn.parameters(),
        "Resources": {
            **cfn.network(),
            "CapacityProvider": _capacity_provider(proposal),
            "LogGroup": cfn.log_group(proposal),
            "Function": _function(proposal),
            **cfn.alarms(proposal, "Function"),
            **cfn.schedules(proposal, "Function"),
        },
        "Outputs": {"FunctionArn": {"Value": cfn.att("Function", "Arn")}},
    }
    return cfn.heading(proposal) + cfn.dump(document)


def _capacity_provider(proposal: Proposal) -> cfn.Resource:
    return {
        "Type": "AWS::Serverless::CapacityProvider",
        "Properties": {
            "CapacityProviderName": proposal.name,
            "VpcConfig": {"SubnetIds": cfn.ref("SubnetIds"), "SecurityGroupIds": [cfn.ref("InstanceSecurityGroup")]},
            "InstanceRequirements": {
                "Architectures": [proposal.architecture.value],
                "AllowedTypes": list(proposal.instance_types),
            },
            "ScalingConfig": {"MaxVCpuCount": proposal.max_vcpu_count},
        },
    }


def _function(proposal: Proposal) -> cfn.Resource:
    return {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "FunctionName": proposal.name,
            "Runtime": proposal.runtime_identifier,
            "Handler": proposal.handler,
            "CodeUri": "./src",
            "Architectures": [proposal.architecture.value],
            "MemorySize": proposal.memory_mb,
            "Timeout": TIMEOUT_SECONDS,
            "LoggingConfig": {"LogFormat": "JSON", "LogGroup": cfn.ref("LogGroup")},
            "CapacityProviderConfig": {
                "Arn": cfn.att("CapacityProvider", "Arn"),
                "ExecutionEnvironmentMemoryGiBPerVCpu": proposal.memory_gib_per_vcpu,
                "PerExecutionEnvironmentMaxConcurrency": proposal.max_concurrency,
            },
            "FunctionScalingConfig": {"MinExecutionEnvironments": proposal.min_environments},
            "PublishToLatestPublished": True,
        },
    }
