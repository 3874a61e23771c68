"""The proposal as a serverless.yml (Serverless Framework 4, guide "Managed Instances")."""

from __future__ import annotations

from paddock.advisor.export import cloudformation as cfn
from paddock.advisor.export.proposal import TIMEOUT_SECONDS, Proposal


def render(proposal: Proposal) -> str:
    """Network, alarms and schedules go in as plain CloudFormation resources."""
    document = {
        "service": proposal.name,
        "frameworkVersion": "4",
        "params": {"default": {"vpcId": "vpc-REPLACE", "subnetIds": ["subnet-A", "subnet-B", "subnet-C"]}},
        "provider": {
            "name": "aws",
            "runtime": proposal.runtime_identifier,
            "architecture": proposal.architecture.value,
            "capacityProviders": {
                proposal.name: {
                    "permissions": {"operatorRole": cfn.att("OperatorRole", "Arn")},
                    "vpc": {
                        "subnetIds": "${param:subnetIds}",
                        "securityGroups": [cfn.ref("InstanceSecurityGroup")],
                    },
                    "instanceRequirements": {
                        "architectures": [proposal.architecture.value],
                        "allowedInstanceTypes": list(proposal.instance_types),
                    },
                    "scaling": {"mode": "auto", "maxVCpuCount": proposal.max_vcpu_count},
                }
            },
        },
        "functions": {
            "main": {
                "name": proposal.name,
                "handler": proposal.handler,
                "memorySize": proposal.memory_mb,
                "timeout": TIMEOUT_SECONDS,
                "capacityProvider": {
                    "name": proposal.name,
                    "maxConcurrency": proposal.max_concurrency,
                    "memoryPerVCpu": proposal.memory_gib_per_vcpu,
                    "scaling": {"min": proposal.min_environments},
                },
            }
        },
        "resources": {"Resources": _resources(proposal)},
    }
    return cfn.heading(proposal) + cfn.dump(document)


def _resources(proposal: Proposal) -> cfn.Resource:
    """The framework names a function's resource after its key: `main` becomes MainLambdaFunction."""
    function = "MainLambdaFunction"
    resources = {
        "OperatorRole": cfn.operator_role(),
        **cfn.network(),
        **cfn.alarms(proposal, function),
        **cfn.schedules(proposal, function),
    }
    for resource in resources.values():
        properties = resource["Properties"]
        if "VpcId" in properties:
            properties["VpcId"] = "${param:vpcId}"
        if "SubnetIds" in properties:
            properties["SubnetIds"] = "${param:subnetIds}"
    return resources
