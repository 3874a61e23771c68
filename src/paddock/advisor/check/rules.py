"""The rules. Each looks at one thing and says what is wrong, where, and what AWS would answer or do.

Values that are intrinsics are not known before deployment and pass. Sources: the developer guide's pages on scaling,
capacity providers, execution environments and quotas; AWS's refusals as observed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from paddock.advisor.check.template import CAPACITY_PROVIDERS, FUNCTIONS, Intrinsic, Resource, Template
from paddock.model.instance_types import instance_type_matches

MIN_MEMORY_MB, MAX_MEMORY_MB = 2048, 32_768
MIN_ENVIRONMENTS_FOR_ZONES = 3
MAX_CONCURRENCY_PER_VCPU = 64
DEFAULT_RATIO = 2.0
SMALLEST_FLEET_VCPU = 12
"""Three zones × the four vCPU of an xlarge."""

_OLDEST_RUNTIMES = {"python": (3, 13), "nodejs": (22, 0), "java": (21, 0), "dotnet": (8, 0)}
_RUNTIME = re.compile(r"(?P<family>[a-z]+)(?P<major>\d+)(?:\.(?P<minor>\d+|x))?")


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    rule: str
    resource: str
    line: int | None
    text: str


Rule = Callable[[Template], Iterator[Finding]]


def check(template: Template) -> tuple[Finding, ...]:
    """Everything found, in the order of the template; empty when nothing is wrong."""
    found = [finding for rule in RULES for finding in rule(template)]
    return tuple(sorted(found, key=lambda finding: (finding.line or 0, finding.rule)))


def on_managed_instances(template: Template) -> Iterator[tuple[Resource, dict[str, Any]]]:
    """Functions with a capacity provider, and that part of their configuration, whatever notation it is in."""
    for function in template.of_kinds(FUNCTIONS):
        given = function.properties.get("CapacityProviderConfig")
        if isinstance(given, dict):
            inner = given.get("LambdaManagedInstancesCapacityProviderConfig", given)
            yield function, inner if isinstance(inner, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _finding(template: Template, level: Level, rule: str, resource: Resource, path: str, text: str) -> Finding:
    return Finding(level, rule, resource.name, template.line(resource.name, path), text)


def memory(template: Template) -> Iterator[Finding]:
    for function, config in on_managed_instances(template):
        value = function.properties.get("MemorySize", 128)
        size = _number(value)
        ratio = _number(config.get("ExecutionEnvironmentMemoryGiBPerVCpu", DEFAULT_RATIO))
        if size is None:
            continue
        if not MIN_MEMORY_MB <= size <= MAX_MEMORY_MB:
            text = f"MemorySize {size:g}: managed instances take {MIN_MEMORY_MB} to {MAX_MEMORY_MB} MB"
            yield _finding(template, Level.ERROR, "memory-range", function, "MemorySize", text)
        elif ratio and size % (ratio * 1024):
            text = f"MemorySize {size:g} is no multiple of {ratio:g} GiB, the memory of one vCPU"
            yield _finding(template, Level.ERROR, "memory-ratio", function, "MemorySize", text)


def concurrency(template: Template) -> Iterator[Finding]:
    for function, config in on_managed_instances(template):
        slots = _number(config.get("PerExecutionEnvironmentMaxConcurrency"))
        size = _number(function.properties.get("MemorySize"))
        ratio = _number(config.get("ExecutionEnvironmentMemoryGiBPerVCpu", DEFAULT_RATIO))
        if slots is None or not size or not ratio:
            continue
        most = MAX_CONCURRENCY_PER_VCPU * size / 1024 / ratio
        if slots > most:
            text = (
                f"PerExecutionEnvironmentMaxConcurrency {slots:g}: {size / 1024 / ratio:g} vCPU hold {most:g} at most"
            )
            yield _finding(template, Level.ERROR, "concurrency", function, "CapacityProviderConfig", text)


def scaling_bounds(template: Template) -> Iterator[Finding]:
    for function in template.of_kinds((*FUNCTIONS, "AWS::Lambda::Version")):
        given = function.properties.get("FunctionScalingConfig")
        if not isinstance(given, dict):
            continue
        least = _number(given.get("MinExecutionEnvironments"))
        most = _number(given.get("MaxExecutionEnvironments"))
        where = "FunctionScalingConfig"
        if least is not None and most is not None and least > most:
            yield _finding(
                template, Level.ERROR, "min-max", function, where, f"Min {least:g} is larger than Max {most:g}"
            )
        elif least == 0 and most != 0:
            text = "Min 0 is only taken with Max 0, which deactivates the function"
            yield _finding(template, Level.ERROR, "min-zero", function, where, text)
        elif least is not None and 0 < least < MIN_ENVIRONMENTS_FOR_ZONES:
            text = f"Min {least:g}: fewer than three give up cover for the loss of a zone"
            yield _finding(template, Level.WARNING, "min-zones", function, where, text)
        if function.kind in FUNCTIONS and "CapacityProviderConfig" not in function.properties:
            text = "FunctionScalingConfig without a capacity provider is refused with AccessDeniedException"
            yield _finding(template, Level.ERROR, "scaling-without-provider", function, where, text)


def instance_types(template: Template) -> Iterator[Finding]:
    for provider in template.of_kinds(CAPACITY_PROVIDERS):
        given = provider.properties.get("InstanceRequirements")
        if not isinstance(given, dict):
            continue
        allowed = given.get("AllowedInstanceTypes", given.get("AllowedTypes"))
        excluded = given.get("ExcludedInstanceTypes", given.get("ExcludedTypes"))
        if allowed and excluded:
            text = "allowed and excluded instance types are both given: a capacity provider takes one of the lists"
            yield _finding(template, Level.ERROR, "allow-xor-exclude", provider, "InstanceRequirements", text)
        yield from _unfit_types(template, provider, given, allowed)


def _unfit_types(template: Template, provider: Resource, given: dict[str, Any], allowed: object) -> Iterator[Finding]:
    architectures = given.get("Architectures")
    names = [name for name in allowed if isinstance(name, str)] if isinstance(allowed, list) else []
    for name in names:
        if ".metal" in name or instance_type_matches(name, "t*"):
            text = f"{name}: bare metal and burstable types are not offered for managed instances"
            yield _finding(template, Level.ERROR, "type-not-offered", provider, "InstanceRequirements", text)
        family = name.partition(".")[0]
        is_arm64 = re.fullmatch(r"[a-z]+\d+g[a-z-]*", family) is not None
        wanted = architectures[0] if isinstance(architectures, list) and architectures else "x86_64"
        if "*" not in family and isinstance(wanted, str) and is_arm64 != (wanted == "arm64"):
            text = f"{name} is {'arm64' if is_arm64 else 'x86_64'}, the capacity provider is {wanted}"
            yield _finding(template, Level.ERROR, "type-architecture", provider, "InstanceRequirements", text)


def subnets(template: Template) -> Iterator[Finding]:
    for provider in template.of_kinds(CAPACITY_PROVIDERS):
        given = provider.properties.get("VpcConfig")
        listed = given.get("SubnetIds") if isinstance(given, dict) else None
        if isinstance(listed, list) and len(listed) < 3:
            text = f"{len(listed)} subnets: three zones need one in each"
            yield _finding(template, Level.WARNING, "three-zones", provider, "VpcConfig", text)


def guardrail(template: Template) -> Iterator[Finding]:
    for provider in template.of_kinds(CAPACITY_PROVIDERS):
        for name in ("CapacityProviderScalingConfig", "ScalingConfig"):
            given = provider.properties.get(name)
            most = _number(given.get("MaxVCpuCount")) if isinstance(given, dict) else None
            if most is not None and most < SMALLEST_FLEET_VCPU:
                text = f"MaxVCpuCount {most:g}: three xlarge instances, one a zone, are {SMALLEST_FLEET_VCPU} vCPU"
                yield _finding(template, Level.WARNING, "guardrail", provider, name, text)
            if isinstance(given, dict) and given.get("ScalingMode") == "Manual" and not given.get("ScalingPolicies"):
                text = "ScalingMode Manual without a scaling policy"
                yield _finding(template, Level.ERROR, "manual-policies", provider, name, text)


def architectures_agree(template: Template) -> Iterator[Finding]:
    for function, config in on_managed_instances(template):
        arn = config.get("CapacityProviderArn", config.get("Arn"))
        provider = template.named(arn.target) if isinstance(arn, Intrinsic) else None
        if provider is None:
            continue
        given = provider.properties.get("InstanceRequirements")
        there = given.get("Architectures", ["x86_64"]) if isinstance(given, dict) else ["x86_64"]
        here = function.properties.get("Architectures", ["x86_64"])
        if isinstance(here, list) and isinstance(there, list) and not set(map(str, here)) <= set(map(str, there)):
            text = f"the function is {here[0]}, its capacity provider {provider.name} is {there[0]}"
            yield _finding(template, Level.ERROR, "architecture", function, "Architectures", text)


def unsupported(template: Template) -> Iterator[Finding]:
    """Properties that managed instances refuse or ignore."""
    for function, _ in on_managed_instances(template):
        properties = function.properties
        for name, text in (
            ("SnapStart", "there is no SnapStart on managed instances"),
            ("VpcConfig", "the network is the capacity provider's; the function's own VpcConfig is not used"),
            ("ProvisionedConcurrencyConfig", "provisioned concurrency is replaced by MinExecutionEnvironments"),
        ):
            if name in properties:
                yield _finding(template, Level.ERROR, f"no-{name.lower()}", function, name, text)
        logging = properties.get("LoggingConfig")
        if isinstance(logging, dict) and logging.get("LogFormat") == "Text":
            text = "LogFormat Text is refused: requests interleave, so each line needs its id"
            yield _finding(template, Level.ERROR, "log-format", function, "LoggingConfig", text)
        yield from _runtime(template, function)


def _runtime(template: Template, function: Resource) -> Iterator[Finding]:
    runtime = function.properties.get("Runtime")
    match = _RUNTIME.fullmatch(runtime) if isinstance(runtime, str) else None
    if runtime == "provided.al2" or (match and match["family"] in ("ruby", "go")):
        yield _finding(template, Level.ERROR, "runtime", function, "Runtime", f"{runtime} does not run on them")
    elif match and match["family"] in _OLDEST_RUNTIMES:
        minor = 0 if match["minor"] in (None, "x") else int(match["minor"])
        oldest = _OLDEST_RUNTIMES[match["family"]]
        if (int(match["major"]), minor) < oldest:
            text = f"{runtime}: managed instances run {match['family']} from version {'.'.join(map(str, oldest))} on"
            yield _finding(template, Level.ERROR, "runtime", function, "Runtime", text)


def inbound_rules(template: Template) -> Iterator[Finding]:
    for provider in template.of_kinds(CAPACITY_PROVIDERS):
        given = provider.properties.get("VpcConfig")
        groups = given.get("SecurityGroupIds", []) if isinstance(given, dict) else []
        for group in groups if isinstance(groups, list) else []:
            resource = template.named(group.target) if isinstance(group, Intrinsic) else None
            if resource is not None and resource.properties.get("SecurityGroupIngress"):
                text = f"inbound rules of {resource.name}: invokes never enter through the VPC, none are needed"
                yield _finding(template, Level.WARNING, "inbound", resource, "SecurityGroupIngress", text)


RULES: tuple[Rule, ...] = (
    memory,
    concurrency,
    scaling_bounds,
    instance_types,
    subnets,
    guardrail,
    architectures_agree,
    unsupported,
    inbound_rules,
)
