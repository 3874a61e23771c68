"""Which interpreter and which client a runtime gets on this machine, and in words, where that is not what was asked."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path

from paddock.model.arns import partition_of
from paddock.model.runtimes import LambdaRuntime, Language
from paddock.runtimes.errors import RuntimeUnavailable
from paddock.runtimes.interpreters import Interpreter

MACHINES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
"""What the kernel calls a machine, and what Lambda calls its architecture."""

LANGUAGE_NAMES = {
    Language.PYTHON: "Python",
    Language.NODEJS: "Node.js",
    Language.JAVA: "Java",
    Language.DOTNET: ".NET",
    Language.RUBY: "Ruby",
    Language.PROVIDED: "OS",
}


@dataclass(frozen=True, slots=True)
class Resolution:
    """`version` is the interpreter's own ("3.13.0"), `prefix` the directory that holds all of it; none for an OS-only
    runtime.

    `exact` is false where another version stands in, and `note` then says so in one sentence.
    """

    runtime: LambdaRuntime
    interpreter_path: Path | None
    prefix: Path | None
    version: str
    exact: bool
    note: str
    ric_name: str
    ric_version: str

    @property
    def is_here(self) -> bool:
        """Or is still to be fetched. Asks the disk."""
        return self.interpreter_path is None or self.interpreter_path.exists()

    @property
    def release(self) -> str:
        """For logs and tables: `python3.14 (Python 3.13.0, awslambdaric 4.2.2)`."""
        if self.interpreter_path is None:
            return self.runtime.identifier
        parts = [
            f"{LANGUAGE_NAMES[self.runtime.language]} {self.version}",
            f"{self.ric_name} {self.ric_version}".strip(),
        ]
        return f"{self.runtime.identifier} ({', '.join(filter(None, parts))})"

    def runtime_version_arn(self, region: str) -> str:
        """For RuntimeVersionConfig. AWS's is opaque too: it ends in 64 hexadecimal digits."""
        digest = hashlib.sha256(self.release.encode()).hexdigest()
        return f"arn:{partition_of(region)}:lambda:{region}::runtime:{digest}"


@dataclass(frozen=True, slots=True)
class Client:
    """A runtime interface client: AWS's name of the package, and the pinned version."""

    name: str
    version: str


def exact_resolution(runtime: LambdaRuntime, found: Interpreter, client: Client) -> Resolution:
    return _resolution(runtime, found, client, "")


def stand_in_resolution(runtime: LambdaRuntime, found: Interpreter, client: Client, why: str) -> Resolution:
    """`why` says, without a full stop, what is not as it was asked for."""
    language = LANGUAGE_NAMES[runtime.language]
    note = f"{why}: {language} {found.version} ({found.path}) stands in."
    return _resolution(runtime, found, client, note)


def _resolution(runtime: LambdaRuntime, found: Interpreter, client: Client, note: str) -> Resolution:
    return Resolution(
        runtime,
        found.path,
        found.prefix,
        found.version,
        exact=not note,
        note=note,
        ric_name=client.name,
        ric_version=client.version,
    )


def machine_architecture() -> str:
    return MACHINES.get(platform.machine(), platform.machine())


def check_architecture(runtime: LambdaRuntime, architecture: str) -> None:
    here = machine_architecture()
    if architecture != here:
        raise RuntimeUnavailable(
            runtime.identifier,
            f"The function is for {architecture}, and this machine is {here}.",
            f"Use architecture {here}, or instances of {architecture}.",
        )
