"""The proposal as a CloudFormation template. SAM's template shares all but the capacity provider and the function."""

from __future__ import annotations

import json
from typing import Any

import yaml

from paddock.advisor.export.proposal import (
    CPU_ALARM_PERCENT,
    ENDPOINT_SERVICES,
    TIMEOUT_SECONDS,
    Proposal,
    ScheduledMinimum,
)

Resource = dict[str, Any]
OPERATOR_POLICY = "arn:${AWS::Partition}:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator"
BASIC_POLICY = "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def ref(name: str) -> Resource:
    return {"Ref": name}


def att(name: str, attribute: str) -> Resource:
    return {"Fn::GetAtt": [name, attribute]}


def sub(text: str) -> Resource:
    return {"Fn::Sub": text}


def render(proposal: Proposal) -> str:
    document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{proposal.name} on Lambda Managed Instances",
        "Parameters": {**parameters(), "CodeBucket": {"Type": "String"}, "CodeKey": {"Type": "String"}},
        "Resources": {
            "OperatorRole": operator_role(),
            "ExecutionRole": execution_role(),
            **network(),
            "CapacityProvider": _capacity_provider(proposal),
            "LogGroup": log_group(proposal),
            "Function": _function(proposal),
            **alarms(proposal, "Function"),
            **schedules(proposal, "Function"),
        },
        "Outputs": {"FunctionArn": {"Value": att("Function", "Arn")}},
    }
    return heading(proposal) + dump(document)


def dump(document: Resource) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=110, allow_unicode=True)


def heading(proposal: Proposal, mark: str = "#") -> str:
    """The reasons, as a comment: who reads the template should see why its numbers are what they are."""
    lines = [
        f"{proposal.name} on Lambda Managed Instances, as advised:",
        *(f"- {reason}" for reason in proposal.reasons),
    ]
    return "".join(f"{mark} {line}\n" for line in lines)


def parameters() -> Resource:
    return {
        "VpcId": {"Type": "AWS::EC2::VPC::Id", "Description": "Its endpoints or NAT are the instances' way out"},
        "SubnetIds": {
            "Type": "List<AWS::EC2::Subnet::Id>",
            "Description": "One in each of three zones; instances and their network interfaces live here",
        },
    }


def operator_role() -> Resource:
    return _role("lambda.amazonaws.com", [sub(OPERATOR_POLICY)], from_this_account=True)


def execution_role() -> Resource:
    return _role("lambda.amazonaws.com", [sub(BASIC_POLICY)])


def _role(service: str, policies: list[Resource], *, from_this_account: bool = False) -> Resource:
    statement: Resource = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    if from_this_account:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}}
    properties: Resource = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    if policies:
        properties["ManagedPolicyArns"] = policies
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def network() -> Resource:
    """Instances take nothing in (invokes do not come through the VPC) and leave by HTTPS, which endpoints take."""
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    resources: Resource = {
        "InstanceSecurityGroup": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": "Managed instances: nothing in, HTTPS out",
                "VpcId": ref("VpcId"),
                "SecurityGroupEgress": [{**https, "CidrIp": "0.0.0.0/0", "Description": "AWS APIs and downstreams"}],
            },
        },
        "EndpointSecurityGroup": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": "Interface endpoints: HTTPS from managed instances",
                "VpcId": ref("VpcId"),
                "SecurityGroupIngress": [
                    {**https, "SourceSecurityGroupId": ref("InstanceSecurityGroup"), "Description": "instances"}
                ],
            },
        },
    }
    for service in ENDPOINT_SERVICES:
        resources[f"{service.capitalize()}Endpoint"] = {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {
                "VpcEndpointType": "Interface",
                "ServiceName": sub(f"com.amazonaws.${{AWS::Region}}.{service}"),
                "VpcId": ref("VpcId"),
                "SubnetIds": ref("SubnetIds"),
                "SecurityGroupIds": [ref("EndpointSecurityGroup")],
                "PrivateDnsEnabled": True,
            },
        }
    return resources


def log_group(proposal: Proposal) -> Resource:
    return {
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"LogGroupName": f"/aws/lambda/{proposal.name}", "RetentionInDays": 30},
    }


