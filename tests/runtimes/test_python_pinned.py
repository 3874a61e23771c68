"""A Python that the machine has not: fetched by its hash, and what happens where it cannot be."""

from __future__ import annotations

import hashlib
import platform
import sys
import zipfile
from pathlib import Path

import pytest

from paddock.runtimes import InstallFailed, InterpreterMissing, Resolution, RuntimeStore, RuntimeUnavailable
from paddock.runtimes.jobs import Job
from paddock.runtimes.languages import python, python_pinned
from paddock.runtimes.languages.python_pinned import CLASSIFIERS, install_pinned_python, pinned_python
from paddock.runtimes.languages.support import Machine
from paddock.runtimes.locks import LOCKS
from paddock.runtimes.maven import read_lock
from paddock.runtimes.progress import ProgressCallback, silent
from paddock.runtimes.records import installed_directory, write_record
from tests.runtimes.conftest import Start
from tests.runtimes.scripted_runtime_api import RuntimeApi

Environ = dict[str, str]
LIBRARY = "lib/python3.14"
JAR = "org/bytedeco/cpython/3.14.9-1.0/cpython-3.14.9-1.0-linux-x86_64.jar"
FACTS = """
import os, ssl, sys
def handler(event, context):
    context = ssl.create_default_context()
    return {"version": sys.version_info[:2], "authorities": context.cert_store_stats()["x509_ca"], "pid": os.getpid()}
"""


