from __future__ import annotations

from pathlib import Path

import pytest

from paddock.runtimes import AWS_LAYOUT, InstalledRuntime, InvalidEntrypoint, RuntimeStore
from paddock.runtimes.bootstrap import node_variables
from paddock.runtimes.bootstraps.python_bootstrap import search_path


@pytest.mark.parametrize(
    ("vcpu", "max_concurrency", "customer", "workers", "pool"),
    [
        (1, 64, {}, "8", "12"),
        (2, 64, {}, "16", "20"),
        (1.5, 64, {}, "16", "20"),
        (16, 4, {}, "4", "8"),
        (1, 1, {}, "1", "5"),
        (1, 64, {"UV_THREADPOOL_SIZE": "4"}, "8", "12"),
        (1, 64, {"UV_THREADPOOL_SIZE": "64"}, "8", "64"),
        (4, 64, {"AWS_LAMBDA_NODEJS_WORKER_COUNT": "2"}, "2", "6"),
        (1, 2, {"AWS_LAMBDA_NODEJS_WORKER_COUNT": "6"}, "6", "10"),
        (1, 64, {"AWS_LAMBDA_NODEJS_WORKER_COUNT": "many", "UV_THREADPOOL_SIZE": "-1"}, "8", "12"),
        (1, 64, {"AWS_LAMBDA_NODEJS_WORKER_COUNT": "0"}, "8", "12"),
    ],
)
def test_node_has_a_pool_thread_for_every_poll_and_some_for_handlers(
    vcpu: float, max_concurrency: int, customer: dict[str, str], workers: str, pool: str
) -> None:
    expected = {"AWS_LAMBDA_NODEJS_WORKER_COUNT": workers, "UV_THREADPOOL_SIZE": pool}
    assert node_variables(vcpu, max_concurrency, customer) == expected


@pytest.fixture
def provided(tmp_path: Path) -> InstalledRuntime:
    return RuntimeStore(tmp_path / "data").ensure("provided.al2023")


def executable(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_an_os_only_runtime_starts_the_functions_bootstrap_before_a_layers(
    provided: InstalledRuntime, tmp_path: Path
) -> None:
    task, opt = tmp_path / "task", tmp_path / "opt"
    task.mkdir()
    from_layer = executable(opt / "bootstrap")
    assert provided.command("f", 2048, 1, task, 8, {}).argv == (str(from_layer),)
    from_function = executable(task / "bootstrap")
    assert provided.command("f", 2048, 1, task, 8, {}).argv == (str(from_function),)


def test_inside_a_mount_namespace_the_bootstrap_is_in_awss_place(provided: InstalledRuntime, tmp_path: Path) -> None:
    executable(tmp_path / "task" / "bootstrap")
    command = provided.command("f", 2048, 1, tmp_path / "task", 8, {}, layout=AWS_LAYOUT)
    assert command.argv == ("/var/task/bootstrap",)
    assert command.cwd == Path("/var/task")


def test_a_function_without_a_bootstrap_is_an_invalid_entrypoint(provided: InstalledRuntime, tmp_path: Path) -> None:
    (tmp_path / "task" / "bootstrap").mkdir(parents=True)
    with pytest.raises(InvalidEntrypoint, match=r"Couldn't find valid bootstrap\(s\)") as raised:
        provided.command("f", 2048, 1, tmp_path / "task", 8, {})
    assert raised.value.error_type == "Runtime.InvalidEntrypoint"


def test_the_function_comes_before_layers_before_pythonpath_before_the_runtime() -> None:
    found = ["/var/runtime", "/mine", "/usr/lib/python3.13"]
    path = search_path(found, ["/mine"], "/var/task", "/opt", "/var/runtime", "python3.13")
    layers = ["/opt/python/lib/python3.13/site-packages", "/opt/python"]
    assert path == ["/var/task", *layers, "/mine", "/var/runtime", "/usr/lib/python3.13"]
