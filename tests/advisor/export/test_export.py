"""Every notation of one proposal, held to what reads it: cfn-lint, SAM's translator, an HCL parser, botocore."""

import ast
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import botocore.session
import cfnlint  # type: ignore[import-untyped]
import hcl2
import pytest
import yaml
from samtranslator.public.translator import ManagedPolicyLoader  # type: ignore[import-untyped]
from samtranslator.translator.transform import transform  # type: ignore[import-untyped]
from typer.testing import CliRunner

from paddock.advisor.check.rules import check
from paddock.advisor.check.template import read_template
from paddock.advisor.documents import InputError, Source
from paddock.advisor.export.notations import RENDERERS, Notation
from paddock.advisor.export.proposal import Proposal, ScheduledMinimum, proposal_from
from paddock.cli.export import export
from paddock.model.capacity_provider import Architecture
from tests.programs import cdk_modules

import typer  # isort: skip

PROPOSAL = Proposal(
    name="orders",
    architecture=Architecture.ARM64,
    instance_types=("m8g.xlarge", "m7g.xlarge", "c8g.xlarge"),
    memory_mb=4096,
    memory_gib_per_vcpu=2,
    max_concurrency=24,
    min_environments=3,
    max_vcpu_count=28,
    runtime="python",
    schedule=(ScheduledMinimum(6, 12), ScheduledMinimum(20, 3)),
    reasons=("it costs less", "it breaks even at 40/s", "it holds 24 at once"),
)

app = typer.Typer()
app.command()(export)


@app.callback()
def callback() -> None:
    """Make `export` a command with a name, as it is in the product."""


def lint(text: str) -> list[str]:
    return [str(match) for match in cfnlint.lint(text, regions=["us-east-1"])]


class NoManagedPolicies(ManagedPolicyLoader):  # type: ignore[misc]
    """SAM asks IAM for the names of managed policies; the template names none of them."""

    def __init__(self) -> None:
        super().__init__(iam_client=None)

    def load(self) -> dict[str, str]:
        return {}


