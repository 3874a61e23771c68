"""Functions that come as images, on managed instances and as default Lambda."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.runtimes import RuntimeStore
from tests.e2e.conftest import (
    QUICKLY,
    ROLE,
    RUNTIMES_DIR,
    Server,
    create_provider,
    eventually,
    invoke,
    start_server,
    wait_active,
)
from tests.images.building import MadeImage, archive, docker_archive, file, image
from tests.images.machine_images import PYTHON_PROGRAM, python_image, shell_layer
from tests.images.registry_server import Registry, registry_server

pytestmark = pytest.mark.e2e

HANDLER = """
import os

def handler(event, context):
    if event.get("end"):
        os._exit(1)

    def refused(path):
        try:
            open(path, "w")
        except OSError as error:
            return error.strerror
    open("/tmp/mine", "w").write("x")
    return {
        "event": event,
        "removed": os.path.exists("/var/task/removed.py"),
        "cwd": os.getcwd(),
        "uid": os.getuid(),
        "of_the_image": os.environ.get("OF_THE_IMAGE"),
        "execution_env": os.environ.get("AWS_EXECUTION_ENV"),
        "tz": os.environ.get("TZ"),
        "max_concurrency": os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY"),
        "hosts": open("/etc/hosts").read(),
        "task": sorted(os.listdir("/var/task")),
        "root": sorted(os.listdir("/")),
        "refused": [refused("/var/task/x"), refused("/x"), refused("/etc/hosts")],
        "processes": sum(name.isdigit() for name in os.listdir("/proc")),
        "shadow": os.path.exists("/etc/shadow"),
    }
