"""Layers, packages in buckets, code signing and architectures, with real clients on a real server."""

from __future__ import annotations

import io
import json
import platform
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import QUICKLY, ROLE, Server, create_function, create_provider, eventually, invoke
from tests.stores.bucket_server import Buckets, bucket_server

pytestmark = pytest.mark.e2e

PYTHON = """
import shared, first_only, second_only
def handler(event, context):
    return [shared.WHICH, first_only.WHICH, second_only.WHICH]
"""
NODE = """
exports.handler = async () => require("shared");
"""
OTHER = "arm64" if platform.machine() == "x86_64" else "x86_64"
OTHER_ELF = (
    b"\x7fELF\2\1\1" + b"\0" * 9 + b"\3\0" + (183 if OTHER == "arm64" else 62).to_bytes(2, "little") + b"\0" * 44
)


def packed(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def layer(api: Any, name: str, files: Mapping[str, str]) -> str:
    published = api.publish_layer_version(LayerName=name, Content={"ZipFile": packed(files)})
    return str(published["LayerVersionArn"])


def default_function(api: Any, name: str, **more: Any) -> None:
    """Without a capacity provider."""
    api.create_function(FunctionName=name, Role=ROLE, **more)
    api.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)


@pytest.fixture(scope="module")
def layers(api: Any) -> list[str]:
    """Two that overlap in `shared`."""
    return [
        layer(api, f"e2e-{which}", {"python/shared.py": f"WHICH = '{which}'", f"python/{which}_only.py": "WHICH = 1"})
        for which in ("first", "second")
    ]


def test_a_function_on_managed_instances_imports_from_its_layers(api: Any, provider: str, layers: list[str]) -> None:
    code = {"ZipFile": packed({"app.py": PYTHON})}
    create_function(api, provider, "layered", Code=code, Handler="app.handler", Layers=layers)
    assert invoke(api, "layered", {}) == ["second", 1, 1]

    api.update_function_configuration(FunctionName="layered", Layers=layers[::-1])
    api.publish_version(FunctionName="layered", PublishTo="LATEST_PUBLISHED")

    assert eventually(lambda: invoke(api, "layered", {}) == ["first", 1, 1])
    shown = api.get_function_configuration(FunctionName="layered", Qualifier="$LATEST.PUBLISHED")
    assert [each["Arn"] for each in shown["Layers"]] == layers[::-1]


def test_default_lambda_functions_take_layers_too(api: Any, layers: list[str]) -> None:
    node = layer(api, "e2e-node", {"nodejs/node_modules/shared/index.js": "module.exports = { from: 'layer' };"})
    default_function(
        api, "layered-node", Runtime="nodejs22.x", Handler="app.handler",
        Code={"ZipFile": packed({"app.js": NODE})}, Layers=[node], Timeout=10,
    )  # fmt: skip
    default_function(
        api, "layered-default", Runtime="python3.13", Handler="app.handler",
        Code={"ZipFile": packed({"app.py": PYTHON})}, Layers=layers, Timeout=10,
    )  # fmt: skip

    assert invoke(api, "layered-node", {}) == {"from": "layer"}
    assert invoke(api, "layered-default", {}) == ["second", 1, 1]


def test_a_deleted_layer_version_still_starts_environments(api: Any) -> None:
    gone = layer(api, "e2e-gone", {"python/shared.py": "WHICH = 'gone'"})
    handler = "import shared\ndef handler(event, context): return shared.WHICH"
    default_function(
        api, "layered-gone", Runtime="python3.13", Handler="app.handler",
        Code={"ZipFile": packed({"app.py": handler})}, Layers=[gone], Timeout=10,
    )  # fmt: skip

    api.delete_layer_version(LayerName="e2e-gone", VersionNumber=1)

    assert invoke(api, "layered-gone", {}) == "gone"
    with pytest.raises(ClientError, match="does not exist"):
        api.update_function_configuration(FunctionName="layered-gone", Layers=[gone])


