"""Why a runtime cannot be had. Each error says in one line what is missing, and in `remedy` what to do about it."""

from __future__ import annotations

from collections.abc import Iterable


class RuntimeUnavailable(Exception):
    """A runtime that cannot run here, for now. `str()` is the reason followed by the remedy."""

    def __init__(self, runtime: str, reason: str, remedy: str) -> None:
        super().__init__(f"{reason} {remedy}".strip())
        self.runtime = runtime
        self.reason = reason
        self.remedy = remedy


class InterpreterMissing(RuntimeUnavailable):
    """No interpreter of the version, and none that may stand in."""


class CompilerMissing(RuntimeUnavailable):
    """The client is compiled once, and a tool for it is not there. `packages` are Debian's."""

    def __init__(self, runtime: str, tools: tuple[str, ...], packages: tuple[str, ...]) -> None:
        super().__init__(
            runtime,
            f"{runtime} needs {', '.join(tools)} to compile its runtime interface client once.",
            f"Run: apt-get install {' '.join(packages)}",
        )
        self.packages = packages


class InstallFailed(RuntimeUnavailable):
    """A download or a build ended with an error; `output` holds its last lines."""

    def __init__(self, runtime: str, reason: str, remedy: str, output: tuple[str, ...] = ()) -> None:
        super().__init__(runtime, reason, remedy)
        self.output = output


class UnknownRuntime(RuntimeUnavailable):
    """No runtime of AWS's has this name, or only one that is newer than the catalogue, which holds those `known`."""

    def __init__(self, runtime: str, known: Iterable[str]) -> None:
        super().__init__(
            runtime,
            f"Paddock knows no Lambda runtime {runtime!r}.",
            f"It knows {', '.join(known)}; `paddock runtimes` shows which of them run here.",
        )


class NotRunnable(RuntimeUnavailable):
    """AWS has this runtime and Paddock has no client for it."""

    def __init__(self, runtime: str) -> None:
        super().__init__(
            runtime,
            f"{runtime} cannot run here: Paddock has no runtime interface client for it.",
            "Use a container image that carries one, or a runtime of the list.",
        )


class Retired(RuntimeUnavailable):
    """AWS's words for a runtime that was, and that no function can be made with any more."""

    def __init__(self, runtime: str, successor: str) -> None:
        super().__init__(
            runtime,
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions.",
            f"We recommend you use the new runtime ({successor}) while creating or updating functions.",
        )


class InvalidEntrypoint(Exception):
    """There is no bootstrap to start; the Runtime API's word for it is `Runtime.InvalidEntrypoint`."""

    error_type = "Runtime.InvalidEntrypoint"
