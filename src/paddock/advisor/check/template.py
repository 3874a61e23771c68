"""A CloudFormation or SAM template as values with places; intrinsics are known to be one, and what they point to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from paddock.advisor.documents import InputError, Source, line_of

CAPACITY_PROVIDERS = ("AWS::Lambda::CapacityProvider", "AWS::Serverless::CapacityProvider")
FUNCTIONS = ("AWS::Lambda::Function", "AWS::Serverless::Function")
_SUB_TARGET = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[A-Za-z.]+)?\}")


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """`!GetAtt X.Arn` and the like. `target` is the resource or parameter it names, when it names one."""

    kind: str
    target: str | None


@dataclass(frozen=True, slots=True)
class Resource:
    """`properties` with SAM's Globals merged in."""

    name: str
    kind: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    source: Source
    resources: tuple[Resource, ...]

    def of_kinds(self, kinds: tuple[str, ...]) -> Iterator[Resource]:
        return (resource for resource in self.resources if resource.kind in kinds)

    def named(self, name: str | None) -> Resource | None:
        return next((resource for resource in self.resources if resource.name == name), None)

    def line(self, resource: str, *path: str | int) -> int | None:
        return line_of(self.source.text, (0, "Resources", resource, "Properties", *path))


def read_template(source: Source) -> Template:
    """Raises InputError with file and line when it is no template."""
    try:
        document = _yaml(source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = None if mark is None else mark.line + 1
        raise InputError(f"no valid YAML: {error.problem}", file=source.name, line=line) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError("no valid YAML", file=source.name) from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise InputError("is no CloudFormation or SAM template: `Resources` is missing", file=source.name, line=1)
    given = document.get("Globals")
    shared = given if isinstance(given, dict) else {}
    resources = []
    for name, body in document["Resources"].items():
        if isinstance(body, dict) and isinstance(body.get("Type"), str):
            properties = body.get("Properties")
            merged = _with_globals(body["Type"], properties if isinstance(properties, dict) else {}, shared)
            resources.append(Resource(str(name), body["Type"], merged))
    return Template(source, tuple(resources))


def _yaml(source: Source) -> Any:
    text = source.text
    if text.lstrip()[:1] == "{":
        try:
            return _plain(json.loads(text))
        except ValueError:
            text = text.replace("\t", " ")
    part = yaml.compose(text, Loader=yaml.SafeLoader)
    return None if part is None else _value(part)


def _plain(value: Any) -> Any:
    """Intrinsics written as `{"Fn::GetAtt": ...}`."""
    if isinstance(value, dict):
        if len(value) == 1:
            key, inner = next(iter(value.items()))
            if key == "Ref" or str(key).startswith("Fn::"):
                return Intrinsic(str(key).removeprefix("Fn::"), _target(str(key).removeprefix("Fn::"), inner))
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _value(part: yaml.Node) -> Any:
    if part.tag.startswith("!"):
        kind = part.tag.removeprefix("!")
        return Intrinsic(kind, _target(kind, _untagged(part)))
    if isinstance(part, yaml.SequenceNode):
        return [_value(member) for member in part.value]
    if isinstance(part, yaml.MappingNode):
        return _plain_top({str(key.value): _value(value) for key, value in part.value})
    return yaml.SafeLoader("").construct_object(part) if isinstance(part, yaml.ScalarNode) else None


def _plain_top(value: dict[str, Any]) -> Any:
    if len(value) == 1:
        key, inner = next(iter(value.items()))
        if key == "Ref" or key.startswith("Fn::"):
            return Intrinsic(key.removeprefix("Fn::"), _target(key.removeprefix("Fn::"), inner))
    return value


def _untagged(part: yaml.Node) -> Any:
    if isinstance(part, yaml.ScalarNode):
        return part.value
    if isinstance(part, yaml.SequenceNode):
        return [_untagged(member) for member in part.value]
    return None


def _target(kind: str, argument: Any) -> str | None:
    if kind == "Ref" and isinstance(argument, str):
        return argument
    if kind == "GetAtt":
        first = argument[0] if isinstance(argument, list) and argument else argument
        return first.partition(".")[0] if isinstance(first, str) else None
    if kind == "Sub":
        text = argument[0] if isinstance(argument, list) and argument else argument
        found = _SUB_TARGET.search(text) if isinstance(text, str) else None
        return found[1] if found else None
    return None


def _with_globals(kind: str, properties: Mapping[str, Any], shared: Mapping[str, Any]) -> Mapping[str, Any]:
    section = {"AWS::Serverless::Function": "Function", "AWS::Serverless::CapacityProvider": "CapacityProvider"}.get(
        kind
    )
    given = shared.get(section) if section else None
    return {**given, **properties} if isinstance(given, dict) else properties
