"""The proposal as a CDK stack in TypeScript (aws-cdk-lib 2.276)."""

from __future__ import annotations

import json

from paddock.advisor.export.cloudformation import heading
from paddock.advisor.export.proposal import CPU_ALARM_PERCENT, ENDPOINT_SERVICES, TIMEOUT_SECONDS, Proposal
from paddock.model.capacity_provider import Architecture

_ARCHITECTURES = {Architecture.ARM64: "ARM_64", Architecture.X86_64: "X86_64"}
_ENDPOINTS = {"logs": "CLOUDWATCH_LOGS", "xray": "XRAY", "sts": "STS"}


def render(proposal: Proposal) -> str:
    """A `Vpc` is handed in; its private subnets hold the instances."""
    types = ", ".join(f"new ec2.InstanceType({json.dumps(name)})" for name in proposal.instance_types)
    return f"""{heading(proposal, "//")}import {{ Duration, Stack, StackProps }} from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
{"import * as scheduler from 'aws-cdk-lib/aws-scheduler';" if proposal.schedule else ""}
import {{ Construct }} from 'constructs';

export interface ManagedInstancesStackProps extends StackProps {{
  readonly vpc: ec2.IVpc;
  readonly codePath: string;
}}

export class ManagedInstancesStack extends Stack {{
  constructor(scope: Construct, id: string, props: ManagedInstancesStackProps) {{
    super(scope, id, props);
    const subnets = props.vpc.selectSubnets({{ subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS }}).subnets;

    // Invokes do not come through the VPC: nothing in, HTTPS out.
    const instances = new ec2.SecurityGroup(this, 'Instances', {{ vpc: props.vpc, allowAllOutbound: false }});
    instances.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443));
{_endpoints()}
    const capacityProvider = new lambda.CapacityProvider(this, 'CapacityProvider', {{
      capacityProviderName: {json.dumps(proposal.name)},
      subnets,
      securityGroups: [instances],
      architectures: [lambda.Architecture.{_ARCHITECTURES[proposal.architecture]}],
      instanceTypeFilter: lambda.InstanceTypeFilter.allow([{types}]),
      maxVCpuCount: {proposal.max_vcpu_count},
      scalingOptions: lambda.ScalingOptions.auto(),
    }});

    const fn = new lambda.Function(this, 'Function', {{
      functionName: {json.dumps(proposal.name)},
      runtime: new lambda.Runtime({json.dumps(proposal.runtime_identifier)}),
      handler: {json.dumps(proposal.handler)},
      architecture: lambda.Architecture.{_ARCHITECTURES[proposal.architecture]},
      code: lambda.Code.fromAsset(props.codePath),
      memorySize: {proposal.memory_mb},
      timeout: Duration.seconds({TIMEOUT_SECONDS}),
      loggingFormat: lambda.LoggingFormat.JSON,
      logGroup: new logs.LogGroup(this, 'LogGroup', {{ retention: logs.RetentionDays.ONE_MONTH }}),
    }});
    capacityProvider.addFunction(fn, {{
      perExecutionEnvironmentMaxConcurrency: {proposal.max_concurrency},
      executionEnvironmentMemoryGiBPerVCpu: {proposal.memory_gib_per_vcpu},
      latestPublishedScalingConfig: {{ minExecutionEnvironments: {proposal.min_environments} }},
    }});
{_alarms(proposal)}{_schedules(proposal)}  }}
}}
"""


def _endpoints() -> str:
    lines = [
        f"    props.vpc.addInterfaceEndpoint({json.dumps(service)}, {{ "
        f"service: ec2.InterfaceVpcEndpointAwsService.{_ENDPOINTS[service]}, subnets: {{ subnets }} }});"
        for service in ENDPOINT_SERVICES
    ]
    return "\n".join(lines) + "\n"


def _alarms(proposal: Proposal) -> str:
    provider = f"{{ CapacityProviderName: {json.dumps(proposal.name)} }}"
    rows = (
        ("Throttles", "Throttles", "Sum", 0, "{ FunctionName: fn.functionName }"),
        ("Cpu", "CPUUtilization", "Average", CPU_ALARM_PERCENT, provider),
        ("VCpu", "vCPUAllocated", "Maximum", proposal.alarm_vcpu, provider),
    )
    return "".join(
        f"""
    new cloudwatch.Alarm(this, '{name}Alarm', {{
      metric: new cloudwatch.Metric({{
        namespace: 'AWS/Lambda',
        metricName: '{metric}',
        statistic: '{statistic}',
        period: Duration.minutes(5),
        dimensionsMap: {dimensions},
      }}),
      threshold: {threshold},
      evaluationPeriods: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    }});
"""
        for name, metric, statistic, threshold, dimensions in rows
    )


def _schedules(proposal: Proposal) -> str:
    if not proposal.schedule:
        return ""
    role = """
    const schedulerRole = new iam.Role(this, 'SchedulerRole', {
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com'),
    });
    schedulerRole.addToPolicy(new iam.PolicyStatement({
      actions: ['lambda:PutFunctionScalingConfig'],
      resources: [fn.functionArn, `${fn.functionArn}:*`],
    }));
"""
    each = "".join(
        f"""    new scheduler.CfnSchedule(this, 'MinimumFrom{row.hour_utc:02}', {{
      scheduleExpression: 'cron(0 {row.hour_utc} * * ? *)',
      flexibleTimeWindow: {{ mode: 'OFF' }},
      target: {{
        arn: `arn:${{this.partition}}:scheduler:::aws-sdk:lambda:PutFunctionScalingConfig`,
        roleArn: schedulerRole.roleArn,
        input: this.toJsonString({{
          FunctionName: fn.functionName,
          Qualifier: '$LATEST.PUBLISHED',
          FunctionScalingConfig: {{ MinExecutionEnvironments: {row.minimum} }},
        }}),
      }},
    }});
"""
        for row in proposal.schedule
    )
    return role + each
