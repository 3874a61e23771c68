"""The search for interpreters, on a machine made of small scripts that answer like one."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from paddock.runtimes import InterpreterMissing, RuntimeStore, RuntimeUnavailable
from paddock.runtimes.languages import java, python, python_interpreters
from paddock.runtimes.languages.java_interpreters import find_java
from paddock.runtimes.languages.python_interpreters import PYTHON_MINORS, find_python, python_stand_in_order

Environ = dict[str, str]
Pretend = Callable[..., Path]


@pytest.fixture(autouse=True)
def _this_program_runs_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "base_prefix", "/nonexistent")
    monkeypatch.setattr(python, "pinned_python", lambda minor, root: None)


@pytest.fixture
def pretend() -> Pretend:
    def make(file: Path, version: str, *, usable: bool = True, machine: str = platform.machine()) -> Path:
        answer = {"version": version, "executable": str(file), "prefix": str(file.parent.parent)}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\necho '{json.dumps(answer | {'usable': usable, 'machine': machine})}'\n")
        file.chmod(0o755)
        return file

    return make


@pytest.mark.parametrize(
    ("asked", "order"),
    [
        (13, (13, 14, 12, 15, 11, 10)),
        (14, (14, 15, 13, 12, 11, 10)),
        (11, (11, 12, 10, 13, 14, 15)),
        (10, (10, 11, 12, 13, 14, 15)),
        (16, (15, 14, 13, 12, 11, 10)),
    ],
)
def test_the_nearest_version_stands_in_and_of_two_the_newer(asked: int, order: tuple[int, ...]) -> None:
    assert python_stand_in_order(asked) == order
    assert set(order) == set(PYTHON_MINORS)


def test_path_comes_before_pyenv_and_pyenv_before_uv(empty_machine: Environ, pretend: Pretend) -> None:
    home, path = Path(empty_machine["HOME"]), Path(empty_machine["PATH"])
    uv = pretend(home / ".local/share/uv/python/cpython-3.13.9-linux-x86_64-gnu/bin/python3.13", "3.13.9")
    assert _found(empty_machine) == uv
    pretend(home / ".pyenv/versions/3.13.2/bin/python3.13", "3.13.2")
    newer = pretend(home / ".pyenv/versions/3.13.10/bin/python3.13", "3.13.10")
    assert _found(empty_machine) == newer
    on_path = pretend(path / "python3.13", "3.13.1")
    assert _found(empty_machine) == on_path


def _found(environ: Environ) -> Path:
    interpreter = find_python(13, environ)
    assert interpreter is not None
    return interpreter.path


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "3.12.1"},
        {"version": "3.13.1", "usable": False},
        {"version": "3.13.1", "machine": "pdp11"},
    ],
)
def test_a_candidate_that_is_not_what_it_is_called_is_passed_over(
    empty_machine: Environ, pretend: Pretend, wrong: dict[str, str]
) -> None:
    path, home = Path(empty_machine["PATH"]), Path(empty_machine["HOME"])
    pretend(path / "python3.13", **wrong)
    good = pretend(home / ".pyenv/versions/3.13.0/bin/python3.13", "3.13.0")
    assert _found(empty_machine) == good


@pytest.mark.parametrize("text", ["exit 127", "echo hello", "echo 3", "printf '\\377'"])
def test_a_program_that_answers_nonsense_is_passed_over(empty_machine: Environ, text: str) -> None:
    broken = Path(empty_machine["PATH"]) / "python3.13"
    broken.write_text(f"#!/bin/sh\n{text}\n")
    broken.chmod(0o755)
    assert find_python(13, empty_machine) is None


def test_another_version_stands_in_and_says_so(empty_machine: Environ, pretend: Pretend, tmp_path: Path) -> None:
    stand_in = pretend(Path(empty_machine["PATH"]) / "python3.11", "3.11.2")
    resolution = RuntimeStore(tmp_path, environ=empty_machine).resolve("python3.14")
    assert (resolution.interpreter_path, resolution.version, resolution.exact) == (stand_in, "3.11.2", False)
    assert resolution.note == f"No Python 3.14 was found: Python 3.11.2 ({stand_in}) stands in."


def test_the_asked_version_needs_no_note(empty_machine: Environ, pretend: Pretend, tmp_path: Path) -> None:
    pretend(Path(empty_machine["PATH"]) / "python3.13", "3.13.7")
    resolution = RuntimeStore(tmp_path, environ=empty_machine).resolve("python3.13")
    assert (resolution.exact, resolution.note) == (True, "")
    assert resolution.release == "python3.13 (Python 3.13.7, awslambdaric 4.2.2)"


@pytest.mark.parametrize(
    ("tools", "command"),
    [
        ((), "uv python install 3.14"),
        (("pyenv",), "pyenv install 3.14"),
        (("pyenv", "uv"), "uv python install 3.14"),
    ],
)
def test_strict_refuses_a_stand_in_and_names_the_command(
    empty_machine: Environ, pretend: Pretend, tmp_path: Path, tools: tuple[str, ...], command: str
) -> None:
    path = Path(empty_machine["PATH"])
    pretend(path / "python3.13", "3.13.7")
    for tool in tools:
        pretend(path / tool, "1.0")
    with pytest.raises(InterpreterMissing, match=r"needs Python 3\.14") as raised:
        RuntimeStore(tmp_path, strict=True, environ=empty_machine).resolve("python3.14")
    assert raised.value.remedy == f"Run: {command}"


def test_node_is_taken_from_path_only_with_headers_and_npm(
    empty_machine: Environ, pretend: Pretend, tmp_path: Path
) -> None:
    prefix = tmp_path / "node"
    node = pretend(prefix / "bin" / "node", "22.9.0")
    empty_machine["PATH"] = str(node.parent)
    pinned = RuntimeStore(tmp_path, environ=empty_machine).resolve("nodejs22.x")
    assert pinned.version == "22.20.0"
    assert pinned.interpreter_path == tmp_path / "runtimes/node/22.20.0/bin/node"
    for part in ("include/node/node_api.h", "lib/node_modules/npm/bin/npm-cli.js"):
        (prefix / part).parent.mkdir(parents=True)
        (prefix / part).touch()
    found = RuntimeStore(tmp_path, environ=empty_machine).resolve("nodejs22.x")
    assert (found.interpreter_path, found.version) == (node, "22.9.0")


@pytest.mark.parametrize(
    ("identifier", "version", "program"),
    [("nodejs26.x", "26.10.0", "node/26.10.0/bin/node"), ("java21", "21.0.8", "java/21.0.8.2/bin/java")],
)
def test_where_an_interpreter_is_missing_the_pinned_one_will_be_installed(
    empty_machine: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identifier: str, version: str, program: str
) -> None:
    monkeypatch.setattr(java, "find_java", lambda major, environ: None)
    resolution = RuntimeStore(tmp_path, environ=empty_machine).resolve(identifier)
    assert (resolution.version, resolution.exact) == (version, True)
    assert resolution.interpreter_path == tmp_path / "runtimes" / program


def test_a_version_that_the_client_is_not_made_for_has_a_stand_in_though_the_interpreter_is_here(
    empty_machine: Environ, pretend: Pretend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (python, python_interpreters):
        monkeypatch.setattr(module, "PYTHON_MINORS", (10, 11, 12, 13, 14))
    path = Path(empty_machine["PATH"])
    pretend(path / "python3.15", "3.15.0")
    with pytest.raises(InterpreterMissing, match=r"is not made for Python 3\.15.*uv python install 3\.14"):
        RuntimeStore(tmp_path, environ=empty_machine).resolve("python3.15")
    stand_in = pretend(path / "python3.14", "3.14.1")
    resolution = RuntimeStore(tmp_path, environ=empty_machine).resolve("python3.15")
    assert (resolution.interpreter_path, resolution.exact) == (stand_in, False)
    assert resolution.note == f"awslambdaric 4.2.2 is not made for Python 3.15: Python 3.14.1 ({stand_in}) stands in."


def test_the_other_architecture_is_refused(tmp_path: Path) -> None:
    other = "arm64" if platform.machine() == "x86_64" else "x86_64"
    with pytest.raises(RuntimeUnavailable, match=other):
        RuntimeStore(tmp_path).resolve("provided.al2023", other)


@pytest.mark.parametrize(("asked", "order"), [(8, (8, 10, 11, 12, 13, 14, 15)), (9, (9, 10, 11, 12, 13, 14, 15))])
def test_an_old_version_stands_in_for_nobody_else(asked: int, order: tuple[int, ...]) -> None:
    assert python_stand_in_order(asked) == order


def test_a_runtime_without_a_client_says_what_to_do_instead(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match="container image"):
        RuntimeStore(tmp_path).resolve("ruby3.4")


def test_a_runtime_version_arn_has_awss_form_and_changes_with_the_interpreter(
    empty_machine: Environ, pretend: Pretend, tmp_path: Path
) -> None:
    python = Path(empty_machine["PATH"]) / "python3.13"
    arns = set()
    for version in ("3.13.7", "3.13.8"):
        pretend(python, version)
        resolution = RuntimeStore(tmp_path, environ=empty_machine).resolve("python3.13")
        arns.add(resolution.runtime_version_arn("eu-west-1"))
        assert resolution.runtime_version_arn("cn-north-1").startswith("arn:aws-cn:lambda:cn-north-1::runtime:")
    assert len(arns) == 2
    assert all(arn.startswith("arn:aws:lambda:eu-west-1::runtime:") and len(arn.split(":")[-1]) == 64 for arn in arns)


@pytest.fixture
def pretend_java(tmp_path: Path) -> Pretend:
    def make(home: Path, version: str, *, machine: str = platform.machine(), status: int = 0) -> Path:
        properties = {
            "java.home": home,
            "java.specification.version": version.partition(".")[0],
            "java.version": version,
        }
        lines = "".join(f"    {name} = {value}\n" for name, value in (properties | {"os.arch": machine}).items())
        program = home / "bin" / "java"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\nProperty settings:\n{lines}\nEND\nexit {status}\n")
        program.chmod(0o755)
        return program

    return make


def test_java_is_looked_for_on_path_in_java_home_and_in_the_distributions_directory(
    empty_machine: Environ, pretend_java: Pretend, tmp_path: Path
) -> None:
    jvm = tmp_path / "jvm"
    pretend_java(jvm / "java-21.0.4", "21.0.4")
    newer = pretend_java(jvm / "java-21.0.10", "21.0.10")
    pretend_java(jvm / "java-25", "25.0.1")
    assert _java(empty_machine, jvm) == newer
    at_home = pretend_java(tmp_path / "java_home", "21.0.2")
    assert _java(empty_machine | {"JAVA_HOME": str(tmp_path / "java_home")}, jvm) == at_home


def test_a_java_of_another_kind_is_passed_over(empty_machine: Environ, pretend_java: Pretend, tmp_path: Path) -> None:
    jvm = tmp_path / "jvm"
    pretend_java(jvm / "a-21.5", "21.0.5", status=1)
    pretend_java(jvm / "a-21.4", "21.0.4", machine="pdp11")
    pretend_java(jvm / "a-21.3", "17.0.3")
    good = pretend_java(jvm / "a-21.2", "21.0.2")
    assert _java(empty_machine, jvm) == good


def _java(environ: Environ, jvm: Path) -> Path:
    interpreter = find_java(21, environ, jvm)
    assert interpreter is not None
    return interpreter.path
