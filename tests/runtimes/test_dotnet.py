"""The .NET runtime: how its bootstrap starts a function, and a scripted one that polls as AWS's client does.

There is no .NET on the machines that these tests are written for, so the client itself is not tried.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paddock.runtimes import InstalledRuntime, InterpreterMissing, RuntimeStore
from tests.runtimes.conftest import Start
from tests.runtimes.scripted_runtime_api import RuntimeApi

HANDLER = "Orders::Orders.Function::Handle"
LIBRARY = {"Orders.dll": "", "Orders.deps.json": "{}", "Orders.runtimeconfig.json": "{}"}
TOOL = ".dotnet/tools/.store/amazon.lambda.testtool/{0}/amazon.lambda.testtool/{0}/content/Amazon.Lambda.RuntimeSupport"


@pytest.fixture
def machine(empty_machine: dict[str, str]) -> dict[str, str]:
    """With the scripted `dotnet` on PATH."""
    dotnet = Path(empty_machine["PATH"]) / "dotnet"
    dotnet.write_text(f"#!{sys.executable}\n{Path(__file__).with_name('scripted_dotnet.py').read_text()}")
    dotnet.chmod(0o755)
    return empty_machine


def add_test_tool(machine: dict[str, str], version: str) -> Path:
    build = Path(machine["HOME"]) / TOOL.format(version) / "net8.0"
    build.mkdir(parents=True)
    for name in ("Amazon.Lambda.RuntimeSupport.dll", "Amazon.Lambda.Core.dll"):
        (build / name).write_text(version)
    return build


@pytest.fixture
def dotnet(machine: dict[str, str], tmp_path: Path) -> InstalledRuntime:
    add_test_tool(machine, "0.9.1")
    add_test_tool(machine, "0.15.0")
    return RuntimeStore(tmp_path / "data", environ=machine).ensure("dotnet8")


def test_without_dotnet_the_package_is_named(tmp_path: Path, empty_machine: dict[str, str]) -> None:
    with pytest.raises(InterpreterMissing, match=r"needs \.NET 8.*aspnetcore-runtime-8\.0"):
        RuntimeStore(tmp_path, environ=empty_machine).resolve("dotnet8")


def test_a_dotnet_of_another_version_is_none(tmp_path: Path, machine: dict[str, str]) -> None:
    with pytest.raises(InterpreterMissing, match=r"needs \.NET 10"):
        RuntimeStore(tmp_path, environ=machine).resolve("dotnet10")


def test_the_newest_test_tool_has_the_client(dotnet: InstalledRuntime) -> None:
    assert dotnet.resolution.release == "dotnet8 (.NET 8.0.11, Amazon.Lambda.RuntimeSupport 0.15.0)"
    assert (dotnet.runtime_dir / "Amazon.Lambda.Core.dll").read_text() == "0.15.0"


def test_a_process_that_sees_no_dotnet_takes_what_is_installed_with_the_client(
    machine: dict[str, str], tmp_path: Path
) -> None:
    without = RuntimeStore(tmp_path, environ=machine).ensure("dotnet8")
    assert without.resolution.release == "dotnet8 (.NET 8.0.11)"
    add_test_tool(machine, "0.9.1")
    complete = RuntimeStore(tmp_path, environ=machine).ensure("dotnet8")
    blind = {"HOME": "/nonexistent", "PATH": "/nonexistent"}
    assert RuntimeStore(tmp_path, environ=blind).ensure("dotnet8") == complete


def with_sdk(machine: dict[str, str], framework: str) -> dict[str, str]:
    """`framework` is what the tool that can be fetched has a client for."""
    (Path(machine["PATH"]) / "sdk").write_text(framework)
    return machine


def test_where_there_is_an_sdk_the_client_is_fetched_once(
    machine: dict[str, str], tmp_path: Path, start: Start, runtime_api: RuntimeApi
) -> None:
    fetched = RuntimeStore(tmp_path / "data", environ=with_sdk(machine, "net8.0")).ensure("dotnet8")
    assert fetched.resolution.release == "dotnet8 (.NET 8.0.11, Amazon.Lambda.RuntimeSupport 0.14.0)"

    start(fetched, LIBRARY, HANDLER, max_concurrency=1)
    facts = runtime_api.answer(runtime_api.dispatch({"do": "facts"})).document
    assert str(fetched.runtime_dir / "Amazon.Lambda.RuntimeSupport.TestTool.dll") in facts["arguments"]

    without_network = with_sdk(machine, "")
    assert RuntimeStore(tmp_path / "data", environ=without_network).ensure("dotnet8") == fetched


@pytest.mark.parametrize("framework", ["", "net10.0"], ids=["no network", "no client for this version"])
def test_where_the_client_cannot_be_fetched_programs_run_and_nobody_tries_again(
    machine: dict[str, str], tmp_path: Path, framework: str
) -> None:
    said: list[str] = []
    environ = with_sdk(machine, framework)
    without = RuntimeStore(tmp_path / "data", environ=environ).ensure("dotnet8", lambda at: said.append(at.step))
    assert without.resolution.release == "dotnet8 (.NET 8.0.11)"
    assert any("0.14.0" in step for step in said)

    said.clear()
    assert (
        RuntimeStore(tmp_path / "data", environ=environ).ensure("dotnet8", lambda at: said.append(at.step)) == without
    )
    assert not said


@pytest.mark.parametrize(
    ("files", "customer", "assembly"),
    [
        (LIBRARY, {}, "Orders"),
        (LIBRARY | {"Other.deps.json": "{}", "Other.runtimeconfig.json": "{}"}, {}, "Orders"),
        ({"Only.deps.json": "{}", "Only.runtimeconfig.json": "{}"}, {}, "Only"),
        (
            LIBRARY | {"Main.deps.json": "{}", "Main.runtimeconfig.json": "{}"},
            {"LAMBDA_DOTNET_MAIN_ASSEMBLY": "Main.dll"},
            "Main",
        ),
    ],
    ids=["by its handler", "of several", "the only one", "as the customer says"],
)
def test_a_class_library_is_started_through_the_runtime_support(
    dotnet: InstalledRuntime,
    runtime_api: RuntimeApi,
    start: Start,
    tmp_path: Path,
    files: dict[str, str],
    customer: dict[str, str],
    assembly: str,
) -> None:
    start(dotnet, files, HANDLER, max_concurrency=1, customer=customer)
    facts = runtime_api.answer(runtime_api.dispatch({"do": "facts"})).document
    place = tmp_path / "task" / assembly
    support = str(dotnet.runtime_dir / "Amazon.Lambda.RuntimeSupport.dll")
    files_of_it = ["--depsfile", f"{place}.deps.json", "--runtimeconfig", f"{place}.runtimeconfig.json"]
    assert facts["arguments"] == ["exec", *files_of_it, support, HANDLER]
    assert facts["env"]["AWS_EXECUTION_ENV"] == "AWS_Lambda_dotnet8"
    assert facts["env"]["DOTNET_ROOT"] == str(dotnet.lang_dir / "bin")


@pytest.mark.parametrize("handler", ["Orders", "Orders.dll"])
def test_an_executable_assembly_is_started_by_itself(
    dotnet: InstalledRuntime, runtime_api: RuntimeApi, start: Start, tmp_path: Path, handler: str
) -> None:
    start(dotnet, {"Orders.dll": ""}, handler, max_concurrency=1)
    facts = runtime_api.answer(runtime_api.dispatch({"do": "facts"})).document
    assert facts["arguments"] == ["exec", str(tmp_path / "task" / "Orders.dll")]


@pytest.mark.parametrize(
    ("files", "handler", "status"),
    [
        ({}, HANDLER, 102),
        ({"Orders.dll": ""}, "", 103),
        ({"Other.dll": ""}, "Orders", 104),
        ({"Orders.runtimeconfig.json": "{}"}, HANDLER, 105),
        ({"A.deps.json": "", "B.deps.json": "", "Orders.runtimeconfig.json": "{}"}, HANDLER, 105),
        ({"Orders.deps.json": "{}"}, HANDLER, 106),
    ],
)
def test_what_cannot_be_started_ends_with_awss_status(
    dotnet: InstalledRuntime, start: Start, tmp_path: Path, files: dict[str, str], handler: str, status: int
) -> None:
    (tmp_path / "task").mkdir()
    exit_status, output = start(dotnet, files, handler).ended()
    assert exit_status == status, output
    assert output.startswith("Error: ")


def test_without_a_task_root_its_status_is_101(dotnet: InstalledRuntime) -> None:
    environment = {"LAMBDA_RUNTIME_DIR": str(dotnet.runtime_dir), "_HANDLER": HANDLER}
    bootstrap = subprocess.run([dotnet.runtime_dir / "bootstrap"], env=environment, capture_output=True, check=False)
    assert bootstrap.returncode == 101


def test_a_missing_exec_wrapper_ends_with_127(dotnet: InstalledRuntime, start: Start) -> None:
    customer = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/no-such-wrapper"}
    assert start(dotnet, LIBRARY, HANDLER, customer=customer).ended()[0] == 127


def test_a_class_library_without_the_client_is_told_where_it_is(
    machine: dict[str, str], start: Start, tmp_path: Path
) -> None:
    without = RuntimeStore(tmp_path / "data", environ=machine).ensure("dotnet8")
    exit_status, output = start(without, LIBRARY, HANDLER).ended()
    assert exit_status == 1
    assert "dotnet tool install -g Amazon.Lambda.TestTool" in output


def test_polls_stay_open_while_events_are_handled(
    dotnet: InstalledRuntime, runtime_api: RuntimeApi, start: Start, tmp_path: Path
) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    start(dotnet, LIBRARY, HANDLER, max_concurrency=4)
    ids = [runtime_api.dispatch({"do": "meet", "meeting": str(meeting), "count": 8, "n": n}) for n in range(7)]
    runtime_api.wait_for_polls(4)
    ids.append(runtime_api.dispatch({"do": "meet", "meeting": str(meeting), "count": 8, "n": 7}))
    assert [runtime_api.answer(invocation_id).document["n"] for invocation_id in ids] == list(range(8))
    assert runtime_api.most_polls == 4


def test_a_customers_number_of_processing_tasks_is_kept(
    dotnet: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    customer = {"AWS_LAMBDA_DOTNET_PROCESSING_TASKS": "2"}
    start(dotnet, LIBRARY, HANDLER, max_concurrency=32, customer=customer)
    runtime_api.wait_for_polls(2)
    assert runtime_api.answer(runtime_api.dispatch({"n": 1})).document["n"] == 1
    assert runtime_api.most_polls == 2


def test_the_exec_wrapper_gets_the_command_line(
    dotnet: InstalledRuntime, runtime_api: RuntimeApi, start: Start, tmp_path: Path
) -> None:
    wrapper = '#!/bin/sh\nexport WRAPPED="$(basename "$1") $2"\nexec "$@"\n'
    customer = {"AWS_LAMBDA_EXEC_WRAPPER": str(tmp_path / "task" / "wrapper")}
    start(dotnet, {**LIBRARY, "wrapper": wrapper}, HANDLER, max_concurrency=1, customer=customer)
    facts = runtime_api.answer(runtime_api.dispatch({"do": "facts"})).document
    assert facts["env"]["WRAPPED"] == "dotnet exec"
