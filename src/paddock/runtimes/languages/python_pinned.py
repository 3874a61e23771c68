"""The Python that an install fetches where the machine has none of the version: from the Maven repository, as the
JavaCPP presets build it. A whole CPython that runs from wherever it lies, on Linux with a C library that is new enough.
"""

from __future__ import annotations

import platform
import shutil
import zipfile
from pathlib import Path

from paddock.runtimes.directories import install_directory
from paddock.runtimes.interpreters import Interpreter, version_numbers
from paddock.runtimes.jobs import Job
from paddock.runtimes.locks import python_interpreter
from paddock.runtimes.maven import Jar, maven_fetch, read_lock
from paddock.runtimes.resolution import machine_architecture

OLDEST_C_LIBRARY = (2, 35)
"""Of glibc, which names its symbols by version; 2.35 is that of the machine these were built on."""

CLASSIFIERS = {"x86_64": "linux-x86_64", "arm64": "linux-arm64"}

_LEFT_OUT = ("test/", "idlelib/", "turtledemo/", "site-packages/")
"""Of the standard library: what no function runs, and pip, which none may have by accident."""


def pinned_python(minor: int, root: Path) -> Interpreter | None:
    """Where it is, or will be once `install_pinned_python` was called; None where there is none for this machine."""
    jar = _jar_for_this_machine(minor)
    if jar is None:
        return None
    version = jar.version.partition("-")[0]
    prefix = _directory(root) / version
    return Interpreter(prefix / "bin" / f"python3.{minor}", version, prefix)


def is_pinned(prefix: Path | None, root: Path) -> bool:
    return prefix is not None and prefix.parent == _directory(root)


def install_pinned_python(minor: int, root: Path, job: Job) -> None:
    found, jar = pinned_python(minor, root), _jar_for_this_machine(minor)
    assert found is not None
    assert jar is not None

    def build(directory: Path) -> None:
        maven_fetch(python_interpreter(minor), directory, job, jar.classifier)
        _unpack(directory / jar.file_name, directory, minor)

    install_directory(found.prefix, build, job.progress)


def _directory(root: Path) -> Path:
    return root / "python"


def _jar_for_this_machine(minor: int) -> Jar | None:
    library, version = platform.libc_ver()
    lock = python_interpreter(minor)
    if library != "glibc" or version_numbers(version) < OLDEST_C_LIBRARY or not lock.is_file():
        return None
    classifier = CLASSIFIERS.get(machine_architecture())
    return next((jar for jar in read_lock(lock) if jar.classifier == classifier), None)


def _unpack(archive_file: Path, prefix: Path, minor: int) -> None:
    """The program, its library and the standard library. A library that it brings for itself goes beside the module
    that wants it: the one place near there where that is looked for.
    """
    program, library = f"bin/python3.{minor}", f"lib/python3.{minor}/"
    places = {
        program: program,
        f"libpython3.{minor}.so.1.0": f"lib/libpython3.{minor}.so.1.0",
        "libffi.so.8": f"{library}lib-dynload/libffi.so.8",
    }
    with zipfile.ZipFile(archive_file) as archive:
        for entry in archive.infolist():
            name = entry.filename.partition("/cpython/")[2].partition("/")[2]
            kept = name.startswith(library) and not name.removeprefix(library).startswith(_LEFT_OUT)
            place = places.get(name, name if kept else "")
            if not place or entry.is_dir():
                continue
            target = prefix / place
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file)
    (prefix / program).chmod(0o755)
    archive_file.unlink()
