"""Functions for an OS-only runtime, built once by the compiler that is here and kept beside the code."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from paddock.runtimes.directories import install_directory
from paddock.runtimes.locks import digest
from paddock.runtimes.progress import silent

FUNCTIONS = Path(__file__).parent / "functions"
CACHE = Path(__file__).parents[2] / ".cache" / "test-functions"
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


TOOLCHAINS = {
    "go": Toolchain(
        "go",
        ("go", "mod", "download"),
        ("go", "build", "-trimpath", "-buildvcs=false", "-o", "{target}/bootstrap", "."),
        "bootstrap",
        {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"},
    ),
    "rust": Toolchain(
        "cargo",
        ("cargo", "fetch", "--quiet", "--locked"),
        ("cargo", "build", "--quiet", "--locked", "--offline", "--target-dir", "{target}"),
        "debug/bootstrap",
        {},
    ),
}


def bootstrap(language: str) -> bytes:
    """The first program of the function in this language. Raises `ToolchainMissing`."""
    source = FUNCTIONS / language
    toolchain = TOOLCHAINS.get(language)
    if toolchain is None:
        return (source / "bootstrap").read_bytes()
    if shutil.which(toolchain.program) is None:
        raise ToolchainMissing(f"there is no {toolchain.program} to compile the function with")
    files = sorted(path for path in source.rglob("*") if path.is_file())
    built = install_directory(CACHE / f"{language}-{digest(*files)}", _builder(toolchain, source), silent)
    return (built / "bootstrap").read_bytes()


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
            raise ToolchainMissing(f"{' '.join(toolchain.fetch)}: {fetched.stderr.strip()}")
        command = [argument.format(target=target) for argument in toolchain.build]
        subprocess.run(command, cwd=source, env=environment, timeout=BUILD_SECONDS, check=True)
        (target / toolchain.built).rename(directory / "bootstrap")
        shutil.rmtree(target)

    return build
