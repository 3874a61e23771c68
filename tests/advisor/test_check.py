"""Each rule finds its mistake, with the line, in every notation; and nothing in a template that is right."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from paddock.advisor.check.rules import Level, check
from paddock.advisor.check.template import read_template
from paddock.advisor.documents import InputError, Source
from paddock.cli.check import check as command

app = typer.Typer()
app.command()(command)


@app.callback()
def callback() -> None:
    """Make `check` a command with a name, as it is in the product."""


RIGHT = """\
Resources:
  Provider:
    Type: AWS::Lambda::CapacityProvider
    Properties:
      VpcConfig: {SubnetIds: [a, b, c], SecurityGroupIds: [!Ref Group]}
      InstanceRequirements: {Architectures: [arm64], AllowedInstanceTypes: [m8g.xlarge]}
      CapacityProviderScalingConfig: {MaxVCpuCount: 28}
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties: {GroupDescription: out only}
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.13
      Architectures: [arm64]
      MemorySize: 4096
      CapacityProviderConfig:
        LambdaManagedInstancesCapacityProviderConfig:
          CapacityProviderArn: !GetAtt Provider.Arn
          PerExecutionEnvironmentMaxConcurrency: 32
      FunctionScalingConfig: {MinExecutionEnvironments: 3}
"""


def found(text: str) -> list[tuple[str, int | None]]:
    return [(finding.rule, finding.line) for finding in check(read_template(Source("template", text)))]


def test_nothing_is_found_in_a_template_that_is_right() -> None:
    assert found(RIGHT) == []


@pytest.mark.parametrize(
    ("right", "wrong", "rule", "line"),
    [
        ("MemorySize: 4096", "MemorySize: 1024", "memory-range", 16),
        ("MemorySize: 4096", "MemorySize: 3000", "memory-ratio", 16),
        ("MaxConcurrency: 32", "MaxConcurrency: 129", "concurrency", 17),
        ("{MinExecutionEnvironments: 3}", "{MinExecutionEnvironments: 5, MaxExecutionEnvironments: 4}", "min-max", 21),
        ("{MinExecutionEnvironments: 3}", "{MinExecutionEnvironments: 0}", "min-zero", 21),
        ("{MinExecutionEnvironments: 3}", "{MinExecutionEnvironments: 2}", "min-zones", 21),
        ("[m8g.xlarge]}", "[m8g.xlarge], ExcludedInstanceTypes: [r8g.*]}", "allow-xor-exclude", 6),
        ("[m8g.xlarge]}", "[t4g.large]}", "type-not-offered", 6),
        ("[m8g.xlarge]}", "[m8g.metal-24xl]}", "type-not-offered", 6),
        ("[m8g.xlarge]}", "[m8i.xlarge]}", "type-architecture", 6),
        ("[a, b, c]", "[a, b]", "three-zones", 5),
        ("MaxVCpuCount: 28", "MaxVCpuCount: 8", "guardrail", 7),
        ("{MaxVCpuCount: 28}", "{MaxVCpuCount: 28, ScalingMode: Manual}", "manual-policies", 7),
        ("Architectures: [arm64]\n      Mem", "Architectures: [x86_64]\n      Mem", "architecture", 15),
        ("python3.13", "python3.12", "runtime", 14),
        ("python3.13", "nodejs20.x", "runtime", 14),
        ("python3.13", "ruby3.3", "runtime", 14),
        ("      MemorySize", "      SnapStart: {ApplyOn: None}\n      MemorySize", "no-snapstart", 16),
        ("      MemorySize", "      VpcConfig: {SubnetIds: [a]}\n      MemorySize", "no-vpcconfig", 16),
        ("      MemorySize", "      LoggingConfig: {LogFormat: Text}\n      MemorySize", "log-format", 16),
        ("{GroupDescription: out only}", "{SecurityGroupIngress: [{IpProtocol: tcp}]}", "inbound", 10),
    ],
)
def test_a_mistake_is_found_with_its_line(right: str, wrong: str, rule: str, line: int) -> None:
    assert right in RIGHT
    assert found(RIGHT.replace(right, wrong)) == [(rule, line)]


def test_min_and_max_of_zero_deactivate_and_are_right() -> None:
    bounds = "{MinExecutionEnvironments: 0, MaxExecutionEnvironments: 0}"

    assert found(RIGHT.replace("{MinExecutionEnvironments: 3}", bounds)) == []


def test_scaling_without_a_capacity_provider_is_found() -> None:
    properties = "Properties:\n      FunctionScalingConfig: {MinExecutionEnvironments: 3}\n"

    assert found(f"Resources:\n  F:\n    Type: AWS::Lambda::Function\n    {properties}") == [
        ("scaling-without-provider", 5)
    ]


def test_sams_own_names_and_globals_are_understood() -> None:
    text = """\
Globals:
  Function: {MemorySize: 1000, Runtime: python3.13}
Resources:
  Provider:
    Type: AWS::Serverless::CapacityProvider
    Properties:
      VpcConfig: {SubnetIds: [a, b, c]}
      InstanceRequirements: {AllowedTypes: [m7i.xlarge], ExcludedTypes: [c7i.*]}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      CapacityProviderConfig: {Arn: !GetAtt Provider.Arn}
"""
    assert {rule for rule, _ in found(text)} == {"memory-range", "allow-xor-exclude"}


def test_json_and_long_intrinsics_are_understood() -> None:
    document = {
        "Resources": {
            "P": {
                "Type": "AWS::Lambda::CapacityProvider",
                "Properties": {"InstanceRequirements": {"Architectures": ["arm64"]}},
            },
            "F": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "MemorySize": 2048,
                    "CapacityProviderConfig": {
                        "LambdaManagedInstancesCapacityProviderConfig": {
                            "CapacityProviderArn": {"Fn::GetAtt": ["P", "Arn"]}
                        }
                    },
                },
            },
        }
    }
    assert [rule for rule, _ in found(json.dumps(document, indent=2))] == ["architecture"]


def test_what_only_deployment_will_tell_passes() -> None:
    assert found(RIGHT.replace("MemorySize: 4096", "MemorySize: !Ref Memory")) == []


@pytest.mark.parametrize("text", ["", "[]", "a: 1", "Resources: 5", "a: [", "{", "!Ref x", "- " * 3000, "\x00"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_template(Source("template", text))


def test_the_command_ends_with_1_on_errors_and_0_on_warnings(tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(RIGHT.replace("[a, b, c]", "[a, b]"))
    warned = CliRunner().invoke(app, ["check", str(file)])
    file.write_text(RIGHT.replace("4096", "1024"))
    failed = CliRunner().invoke(app, ["check", str(file), "--output", "json"])

    assert warned.exit_code == 0
    assert f"{file}:5: warning [three-zones]" in warned.stdout
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)[0]["level"] == Level.ERROR
    assert CliRunner().invoke(app, ["check", str(tmp_path / "nothing")]).exit_code == 2