@pytest.fixture
def x86_64_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine is; it has no interpreter but those that a test puts there."""
    monkeypatch.setattr(sys, "base_prefix", "/nonexistent")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(python_pinned, "machine_architecture", lambda: "x86_64")


def pretend(file: Path, version: str) -> Path:
    answer = f'{{"version": "{version}", "executable": "{file}", "prefix": "/", "usable": true, "machine": "%s"}}'
    file.write_text(f"#!/bin/sh\necho '{answer % platform.machine()}'\n")
    file.chmod(0o755)
    return file


@pytest.mark.usefixtures("x86_64_linux")
def test_it_is_taken_where_the_machine_has_none_of_the_version(empty_machine: Environ, tmp_path: Path) -> None:
    fetched = RuntimeStore(tmp_path, environ=empty_machine).resolve("python3.14")
    assert fetched.exact
    assert fetched.interpreter_path == tmp_path / "runtimes/python" / fetched.version / "bin/python3.14"
    own = pretend(Path(empty_machine["PATH"]) / "python3.14", "3.14.1")
    assert RuntimeStore(tmp_path, environ=empty_machine).resolve("python3.14").interpreter_path == own


@pytest.mark.usefixtures("x86_64_linux")
def test_it_stands_in_for_a_version_that_is_nowhere(empty_machine: Environ, tmp_path: Path) -> None:
    pretend(Path(empty_machine["PATH"]) / "python3.12", "3.12.1")
    resolution = RuntimeStore(tmp_path, environ=empty_machine).resolve("python3.15")
    assert (resolution.exact, resolution.version) == (False, "3.14.3")
    assert resolution.note.startswith("No Python 3.15 was found: Python 3.14.3 (")


@pytest.mark.usefixtures("x86_64_linux")
@pytest.mark.parametrize(("library", "version"), [("glibc", "2.34"), ("", "")])
def test_a_machine_that_could_not_run_it_has_a_stand_in(
    empty_machine: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, version: str
) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: (library, version))
    own = pretend(Path(empty_machine["PATH"]) / "python3.12", "3.12.1")
    assert RuntimeStore(tmp_path, environ=empty_machine).resolve("python3.14").interpreter_path == own


@pytest.fixture
def _no_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    def install(resolution: Resolution, machine: Machine, progress: ProgressCallback) -> Path:
        if python_pinned.is_pinned(resolution.prefix, machine.root):
            raise InstallFailed(resolution.runtime.identifier, "Nobody answers.", "Try again.")
        directory = installed_directory(machine.root, resolution, python.digest())
        directory.mkdir(parents=True, exist_ok=True)
        write_record(machine.root, directory, resolution, python.digest())
        return directory

    monkeypatch.setattr(python, "install", install)


@pytest.mark.usefixtures("x86_64_linux", "_no_repository")
def test_where_it_cannot_be_fetched_another_stands_in_and_says_why(empty_machine: Environ, tmp_path: Path) -> None:
    own = pretend(Path(empty_machine["PATH"]) / "python3.12", "3.12.1")
    store, server = (RuntimeStore(tmp_path, environ=empty_machine) for _ in range(2))
    assert server.resolve("python3.14").exact
    installed = store.ensure("python3.14")
    said = f"Python 3.14.3 could not be installed (Nobody answers): Python 3.12.1 ({own}) stands in."
    assert installed.resolution.note == said
    assert store.resolve("python3.14") == server.resolve("python3.14") == installed.resolution
    agent = RuntimeStore(tmp_path, environ=empty_machine)
    assert agent.ensure("python3.14").resolution == installed.resolution


@pytest.mark.usefixtures("x86_64_linux", "_no_repository")
def test_where_it_cannot_be_fetched_and_nothing_may_stand_in_the_reason_is_said(
    empty_machine: Environ, tmp_path: Path
) -> None:
    with pytest.raises(InstallFailed, match="Nobody answers"):
        RuntimeStore(tmp_path, environ=empty_machine).ensure("python3.14")
    pretend(Path(empty_machine["PATH"]) / "python3.12", "3.12.1")
    with pytest.raises(InstallFailed, match="Nobody answers"):
        RuntimeStore(tmp_path, strict=True, environ=empty_machine).ensure("python3.14")
    with pytest.raises(InterpreterMissing):
        RuntimeStore(tmp_path, strict=True, environ=empty_machine).ensure("python3.15")


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a small archive in the user's own Maven repository."""
    home = tmp_path / "home"
    jar = home / ".m2" / "repository" / JAR
    jar.parent.mkdir(parents=True)
    with zipfile.ZipFile(jar, "w") as archive:
        for name in (
            "bin/python3.14",
            "bin/pip3",
            "libpython3.14.so.1.0",
            "libffi.so.8",
            f"{LIBRARY}/os.py",
            f"{LIBRARY}/test/test_os.py",
            f"{LIBRARY}/site-packages/pip/__init__.py",
            f"{LIBRARY}/lib-dynload/_ssl.so",
            f"{LIBRARY}/LICENSE.txt",
        ):
            archive.writestr(f"org/bytedeco/cpython/linux-x86_64/{name}", name)
    file = tmp_path / "python.lock"
    file.write_text(
        f"org.bytedeco:cpython:3.14.9-1.0:linux-x86_64 --hash=sha256:{hashlib.sha256(jar.read_bytes()).hexdigest()}\n"
        f"org.bytedeco:cpython:3.14.9-1.0:linux-arm64 --hash=sha256:{'0' * 64}\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(python_pinned, "python_interpreter", lambda minor: file)
    return file


JOB = Job("python3.14", "Installing Python", silent)


@pytest.mark.usefixtures("x86_64_linux")
def test_what_a_function_needs_of_the_archive_is_unpacked(lock: Path, tmp_path: Path) -> None:
    install_pinned_python(14, tmp_path / "root", JOB)
    found = pinned_python(14, tmp_path / "root")
    assert found is not None
    assert (found.version, found.path.stat().st_mode & 0o777) == ("3.14.9", 0o755)
    assert {path.relative_to(found.prefix).as_posix() for path in found.prefix.rglob("*") if path.is_file()} == {
        "bin/python3.14",
        "lib/libpython3.14.so.1.0",
        f"{LIBRARY}/os.py",
        f"{LIBRARY}/LICENSE.txt",
        f"{LIBRARY}/lib-dynload/_ssl.so",
        f"{LIBRARY}/lib-dynload/libffi.so.8",
    }


@pytest.mark.usefixtures("x86_64_linux")
def test_an_archive_with_another_hash_is_refused(lock: Path, tmp_path: Path) -> None:
    lock.write_text(lock.read_text().replace("sha256:", "sha256:0"))
    with pytest.raises(InstallFailed, match="is not the file that was pinned"):
        install_pinned_python(14, tmp_path / "root", JOB)
    assert not (tmp_path / "root" / "python" / "3.14.9").exists()


def test_every_pinned_interpreter_has_its_hash_and_is_for_a_machine_that_is_known() -> None:
    jars = [jar for lock in LOCKS.glob("python-*.lock") for jar in read_lock(lock)]
    assert jars
    assert {len(jar.sha256) for jar in jars} == {64}
    assert {jar.classifier for jar in jars} <= set(CLASSIFIERS.values())


@pytest.mark.toolchain
@pytest.mark.parametrize(("identifier", "runs"), [("python3.14", [3, 14]), ("python3.15", [3, 14])])
def test_the_client_serves_with_it_and_trusts_what_this_machine_trusts(
    identifier: str, runs: list[int], runtime_store: RuntimeStore, runtime_api: RuntimeApi, start: Start
) -> None:
    try:
        runtime = runtime_store.ensure(identifier)
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))
    if not python_pinned.is_pinned(runtime.resolution.prefix, runtime.directory.parents[1]):
        pytest.skip(f"{runtime.resolution.release} is this machine's own, or a stand-in of it")
    start(runtime, {"app.py": FACTS}, "app.handler", max_concurrency=4)
    runtime_api.wait_for_polls(4)
    document = runtime_api.answer(runtime_api.dispatch({})).document
    assert document["version"] == runs
    assert document["authorities"] > 0