def transformed(text: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Deployable, as `sam deploy` would send it: cfn-lint reads SAM's own notation wrongly before this."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    document = yaml.safe_load(text)
    document["Resources"]["Function"]["Properties"]["CodeUri"] = "s3://bucket/key"
    made: dict[str, Any] = transform(document, {}, NoManagedPolicies())
    return made


def test_cfn_lint_finds_nothing_in_cloudformation() -> None:
    assert lint(RENDERERS[Notation.CLOUDFORMATION](PROPOSAL)) == []


def test_cfn_lint_finds_nothing_in_the_transformed_sam(monkeypatch: pytest.MonkeyPatch) -> None:
    made = transformed(RENDERERS[Notation.SAM](PROPOSAL), monkeypatch)

    assert lint(json.dumps(made)) == []
    assert "AWS::Lambda::CapacityProvider" in {each["Type"] for each in made["Resources"].values()}


@pytest.mark.parametrize("notation", [Notation.CLOUDFORMATION, Notation.SAM])
def test_our_own_check_finds_nothing_either(notation: Notation) -> None:
    assert check(read_template(Source("template", RENDERERS[notation](PROPOSAL)))) == ()


def test_cfn_lint_would_have_found_a_wrong_template() -> None:
    """The test above can fail."""
    wrong = RENDERERS[Notation.CLOUDFORMATION](PROPOSAL).replace("MaxVCpuCount: 28", "MaxVCpuCount: 1")

    assert any("E3034" in match or "less than the minimum" in match for match in lint(wrong))


TERRAFORM_NAMES = {
    "aws_lambda_capacity_provider": {
        "name",
        "vpc_config",
        "permissions_config",
        "instance_requirements",
        "capacity_provider_scaling_config",
        "depends_on",
    },
    "aws_lambda_function_scaling_config": {"function_name", "qualifier", "function_scaling_config"},
}
"""As the provider's documentation spells them (6.24 and later)."""


def test_terraform_parses_and_uses_the_providers_names() -> None:
    parsed = hcl2.loads(RENDERERS[Notation.TERRAFORM](PROPOSAL))
    resources = {
        kind.strip('"'): body
        for block in parsed["resource"]
        for kind, named in block.items()
        for body in named.values()
    }

    for kind, names in TERRAFORM_NAMES.items():
        assert {name for name in resources[kind] if not name.startswith("__")} <= names
    function = resources["aws_lambda_function"]
    assert function["publish_to"] == '"LATEST_PUBLISHED"'
    assert function["memory_size"] == 4096
    assert "ingress" not in resources["aws_security_group"] or resources["aws_security_group"]["ingress"]


def test_terraform_and_serverless_have_no_inbound_rule_on_instances() -> None:
    instances = (
        RENDERERS[Notation.TERRAFORM](PROPOSAL)
        .partition('"aws_security_group" "instances"')[2]
        .partition("\nresource")[0]
    )
    document = yaml.safe_load(RENDERERS[Notation.SERVERLESS](PROPOSAL))

    assert "ingress" not in instances
    assert "SecurityGroupIngress" not in document["resources"]["Resources"]["InstanceSecurityGroup"]["Properties"]


def test_serverless_has_the_frameworks_names_and_resources_that_lint() -> None:
    document = yaml.safe_load(RENDERERS[Notation.SERVERLESS](PROPOSAL))
    provider = document["provider"]["capacityProviders"]["orders"]
    function = document["functions"]["main"]["capacityProvider"]

    assert provider["scaling"] == {"mode": "auto", "maxVCpuCount": 28}
    assert set(provider) == {"permissions", "vpc", "instanceRequirements", "scaling"}
    assert function == {"name": "orders", "maxConcurrency": 24, "memoryPerVCpu": 2, "scaling": {"min": 3}}


def test_the_boto3_script_calls_with_parameters_botocore_takes() -> None:
    """Each call's arguments, evaluated, go through botocore's own validation."""
    tree = ast.parse(RENDERERS[Notation.BOTO3](PROPOSAL))
    constants = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    names = {
        **constants,
        "subnets": ["subnet-0123456789abcdef0"],
        "security_group": "sg-0123456789abcdef0",
        "operator_role": "arn:aws:iam::123456789012:role/operator",
        "execution_role": "arn:aws:iam::123456789012:role/execution",
        "package": __file__,
        "Path": Path,
        "made": {
            "CapacityProvider": {
                "CapacityProviderArn": "arn:aws:lambda:us-east-1:123456789012:capacity-provider:orders"
            }
        },
    }
    client = botocore.session.get_session().create_client(
        "lambda", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    operations = {"create_capacity_provider", "create_function", "put_function_scaling_config", "get_capacity_provider"}
    called = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in operations:
            called.add(node.func.attr)
            given = {
                str(keyword.arg): eval(compile(ast.Expression(keyword.value), "script", "eval"), names)
                for keyword in node.keywords
            }
            shape = client.meta.service_model.operation_model(
                client.meta.method_to_api_mapping[node.func.attr]
            ).input_shape
            assert shape is not None
            report = botocore.validate.ParamValidator().validate(given, shape)
            assert not report.has_errors(), report.generate_report()
    assert called == operations


def test_without_a_daily_shape_no_notation_has_a_schedule() -> None:
    plain = Proposal(
        architecture=Architecture.X86_64,
        instance_types=("m7i.xlarge",),
        memory_mb=2048,
        memory_gib_per_vcpu=2,
        max_concurrency=8,
        min_environments=3,
        max_vcpu_count=20,
        runtime="nodejs",
    )

    for notation, render in RENDERERS.items():
        assert "cron(" not in render(plain), notation
        if notation not in (Notation.BOTO3, Notation.SERVERLESS):
            assert "cron(0 6" in render(PROPOSAL), notation


@pytest.mark.toolchain
def test_the_cdk_stack_is_synthesised_by_the_real_library(tmp_path: Path) -> None:
    node, modules = cdk_modules()
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text("def handler(event, context): return event\n")
    (tmp_path / "stack.ts").write_text(RENDERERS[Notation.CDK](PROPOSAL))
    (tmp_path / "main.ts").write_text(
        "import { App, Stack } from 'aws-cdk-lib';\nimport * as ec2 from 'aws-cdk-lib/aws-ec2';\n"
        "import { ManagedInstancesStack } from './stack';\n"
        "const app = new App({ outdir: 'out' });\nconst net = new Stack(app, 'Net');\n"
        "const vpc = new ec2.Vpc(net, 'Vpc', { maxAzs: 3 });\n"
        "new ManagedInstancesStack(app, 'Orders', { vpc, codePath: 'code' });\napp.synth();\n"
    )
    tsc = [
        str(node),
        str(tmp_path / "node_modules" / "typescript" / "bin" / "tsc"),
        "--skipLibCheck",
        "--target",
        "es2020",
        "--module",
        "commonjs",
    ]
    compiled = subprocess.run(
        [*tsc, "--strict", "main.ts"], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert compiled.returncode == 0, compiled.stdout
    subprocess.run([str(node), "main.js"], cwd=tmp_path, check=True, timeout=300)

    template = (tmp_path / "out" / "Orders.template.json").read_text()
    assert [match for match in lint(template) if "E" in match.partition(":")[0]] == []
    assert "AWS::Lambda::CapacityProvider" in template


# --- from advice to text --------------------------------------------------------------------------------------------


def advice(**changes: Any) -> str:
    recommended = {
        "architecture": "arm64",
        "memory_mb": 2048,
        "memory_gib_per_vcpu": 2,
        "max_concurrency": 9,
        "min_execution_environments": 3,
        "max_vcpu_count": 28,
        "allowed_instance_types": ["c8g.xlarge"],
        "schedule": [{"hour_utc": 6, "min_execution_environments": 12}],
        "instance_type": "c8g.xlarge",
        **changes,
    }
    return json.dumps(
        {"recommended": recommended, "workload": {"runtime": "nodejs"}, "reasons": ["a", "b", "c"]}, indent=1
    )


def test_advice_becomes_a_proposal() -> None:
    found = proposal_from(Source("advice", advice()), "checkout")

    assert (found.name, found.runtime_identifier, found.handler) == ("checkout", "nodejs22.x", "index.handler")
    assert found.schedule == (ScheduledMinimum(6, 12),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "`recommended` is missing"),
        ("[]", "is empty"),
        (advice(memory_mb=1024), "at least 2048"),
        (advice(architecture="mips"), "x86_64 or arm64"),
        (advice(allowed_instance_types=[]), "must be a list"),
        (advice(allowed_instance_types=['x"; rm']), "no instance type"),
        (advice(schedule=[{"hour_utc": 99, "min_execution_environments": 1}]), "at most 23"),
    ],
)
def test_what_is_no_advice_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        proposal_from(Source("advice", text), "orders")


def test_a_name_that_could_break_out_of_a_template_is_refused() -> None:
    with pytest.raises(InputError, match="letters, digits and dashes"):
        proposal_from(Source("advice", advice()), 'x"\n}')


@pytest.mark.parametrize("notation", list(Notation))
def test_the_command_writes_every_notation(tmp_path: Path, notation: Notation) -> None:
    source, target = tmp_path / "advice.json", tmp_path / "out"
    source.write_text(advice())

    shown = CliRunner().invoke(app, ["export", notation, str(source)])
    written = CliRunner().invoke(app, ["export", notation, str(source), "--to", str(target)])

    assert shown.exit_code == written.exit_code == 0
    assert shown.stdout == target.read_text()


def test_an_unknown_notation_ends_with_2() -> None:
    result = CliRunner().invoke(app, ["export", "pulumi", "-"], input=advice())

    assert result.exit_code == 2
    assert "there is no notation 'pulumi'" in result.stderr