def test_publishes_at_once_get_a_number_each(api: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        arns = list(pool.map(lambda number: layer(api, "e2e-many", {"python/n.py": f"N = {number}"}), range(16)))

    assert sorted(int(arn.rpartition(":")[2]) for arn in arns) == list(range(1, 17))
    pages = api.get_paginator("list_layer_versions").paginate(LayerName="e2e-many", PaginationConfig={"PageSize": 5})
    assert [each["Version"] for page in pages for each in page["LayerVersions"]] == list(range(16, 0, -1))


def test_the_link_of_a_layer_version_works(api: Any, layers: list[str]) -> None:
    location = api.get_layer_version_by_arn(Arn=layers[0])["Content"]["Location"]

    with urllib.request.urlopen(location, timeout=10) as response:
        archive = zipfile.ZipFile(io.BytesIO(response.read()))

    assert archive.namelist() == ["python/shared.py", "python/first_only.py"]


def test_the_aws_command_publishes_and_uses_layers(server: Server, api: Any, tmp_path: Path) -> None:
    archive = tmp_path / "layer.zip"
    archive.write_bytes(packed({"python/shared.py": "WHICH = 'cli'"}))
    function = tmp_path / "function.zip"
    function.write_bytes(packed({"app.py": "import shared\ndef handler(event, context): return shared.WHICH"}))

    published = server.aws(
        "lambda", "publish-layer-version", "--layer-name", "e2e-cli", "--zip-file", f"fileb://{archive}",
        "--compatible-runtimes", "python3.13", "python3.14", "--license-info", "MIT",
    )  # fmt: skip
    assert published.returncode == 0, published.stderr
    arn = json.loads(published.stdout)["LayerVersionArn"]
    created = server.aws(
        "lambda", "create-function", "--function-name", "layered-cli", "--runtime", "python3.13", "--role", ROLE,
        "--handler", "app.handler", "--zip-file", f"fileb://{function}", "--layers", arn, "--timeout", "10",
    )  # fmt: skip
    assert created.returncode == 0, created.stderr
    api.get_waiter("function_active_v2").wait(FunctionName="layered-cli", WaiterConfig=QUICKLY)
    assert invoke(api, "layered-cli", {}) == "cli"
    listed = server.aws("lambda", "list-layers", "--compatible-runtime", "python3.14", "--query", "Layers[].LayerName")
    assert "e2e-cli" in json.loads(listed.stdout), listed.stderr


@pytest.fixture
def buckets() -> Any:
    with bucket_server() as running:
        yield running


def test_code_and_layers_come_from_a_bucket_and_outlive_a_killed_server(
    own_server: Callable[..., Server], buckets: Buckets
) -> None:
    buckets.objects["artifacts", "layer.zip"] = packed({"python/shared.py": "WHICH = 'bucket'"})
    buckets.objects["artifacts", "app.zip"] = packed(
        {"app.py": "import shared\ndef handler(event, context): return shared.WHICH"}
    )
    server = own_server(environ=buckets.environ)
    published = server.aws(
        "lambda", "publish-layer-version", "--layer-name", "stored",
        "--content", "S3Bucket=artifacts,S3Key=layer.zip",
    )  # fmt: skip
    assert published.returncode == 0, published.stderr
    arn = json.loads(published.stdout)["LayerVersionArn"]
    api = server.client("lambda")
    default_function(
        api, "stored", Runtime="python3.13", Handler="app.handler", Layers=[arn], Timeout=10,
        Code={"S3Bucket": "artifacts", "S3Key": "app.zip"},
    )  # fmt: skip
    assert invoke(api, "stored", {}) == "bucket"
    with pytest.raises(ClientError) as raised:
        api.update_function_code(FunctionName="stored", S3Bucket="artifacts", S3Key="none.zip", DryRun=True)
    assert raised.value.response["Error"]["Message"] == (
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."
    )

    server.kill()
    api = own_server().client("lambda")

    assert api.list_layers()["Layers"][0]["LatestMatchingVersion"]["LayerVersionArn"] == arn
    assert eventually(lambda: invoke(api, "stored", {}) == "bucket")


def test_what_is_not_signed_is_refused_under_enforce(api: Any) -> None:
    profile = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/ours/abcdef1234"
    created = api.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": [profile]},
        CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"},
    )
    arn = created["CodeSigningConfig"]["CodeSigningConfigArn"]
    with pytest.raises(api.exceptions.CodeVerificationFailedException) as raised:
        default_function(
            api, "unsigned", Runtime="python3.13", Handler="app.handler", CodeSigningConfigArn=arn,
            Code={"ZipFile": packed({"app.py": "pass"})},
        )  # fmt: skip
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_function_for_another_machine_runs_unless_its_code_cannot(server: Server, api: Any) -> None:
    provider = create_provider(api, "elsewhere", InstanceRequirements={"Architectures": [OTHER]})
    portable = {"app.py": "def handler(event, context): return 'ran'"}
    create_function(
        api, provider, "portable", Architectures=[OTHER], Handler="app.handler",
        Code={"ZipFile": packed(portable)},
    )  # fmt: skip

    assert invoke(api, "portable", {}) == "ran"
    assert f"The function is for {OTHER}; it runs on" in server.paddock("status").stdout

    create_function(
        api, provider, "bound", publish=False, Architectures=[OTHER], Handler="app.handler",
        Code={"ZipFile": packed({**portable, "native.so": OTHER_ELF})},
    )  # fmt: skip
    api.publish_version(FunctionName="bound", PublishTo="LATEST_PUBLISHED")

    def shown() -> dict[str, Any]:
        return dict(api.get_function_configuration(FunctionName="bound", Qualifier="$LATEST.PUBLISHED"))

    assert eventually(lambda: shown()["State"] == "Failed", seconds=120)
    assert "/var/task/native.so cannot run on it" in shown()["StateReason"]