"""


@pytest.fixture(scope="module")
def images_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def image_server(tmp_path_factory: pytest.TempPathFactory, images_dir: Path) -> Iterator[Server]:
    running = start_server(tmp_path_factory.mktemp("paddock") / "data", "--images-dir", str(images_dir))
    try:
        status = json.loads(running.paddock("status", "--output", "json").stdout)
        if "namespaces" not in status["launcher"]["isolation"]:
            pytest.skip(f"images need namespaces; this machine gives {status['launcher']['isolation']}")
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def client(image_server: Server) -> Any:
    return image_server.client("lambda")


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with registry_server() as running:
        yield running


@pytest.fixture(scope="module")
def python_made() -> MadeImage:
    return python_image(RuntimeStore(RUNTIMES_DIR).ensure("python3.13"), HANDLER)


def create(client: Any, name: str, uri: str, provider: str | None = None, **more: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "FunctionName": name,
        "PackageType": "Image",
        "Role": ROLE,
        "Code": {"ImageUri": uri},
        "Timeout": 20,
        "MemorySize": 2048 if provider else 512,
    }
    if provider:
        config = {"CapacityProviderArn": provider, "PerExecutionEnvironmentMaxConcurrency": 4}
        arguments["CapacityProviderConfig"] = {"LambdaManagedInstancesCapacityProviderConfig": config}
        arguments |= {"Publish": True, "PublishTo": "LATEST_PUBLISHED"}
    created = client.create_function(**arguments | more)
    if provider:
        wait_active(client, name)
    else:
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    return dict(created)


@pytest.fixture(scope="module")
def provider(client: Any) -> str:
    return create_provider(client, "images")


@pytest.mark.parametrize("kind", ["managed instances", "default lambda"])
def test_an_image_like_those_of_aws_runs(
    kind: str, client: Any, provider: str, registry: Registry, python_made: MadeImage
) -> None:
    name = f"python-{kind.split(maxsplit=1)[0]}"
    managed = kind == "managed instances"
    create(client, name, registry.put(python_made, "python"), provider if managed else None)
    said = invoke(client, name, {"n": 1})
    assert said["event"] == {"n": 1}
    assert not said["removed"]
    assert said["task"] == ["app.py"]
    assert (said["cwd"], said["uid"]) == ("/var/task", 993)
    assert said["of_the_image"] == "yes"
    assert said["tz"] == ":/etc/localtime"
    assert said["max_concurrency"] == ("4" if managed else None)
    assert re.match(r"127\.0\.0\.1 localhost\n127\.\d+\.\d+\.\d+ sandbox\.localdomain sandbox\n", said["hosts"])
    assert said["refused"] == ["Read-only file system"] * 3
    assert not said["shadow"]
    assert said["processes"] < 20
    assert {"bin", "var", "tmp", "proc", "dev"} <= set(said["root"])
    assert "home" not in said["root"]


def test_a_worker_of_an_image_that_ends_costs_its_own_invocation_only(
    client: Any, provider: str, registry: Registry, python_made: MadeImage
) -> None:
    create(client, "ending", registry.put(python_made, "python"), provider)
    assert invoke(client, "ending", {"end": True})["error"]["errorType"] == "Runtime.ExitError"
    assert invoke(client, "ending", {"n": 5})["event"] == {"n": 5}


def test_image_config_stands_in_for_the_image(client: Any, registry: Registry, python_made: MadeImage) -> None:
    uri = registry.put(python_made, "python")
    create(client, "configured", uri, ImageConfig={"Command": ["absent.handler"]})
    answer = client.invoke(FunctionName="configured", Payload=b"{}")
    assert answer["FunctionError"]
    assert "absent" in answer["Payload"].read().decode()
    client.update_function_configuration(
        FunctionName="configured",
        ImageConfig={
            "EntryPoint": ["/bin/sh", "-c", "cd /var/task && export _HANDLER=$0 && exec /var/runtime/bootstrap"],
            "Command": ["app.handler"],
            "WorkingDirectory": "/tmp",
        },
    )
    client.get_waiter("function_updated_v2").wait(FunctionName="configured", WaiterConfig=QUICKLY)
    assert eventually(lambda: invoke(client, "configured", {"n": 2}).get("event") == {"n": 2})


@pytest.mark.parametrize(
    ("config", "code", "line"),
    [
        (
            {"EntryPoint": ["/absent"], "Command": ["x"]},
            "InvalidEntrypoint",
            "fork/exec /absent: no such file or directory\tEntrypoint: [/absent]\tCmd: [x]\tWorkingDir: [/]",
        ),
        (
            {"WorkingDirectory": "/absent"},
            "InvalidWorkingDir",
            "chdir /absent: no such file or directory\tEntrypoint: [/bin/sh]\tCmd: []\tWorkingDir: [/absent]",
        ),
    ],
)
def test_what_cannot_be_executed_is_said(
    config: dict[str, Any], code: str, line: str, client: Any, image_server: Server, images_dir: Path
) -> None:
    place = images_dir / f"shell-{code}"
    uri = image(shell_layer(), program={"Entrypoint": ["/bin/sh"]}).write_layout(place)
    create(client, code, uri, ImageConfig=config)
    answer = client.invoke(FunctionName=code, Payload=b"{}")
    assert answer["FunctionError"]
    assert json.loads(answer["Payload"].read())["errorType"] == f"Runtime.{code}"
    logs = image_server.client("logs")

    def lines() -> list[str]:
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{code}")["events"]
        except ClientError:
            return []
        return [event["message"] for event in events]

    assert eventually(lambda: f"IMAGE\tLaunch error: {line}" in lines()), lines()


def test_an_archive_of_docker_save_runs(client: Any, images_dir: Path, python_made: MadeImage, tmp_path: Path) -> None:
    layers = _uncompressed(python_made)
    uri = docker_archive(images_dir / "python.tar", layers, PYTHON_PROGRAM, "fn:7")
    create(client, "archived", uri)
    assert invoke(client, "archived", {"n": 3})["event"] == {"n": 3}
    resolved = client.get_function(FunctionName="archived")["Code"]["ResolvedImageUri"]
    assert resolved.startswith(f"docker-archive:{images_dir}/python.tar@sha256:")


def _uncompressed(made: MadeImage) -> list[bytes]:
    names = [layer["digest"] for layer in json.loads(made.manifest)["layers"]]
    blobs = [made.blobs[name] for name in names]
    return [gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob for blob in blobs]


def test_images_elsewhere_on_the_machine_are_refused(client: Any, server: Server, tmp_path: Path) -> None:
    uri = image(archive(file("a"))).write_layout(tmp_path / "layout")
    for each in (client, server.client("lambda")):
        with pytest.raises(ClientError, match="images_dir"):
            create(each, "elsewhere", uri)


def test_an_image_is_replaced_by_an_update(
    client: Any, provider: str, registry: Registry, python_made: MadeImage
) -> None:
    create(client, "updated", registry.put(python_made, "python"), provider)
    changed = python_image(
        RuntimeStore(RUNTIMES_DIR).ensure("python3.13"), "def handler(event, context): return {'second': True}"
    )
    updated = client.update_function_code(
        FunctionName="updated", ImageUri=registry.put(changed, "second"), Publish=True, PublishTo="LATEST_PUBLISHED"
    )
    assert updated["CodeSha256"] == changed.digest.removeprefix("sha256:")
    wait_active(client, "updated")
    assert eventually(lambda: invoke(client, "updated", {}).get("second") is True)


GO = """package main

