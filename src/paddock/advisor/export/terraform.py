"""The proposal as Terraform (hashicorp/aws 6.24 and later for capacity providers)."""

from __future__ import annotations

import json

from paddock.advisor.export.cloudformation import heading
from paddock.advisor.export.proposal import (
    CPU_ALARM_PERCENT,
    ENDPOINT_SERVICES,
    TIMEOUT_SECONDS,
    Proposal,
    ScheduledMinimum,
)

PROVIDER_VERSION = ">= 6.24"


def render(proposal: Proposal) -> str:
    parts = [
        heading(proposal),
        _HEAD,
        _ROLES,
        _NETWORK.replace("__SERVICES__", json.dumps(list(ENDPOINT_SERVICES))),
        _capacity_provider(proposal),
        _function(proposal),
        _alarms(proposal),
        _schedules(proposal),
    ]
    return "\n".join(part.strip("\n") + "\n" for part in parts if part)


_HEAD = f"""
terraform {{
  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = "{PROVIDER_VERSION}"
    }}
  }}
}}

variable "vpc_id" {{
  type = string
}}

variable "subnet_ids" {{
  type        = list(string)
  description = "One in each of three zones"
}}

variable "package" {{
  type        = string
  description = "Path of the deployment package"
}}
"""

_ROLES = """
data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "lambda" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "operator" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "operator" {
  name_prefix        = "lmi-operator-"
  assume_role_policy = data.aws_iam_policy_document.operator.json
}

resource "aws_iam_role_policy_attachment" "operator" {
  role       = aws_iam_role.operator.name
  policy_arn = "arn:aws:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator"
}

resource "aws_iam_role" "execution" {
  name_prefix        = "lmi-execution-"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}
"""

_NETWORK = """
resource "aws_security_group" "instances" {
  name_prefix = "lmi-instances-"
  description = "Managed instances: nothing in, HTTPS out"
  vpc_id      = var.vpc_id
  egress {
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "endpoints" {
  name_prefix = "lmi-endpoints-"
  description = "Interface endpoints: HTTPS from managed instances"
  vpc_id      = var.vpc_id
  ingress {
    protocol        = "tcp"
    from_port       = 443
    to_port         = 443
    security_groups = [aws_security_group.instances.id]
  }
}

resource "aws_vpc_endpoint" "aws" {
  for_each            = toset(__SERVICES__)
  vpc_id              = var.vpc_id
  service_name        = "com.amazonaws.${data.aws_region.current.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.subnet_ids
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true
}
"""


def _capacity_provider(proposal: Proposal) -> str:
    return f"""
resource "aws_lambda_capacity_provider" "main" {{
  name = {json.dumps(proposal.name)}

  vpc_config {{
    subnet_ids         = var.subnet_ids
    security_group_ids = [aws_security_group.instances.id]
  }}

  permissions_config {{
    capacity_provider_operator_role_arn = aws_iam_role.operator.arn
  }}

  instance_requirements {{
    architectures          = [{json.dumps(proposal.architecture.value)}]
    allowed_instance_types = {json.dumps(list(proposal.instance_types))}
  }}

  capacity_provider_scaling_config {{
    max_vcpu_count = {proposal.max_vcpu_count}
    scaling_mode   = "Auto"
  }}

  depends_on = [aws_iam_role_policy_attachment.operator]
}}
"""


def _function(proposal: Proposal) -> str:
    return f"""
resource "aws_cloudwatch_log_group" "main" {{
  name              = "/aws/lambda/{proposal.name}"
  retention_in_days = 30
}}

resource "aws_lambda_function" "main" {{
  function_name = {json.dumps(proposal.name)}
  role          = aws_iam_role.execution.arn
  runtime       = {json.dumps(proposal.runtime_identifier)}
  handler       = {json.dumps(proposal.handler)}
  architectures = [{json.dumps(proposal.architecture.value)}]
  filename      = var.package
  memory_size   = {proposal.memory_mb}
  timeout       = {TIMEOUT_SECONDS}
  publish       = true
  publish_to    = "LATEST_PUBLISHED"

  logging_config {{
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.main.name
  }}

  capacity_provider_config {{
    lambda_managed_instances_capacity_provider_config {{
      capacity_provider_arn                      = aws_lambda_capacity_provider.main.arn
      execution_environment_memory_gib_per_vcpu  = {proposal.memory_gib_per_vcpu}
      per_execution_environment_max_concurrency  = {proposal.max_concurrency}
    }}
  }}
}}

resource "aws_lambda_function_scaling_config" "main" {{
  function_name = aws_lambda_function.main.function_name
  qualifier     = "$LATEST.PUBLISHED"

  function_scaling_config {{
    min_execution_environments = {proposal.min_environments}
  }}
}}
"""


def _alarms(proposal: Proposal) -> str:
    function = "FunctionName = aws_lambda_function.main.function_name"
    provider = "CapacityProviderName = aws_lambda_capacity_provider.main.name"
    return "\n".join(
        [
            _alarm("throttles", "Throttles", "Sum", 0, function),
            _alarm("cpu", "CPUUtilization", "Average", CPU_ALARM_PERCENT, provider),
            _alarm("vcpu", "vCPUAllocated", "Maximum", proposal.alarm_vcpu, provider),
        ]
    )


def _alarm(name: str, metric: str, statistic: str, threshold: int, dimension: str) -> str:
    return f"""
resource "aws_cloudwatch_metric_alarm" "{name}" {{
  alarm_name          = "${{aws_lambda_function.main.function_name}}-{name}"
  namespace           = "AWS/Lambda"
  metric_name         = "{metric}"
  statistic           = "{statistic}"
  period              = 300
  evaluation_periods  = 1
  threshold           = {threshold}
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  dimensions = {{
    {dimension}
  }}
}}
"""


def _schedules(proposal: Proposal) -> str:
    if not proposal.schedule:
        return ""
    return _SCHEDULER_ROLE + "\n".join(_schedule(each) for each in proposal.schedule)


_SCHEDULER_ROLE = """
data "aws_iam_policy_document" "scheduler" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name_prefix        = "lmi-scheduler-"
  assume_role_policy = data.aws_iam_policy_document.scheduler.json
}

resource "aws_iam_role_policy" "scheduler" {
  role = aws_iam_role.scheduler.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "lambda:PutFunctionScalingConfig"
      Resource = "${aws_lambda_function.main.arn}*"
    }]
  })
}
"""


def _schedule(each: ScheduledMinimum) -> str:
    return f"""
resource "aws_scheduler_schedule" "minimum_from_{each.hour_utc:02}" {{
  name_prefix         = "lmi-minimum-"
  schedule_expression = "cron(0 {each.hour_utc} * * ? *)"
  flexible_time_window {{
    mode = "OFF"
  }}
  target {{
    arn      = "arn:aws:scheduler:::aws-sdk:lambda:PutFunctionScalingConfig"
    role_arn = aws_iam_role.scheduler.arn
    input = jsonencode({{
      FunctionName = aws_lambda_function.main.function_name
      Qualifier    = "$LATEST.PUBLISHED"
      FunctionScalingConfig = {{
        MinExecutionEnvironments = {each.minimum}
      }}
    }})
  }}
}}
"""
