"""Puts a Python runtime together: awslambdaric and the AWS SDK, compiled for the interpreter, with AWS's directory
layout.

Three layers, each made once: the SDK (the same for every version), the packages of one version, the runtime itself.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from paddock.runtimes import bootstraps
from paddock.runtimes.directories import install_directory, link_tree
from paddock.runtimes.jobs import Job
from paddock.runtimes.locks import PYTHON_CLIENT, PYTHON_SDK, digest
from paddock.runtimes.packages import PythonTarget, pip_install
from paddock.runtimes.progress import ProgressCallback
from paddock.runtimes.records import installed_directory, write_record
from paddock.runtimes.resolution import Resolution

BOOTSTRAPS = Path(bootstraps.__file__).parent
SCRIPTS = (BOOTSTRAPS / "python.sh", BOOTSTRAPS / "exec_wrapper.sh", BOOTSTRAPS / "python_bootstrap.py")


def python_digest() -> str:
    return digest(PYTHON_CLIENT, PYTHON_SDK, *SCRIPTS)


def install_python(root: Path, resolution: Resolution, progress: ProgressCallback) -> Path:
    """Returns the directory that holds `lang` and `runtime`."""
    subject = resolution.runtime.identifier
    minor = ".".join(resolution.version.split(".")[:2])

    def build_sdk(directory: Path) -> None:
        pip_install(PYTHON_SDK, directory, PythonTarget(minor), Job(subject, "Installing boto3", progress, 0.1))
        shutil.rmtree(directory / "bin", ignore_errors=True)

    def build_packages(directory: Path) -> None:
        sdk = install_directory(root / "python-sdk" / digest(PYTHON_SDK), build_sdk, progress)
        job = Job(subject, f"Installing awslambdaric {resolution.ric_version}", progress, 0.5)
        pip_install(PYTHON_CLIENT, directory, PythonTarget(minor), job)
        link_tree(sdk, directory)
        compiling = Job(subject, f"Compiling for Python {minor}", progress, 0.7)
        _run_interpreter(resolution, ["-m", "compileall", "-q", str(directory)], compiling)

    def build_runtime(directory: Path) -> None:
        name = f"{minor}-{digest(PYTHON_CLIENT, PYTHON_SDK)}"
        packages = install_directory(root / "python-packages" / name, build_packages, progress)
        make_lang(directory / "lang", resolution)
        link_tree(packages, directory / "runtime")
        write_bootstrap(
            directory / "runtime" / "bootstrap", SCRIPTS[0], {"EXECUTION_ENV": resolution.runtime.execution_env}
        )
        shutil.copyfile(SCRIPTS[2], directory / "runtime" / "bootstrap.py")
        _check(directory, resolution, Job(subject, "Checking the runtime", progress, 0.95))
        write_record(directory, resolution, python_digest())

    return install_directory(installed_directory(root, resolution, python_digest()), build_runtime, progress)


def make_lang(directory: Path, resolution: Resolution) -> None:
    """A virtual environment without packages: the interpreter under AWS's path, and nothing of this machine's
    site-packages.
    """
    assert resolution.interpreter_path is not None
    minor = ".".join(resolution.version.split(".")[:2])
    (directory / "bin").mkdir(parents=True)
    (directory / "lib" / f"python{minor}" / "site-packages").mkdir(parents=True)
    for name in (f"python{minor}", "python3", "python"):
        (directory / "bin" / name).symlink_to(resolution.interpreter_path)
    (directory / "pyvenv.cfg").write_text(
        f"home = {resolution.interpreter_path.parent}\n"
        "include-system-site-packages = false\n"
        f"version = {resolution.version}\n"
    )


def write_bootstrap(target: Path, script: Path, values: dict[str, str]) -> None:
    """`script` with its @NAMES@ filled in, then the part that all languages share."""
    text = script.read_text() + (BOOTSTRAPS / "exec_wrapper.sh").read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    target.write_text(text)
    target.chmod(0o755)


def _check(directory: Path, resolution: Resolution, job: Job) -> None:
    """The client's native part must load in this interpreter before anybody relies on it."""
    runtime = str(directory / "runtime")
    program = f"import sys; sys.path.insert(0, {runtime!r}); import runtime_client, awslambdaric, boto3"
    _run_interpreter(resolution, ["-I", "-B", "-c", program], job)


def _run_interpreter(resolution: Resolution, arguments: list[str], job: Job) -> None:
    argv = [str(resolution.interpreter_path), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    remedy = f"Install another Python {resolution.version}: {argv[0]} cannot do it."
    job.run(argv, Path("/"), environment, remedy)
