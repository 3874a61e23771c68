"""Lambda's runtimes: which language each is, whether Managed Instances take it, and how many invocations it runs at
once.

Knows nothing of what is installed on this machine; `paddock.runtimes` does. The order and names are those of the API's
`Runtime`. Sources: AWS Lambda developer guide, "Lambda Managed Instances" pages per language and "Scaling".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from paddock.model.errors import ApiError, invalid_parameter

MAX_CONCURRENCY_PER_VCPU = 64
MAX_CONCURRENCY_PER_ENVIRONMENT = 1600


class Language(StrEnum):
    PYTHON = "python"
    NODEJS = "nodejs"
    JAVA = "java"
    DOTNET = "dotnet"
    RUBY = "ruby"
    PROVIDED = "provided"


@dataclass(frozen=True, slots=True)
class LambdaRuntime:
    """One value of `Runtime`. `concurrency_per_vcpu` is None where Managed Instances do not take it.

    `version` is what an interpreter must match (`3.13`, `22`); empty for an OS-only runtime.
    """

    identifier: str
    language: Language
    version: str
    concurrency_per_vcpu: int | None

    @property
    def supports_managed_instances(self) -> bool:
        return self.concurrency_per_vcpu is not None

    @property
    def execution_env(self) -> str:
        """What the bootstrap says in `AWS_EXECUTION_ENV`."""
        return f"AWS_Lambda_{self.identifier}"


def _python(version: str, concurrency_per_vcpu: int | None = None) -> LambdaRuntime:
    return LambdaRuntime(f"python{version}", Language.PYTHON, version, concurrency_per_vcpu)


def _nodejs(version: str, concurrency_per_vcpu: int | None = None) -> LambdaRuntime:
    return LambdaRuntime(f"nodejs{version}.x", Language.NODEJS, version, concurrency_per_vcpu)


def _java(version: str, concurrency_per_vcpu: int | None = None, operating_system: str = "") -> LambdaRuntime:
    identifier = f"java{version}{operating_system}"
    return LambdaRuntime(identifier, Language.JAVA, version, concurrency_per_vcpu)


def _dotnet(version: str) -> LambdaRuntime:
    return LambdaRuntime(f"dotnet{version}", Language.DOTNET, version, 32)


def _ruby(version: str) -> LambdaRuntime:
    return LambdaRuntime(f"ruby{version}", Language.RUBY, version, None)


CATALOGUE: tuple[LambdaRuntime, ...] = (
    _python("3.8"),
    _python("3.9"),
    _python("3.10"),
    _python("3.11"),
    _python("3.12"),
    _python("3.13", 16),
    _python("3.14", 16),
    _python("3.15", 16),
    _nodejs("18"),
    _nodejs("20"),
    _nodejs("22", 64),
    _nodejs("24", 64),
    _nodejs("26", 64),
    _java("8", operating_system=".al2"),
    _java("8", operating_system=".al2023"),
    _java("11"),
    _java("11", operating_system=".al2023"),
    _java("17"),
    _java("17", operating_system=".al2023"),
    _java("21", 32),
    _java("25", 32),
    _dotnet("8"),
    _dotnet("10"),
    _ruby("3.2"),
    _ruby("3.3"),
    _ruby("3.4"),
    _ruby("4.0"),
    LambdaRuntime("provided.al2", Language.PROVIDED, "", None),
    LambdaRuntime("provided.al2023", Language.PROVIDED, "", 8),
)
RETIRED = {
    "nodejs": "nodejs24.x",
    "java8": "java25",
    "python2": "python3.14",
    "python3": "python3.14",
    "dotnet": "dotnet10",
    "go1": "provided.al2023",
    "ruby2": "ruby3.4",
    "provided": "provided.al2023",
}
"""How the runtimes begin that AWS's model still names and nobody can create any more, and what AWS recommends
instead.
"""
_BY_IDENTIFIER = {runtime.identifier: runtime for runtime in CATALOGUE}


def find_runtime(identifier: str) -> LambdaRuntime | None:
    """None for what this catalogue does not hold: older than what AWS still runs, or newer than this table."""
    return _BY_IDENTIFIER.get(identifier)


def successor_of_retired(identifier: str) -> str | None:
    """What stands in the place of a runtime that AWS no longer takes; None for one that it does take."""
    if identifier in _BY_IDENTIFIER:
        return None
    return next((successor for prefix, successor in RETIRED.items() if identifier.startswith(prefix)), None)


def supports_managed_instances(identifier: str) -> bool:
    runtime = find_runtime(identifier)
    return runtime is not None and runtime.supports_managed_instances


def managed_instances_refusal(identifier: str) -> ApiError | None:
    """AWS's refusal of a runtime that Managed Instances do not take; None when they do."""
    if supports_managed_instances(identifier):
        return None
    return invalid_parameter(f"Runtime Enum {identifier} does not support specified feature: Lambda Managed Instances")


def default_concurrency(identifier: str, vcpu: float) -> int:
    """PerExecutionEnvironmentMaxConcurrency when the caller names none: the language's default times vCPU.

    A container image (no runtime identifier) and any custom runtime get the default of `provided.al2023`.
    """
    runtime = find_runtime(identifier) or _BY_IDENTIFIER["provided.al2023"]
    per_vcpu = runtime.concurrency_per_vcpu or 1
    return max(1, min(int(per_vcpu * vcpu), maximum_concurrency(vcpu)))


def maximum_concurrency(vcpu: float) -> int:
    """The most that PerExecutionEnvironmentMaxConcurrency may be for an environment of this size."""
    return min(int(MAX_CONCURRENCY_PER_VCPU * vcpu), MAX_CONCURRENCY_PER_ENVIRONMENT)