import (
    "bytes"
    "io"
    "net/http"
    "os"
)

func main() {
    api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
    for {
        next, err := http.Get(api + "next")
        if err != nil {
            os.Exit(1)
        }
        event, _ := io.ReadAll(next.Body)
        next.Body.Close()
        id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
        answer := append(append([]byte(`{"go":`), event...), '}')
        posted, err := http.Post(api+id+"/response", "application/json", bytes.NewReader(answer))
        if err != nil {
            os.Exit(1)
        }
        posted.Body.Close()
    }
}
"""


@pytest.mark.toolchain
def test_a_static_program_from_scratch_runs(client: Any, registry: Registry, provider: str, tmp_path: Path) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("needs Go")
    (tmp_path / "main.go").write_text(GO)
    environment = {"HOME": str(tmp_path), "PATH": str(Path(go).parent), "CGO_ENABLED": "0", "GO111MODULE": "off"}
    subprocess.run([go, "build", "-o", "main", "main.go"], cwd=tmp_path, env=environment, check=True, timeout=300)
    made = image(archive(file("main", (tmp_path / "main").read_bytes(), mode=0o755)), program={"Entrypoint": ["/main"]})
    uri = registry.put(made, "go")
    create(client, "go-managed", uri, provider)
    create(client, "go-default", uri)
    for name in ("go-managed", "go-default"):
        assert invoke(client, name, {"n": 4}) == {"go": {"n": 4}}


def fails(client: Any, name: str, uri: str, provider: str) -> dict[str, Any]:
    """What its publish says in the end."""
    config = {"CapacityProviderArn": provider, "PerExecutionEnvironmentMaxConcurrency": 4}
    client.create_function(
        FunctionName=name,
        PackageType="Image",
        Role=ROLE,
        Code={"ImageUri": uri},
        MemorySize=2048,
        CapacityProviderConfig={"LambdaManagedInstancesCapacityProviderConfig": config},
        Publish=True,
        PublishTo="LATEST_PUBLISHED",
    )

    def published() -> dict[str, Any]:
        return dict(client.get_function_configuration(FunctionName=name, Qualifier="$LATEST.PUBLISHED"))

    assert eventually(lambda: published()["State"] == "Failed"), published()
    said = published()
    client.delete_function(FunctionName=name)
    return said


def test_an_image_that_means_harm_fails_its_publish(client: Any, provider: str, registry: Registry) -> None:
    made = image(shell_layer(), archive(file("../../escaped", "x")), program={"Entrypoint": ["/bin/sh"]})
    said = fails(client, "hostile", registry.put(made, "hostile"), provider)
    assert said["StateReasonCode"] == "InvalidImage"
    assert "leads out of it" in said["StateReason"]


@pytest.mark.parametrize(("mode", "code"), [(0o755, "ExtensionInitError"), (0o644, "PermissionDenied")])
def test_an_image_whose_extension_does_not_run_fails_its_publish(
    client: Any, provider: str, registry: Registry, mode: int, code: str
) -> None:
    extension = archive(file("opt/extensions/ends", "#!/bin/sh\nexit 3\n", mode=mode))
    made = image(shell_layer(), extension, program={"Entrypoint": ["/bin/sh", "-c", "sleep 600"]})
    said = fails(client, f"extension-{mode:o}", registry.put(made, f"extension-{mode:o}"), provider)
    assert said["StateReasonCode"] == f"FunctionError.{code}"
    assert "ends" in said["StateReason"]


def test_an_image_outlives_its_source_and_a_killed_server(
    own_server: Callable[..., Server], image_server: Server, python_made: MadeImage, tmp_path: Path
) -> None:
    place = tmp_path / "layout"
    first = own_server("--images-dir", str(tmp_path))
    create(first.client("lambda"), "kept", python_made.write_layout(place))
    shutil.rmtree(place)
    first.kill()
    again = own_server().client("lambda")
    assert invoke(again, "kept", {"n": 6})["event"] == {"n": 6}
