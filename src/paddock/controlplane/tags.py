"""Tags of functions, capacity providers and code signing configurations."""

from __future__ import annotations

from collections.abc import Mapping

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.code_signatures import require_config
from paddock.model.arns import parse_function
from paddock.model.errors import invalid_parameter, not_found
from paddock.ports.store import TagSet, Transaction

MAX_TAGS = 50
"""AWS's limit for user tags of one resource."""
_MAX_KEY_CHARACTERS = 128
_MAX_VALUE_CHARACTERS = 256


async def tag_resource(api: Api, call: Call) -> Answer:
    arn = call.params["Resource"]
    check_tags(call.params["Tags"])

    def tag(tx: Transaction) -> None:
        _require(api, tx, arn)
        put_tags(tx, arn, {**tags_of(tx, arn), **call.params["Tags"]})

    await api.store.write(tag)
    return {}


async def untag_resource(api: Api, call: Call) -> Answer:
    arn = call.params["Resource"]

    def untag(tx: Transaction) -> None:
        _require(api, tx, arn)
        put_tags(tx, arn, {key: value for key, value in tags_of(tx, arn).items() if key not in call.params["TagKeys"]})

    await api.store.write(untag)
    return {}


async def list_tags(api: Api, call: Call) -> Answer:
    arn = call.params["Resource"]

    def read(tx: Transaction) -> dict[str, str]:
        _require(api, tx, arn)
        return tags_of(tx, arn)

    return {"Tags": await api.store.read(read)}


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises `ApiError`."""
    for key, value in tags.items():
        if not 0 < len(key) <= _MAX_KEY_CHARACTERS or len(value) > _MAX_VALUE_CHARACTERS:
            raise invalid_parameter(
                f"Tag keys have 1 to {_MAX_KEY_CHARACTERS} characters and values at most {_MAX_VALUE_CHARACTERS}."
            )
        if key.lower().startswith("aws:"):
            raise invalid_parameter("Tag keys that begin with aws: are reserved for system use. Use another key.")
    if len(tags) > MAX_TAGS:
        raise invalid_parameter(f"The number of tags exceeds the limit of {MAX_TAGS} for a resource.")


def tags_of(tx: Transaction, arn: str) -> dict[str, str]:
    found = tx.tags.get(arn)
    return {} if found is None else dict(found.tags)


def put_tags(tx: Transaction, arn: str, tags: Mapping[str, str]) -> None:
    """Replaces all tags of the resource. Raises `ApiError` when they are too many together."""
    check_tags(tags)
    if tags:
        tx.tags.put(TagSet(arn, tuple(sorted(tags.items()))))
    else:
        tx.tags.delete(arn)


def delete_tags(tx: Transaction, arn: str) -> None:
    tx.tags.delete(arn)


def _require(api: Api, tx: Transaction, arn: str) -> None:
    """Raises `ApiError` unless the ARN names one of them that is here."""
    if ":capacity-provider:" in arn:
        api.provider(tx, api.provider_name(arn))
        return
    if ":code-signing-config:" in arn:
        require_config(api, tx, arn)
        return
    reference = parse_function(arn) if ":function:" in arn else None
    if reference is None:
        raise not_found(f"The resource you requested does not exist: {arn}")
    if reference.qualifier is not None:
        raise invalid_parameter(
            "Tags on function aliases and versions are not supported. "
            "Please specify either a function ARN or an event source mapping ARN."
        )
    if arn != api.place.function_arn(reference.name) or tx.functions.get(reference.name) is None:
        raise not_found(f"Function not found: {arn}")


OPERATIONS = (
    Operation("lambda", "TagResource", tag_resource),
    Operation("lambda", "UntagResource", untag_resource),
    Operation("lambda", "ListTags", list_tags),
)