def _capacity_provider(proposal: Proposal) -> Resource:
    return {
        "Type": "AWS::Lambda::CapacityProvider",
        "Properties": {
            "CapacityProviderName": proposal.name,
            "VpcConfig": {"SubnetIds": ref("SubnetIds"), "SecurityGroupIds": [ref("InstanceSecurityGroup")]},
            "PermissionsConfig": {"CapacityProviderOperatorRoleArn": att("OperatorRole", "Arn")},
            "InstanceRequirements": {
                "Architectures": [proposal.architecture.value],
                "AllowedInstanceTypes": list(proposal.instance_types),
            },
            "CapacityProviderScalingConfig": {"MaxVCpuCount": proposal.max_vcpu_count, "ScalingMode": "Auto"},
        },
    }


def _function(proposal: Proposal) -> Resource:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": proposal.name,
            "Runtime": proposal.runtime_identifier,
            "Handler": proposal.handler,
            "Architectures": [proposal.architecture.value],
            "Role": att("ExecutionRole", "Arn"),
            "Code": {"S3Bucket": ref("CodeBucket"), "S3Key": ref("CodeKey")},
            "MemorySize": proposal.memory_mb,
            "Timeout": TIMEOUT_SECONDS,
            "LoggingConfig": {"LogFormat": "JSON", "LogGroup": ref("LogGroup")},
            "CapacityProviderConfig": {
                "LambdaManagedInstancesCapacityProviderConfig": {
                    "CapacityProviderArn": att("CapacityProvider", "Arn"),
                    "ExecutionEnvironmentMemoryGiBPerVCpu": proposal.memory_gib_per_vcpu,
                    "PerExecutionEnvironmentMaxConcurrency": proposal.max_concurrency,
                }
            },
            "FunctionScalingConfig": {"MinExecutionEnvironments": proposal.min_environments},
            "PublishToLatestPublished": True,
        },
    }


def alarms(proposal: Proposal, function: str) -> Resource:
    return {
        "ThrottleAlarm": _alarm(
            "Throttles",
            "Sum",
            0,
            [("FunctionName", ref(function))],
            "The fleet refused invocations: raise Min or the cap",
        ),
        "CpuAlarm": _alarm(
            "CPUUtilization",
            "Average",
            CPU_ALARM_PERCENT,
            [("CapacityProviderName", proposal.name)],
            "Less than a fifth of the CPU is left: everything gets slower",
        ),
        "VCpuAlarm": _alarm(
            "vCPUAllocated",
            "Maximum",
            proposal.alarm_vcpu,
            [("CapacityProviderName", proposal.name)],
            f"Near MaxVCpuCount {proposal.max_vcpu_count}: raise it before it throttles",
        ),
    }


def _alarm(
    metric: str, statistic: str, threshold: int, dimensions: list[tuple[str, Resource | str]], description: str
) -> Resource:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": description,
            "Namespace": "AWS/Lambda",
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions],
            "Statistic": statistic,
            "Period": 300,
            "EvaluationPeriods": 1,
            "Threshold": threshold,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        },
    }


def scaling_input(function: str, each: ScheduledMinimum) -> str:
    """The request that the scheduler makes; `function` is a name or a placeholder of the notation."""
    request = {
        "FunctionName": function,
        "Qualifier": "$LATEST.PUBLISHED",
        "FunctionScalingConfig": {"MinExecutionEnvironments": each.minimum},
    }
    return json.dumps(request)


def schedules(proposal: Proposal, function: str) -> Resource:
    """Scheduled scaling is EventBridge Scheduler calling PutFunctionScalingConfig (developer guide, scaling)."""
    if not proposal.schedule:
        return {}
    role = _role("scheduler.amazonaws.com", [])
    statement = {
        "Effect": "Allow",
        "Action": "lambda:PutFunctionScalingConfig",
        "Resource": sub(f"${{{function}.Arn}}*"),
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    role["Properties"]["Policies"] = [{"PolicyName": "scale", "PolicyDocument": policy}]
    resources: Resource = {"SchedulerRole": role}
    for each in proposal.schedule:
        resources[f"MinimumFrom{each.hour_utc:02}"] = {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {
                "Description": f"At least {each.minimum} environments from {each.hour_utc:02}:00 UTC",
                "ScheduleExpression": f"cron(0 {each.hour_utc} * * ? *)",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {
                    "Arn": sub("arn:${AWS::Partition}:scheduler:::aws-sdk:lambda:PutFunctionScalingConfig"),
                    "RoleArn": att("SchedulerRole", "Arn"),
                    "Input": scaling_input(proposal.name, each),
                },
            },
        }
    return resources
