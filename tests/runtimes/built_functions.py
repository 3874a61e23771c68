"""Functions in compiled languages, built once by the compiler that is here and kept beside the code."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from paddock.runtimes.directories import install_directory
from paddock.runtimes.languages.java_interpreters import DISTRIBUTION
from paddock.runtimes.locks import digest
from paddock.runtimes.progress import silent

FUNCTIONS = Path(__file__).parent / "functions"
CACHE = Path(__file__).parents[2] / ".cache" / "test-functions"
JAVA_RELEASE = "11"
"""What the functions are compiled for: every Java that is tried runs it, and compilers that are not new make it."""

FETCH_SECONDS, BUILD_SECONDS = 300, 600


class ToolchainMissing(Exception):
    """Says what is not here: a compiler, or what it would fetch."""


@dataclass(frozen=True)
class Toolchain:
    """`fetch` may fail for want of a network or of a newer compiler; `build` may not. {target} is where to build."""

    program: str
    fetch: tuple[str, ...]
    build: tuple[str, ...]
    built: str
    environment: Mapping[str, str]


GO = Toolchain(
    "go",
    ("go", "mod", "download"),
    ("go", "build", "-trimpath", "-buildvcs=false", "-o", "{target}/bootstrap", "."),
    "bootstrap",
    {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"},
)
TOOLCHAINS = {
    "go": GO,
    "extension": GO,
    "rust": Toolchain(
        "cargo",
        ("cargo", "fetch", "--quiet", "--locked"),
        ("cargo", "build", "--quiet", "--locked", "--offline", "--target-dir", "{target}"),
        "debug/bootstrap",
        {},
    ),
}


def bootstrap(language: str) -> bytes:
    """The first program of the function in this language, or the extension. Raises `ToolchainMissing`."""
    source = FUNCTIONS / language
    toolchain = TOOLCHAINS.get(language)
    if toolchain is None:
        return (source / "bootstrap").read_bytes()
    if shutil.which(toolchain.program) is None:
        raise ToolchainMissing(f"there is no {toolchain.program} to compile the function with")
    files = sorted(path for path in source.rglob("*") if path.is_file())
    built = install_directory(CACHE / f"{language}-{digest(*files)}", _builder(toolchain, source), silent)
    return (built / "bootstrap").read_bytes()


def java_compiler() -> str:
    """Raises `ToolchainMissing`."""
    compiler = shutil.which("javac") or next((str(path) for path in DISTRIBUTION.glob("*/bin/javac")), None)
    if compiler is None:
        raise ToolchainMissing("there is no javac to compile the functions with")
    return compiler


def java_classes(runtime_dir: Path) -> dict[str, bytes]:
    """{file name: content} of the Java functions, and of their layer at layer.jar. Raises `ToolchainMissing`.

    `runtime_dir` has the classes that they are compiled against.
    """
    compiler = java_compiler()
    source = FUNCTIONS / "java"
    compile_java = (compiler, "--release", JAVA_RELEASE, "-encoding", "UTF-8")

    def build(directory: Path) -> None:
        layer = directory / "layer"
        class_path = f"{runtime_dir}/lib/*{os.pathsep}{layer}"
        for target, files in ((layer, source.glob("layer/*.java")), (directory, source.glob("*.java"))):
            subprocess.run([*compile_java, "-classpath", class_path, "-d", target, *files], check=True)
        with zipfile.ZipFile(directory / "layer.jar", "w") as jar:
            for file in layer.iterdir():
                jar.write(file, file.name)
        shutil.rmtree(layer)

    built = install_directory(CACHE / f"java-{digest(*sorted(source.rglob('*.java')))}", build, silent)
    return {file.name: file.read_bytes() for file in built.iterdir()}


def _builder(toolchain: Toolchain, source: Path) -> Callable[[Path], None]:
    environment = {**os.environ, **toolchain.environment}

    def build(directory: Path) -> None:
        target = directory / "target"
        fetched = subprocess.run(
            toolchain.fetch,
            cwd=source,
            env=environment,
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
        if fetched.returncode != 0:
            reason = fetched.stderr.strip().partition("\n")[0]
            raise ToolchainMissing(f"{' '.join(toolchain.fetch)}: {reason}")
        command = [argument.format(target=target) for argument in toolchain.build]
        subprocess.run(command, cwd=source, env=environment, timeout=BUILD_SECONDS, check=True)
        (target / toolchain.built).rename(directory / "bootstrap")
        shutil.rmtree(target)

    return build
