"""Tags of managed instances. What the launch gave stays; anyone may add and remove own ones (EC2 user guide)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.ec2.errors import check_dry_run, ec2_error
from paddock.controlplane.ec2.filters import FilterTable, chosen
from paddock.controlplane.ec2.instance_view import described, instance_arn
from paddock.controlplane.ec2.instances import sighted
from paddock.controlplane.ec2.paging import paged
from paddock.controlplane.ec2.sightings import SeenInstance
from paddock.controlplane.tags import MAX_TAGS, delete_tags, tags_of
from paddock.model.ids import InstanceId
from paddock.ports.store import TagSet, Transaction

RESERVED = "aws:"
_INSTANCE = "i-"
_MARK = ":instance/"


async def create_tags(api: Api, call: Call) -> Answer:
    check_dry_run(call.params)
    given = {each.get("Key", ""): each.get("Value", "") for each in call.params["Tags"]}
    _check_keys(given)
    instances = _tagged(api, call.params["Resources"])
    known = {instance_arn(api.place, each.instance_id) for each in api.instances.look()}

    def create(tx: Transaction) -> None:
        _forget_gone(tx, known)
        for each in instances:
            arn = instance_arn(api.place, each.instance_id)
            tags = {**tags_of(tx, arn), **given}
            if len(tags) + len(each.intent.tags) > MAX_TAGS:
                raise ec2_error("TagLimitExceeded", f"You have reached the maximum number of tags ({MAX_TAGS}).")
            tx.tags.put(TagSet(arn, tuple(sorted(tags.items()))))

    await api.store.write(create)
    return {}


async def delete_instance_tags(api: Api, call: Call) -> Answer:
    """A tag given with a value goes only if it has that value; no tags at all means all of one's own."""
    check_dry_run(call.params)
    named = call.params.get("Tags")
    _check_keys({each.get("Key", ""): "" for each in named or ()})
    instances = _tagged(api, call.params["Resources"])

    def delete(tx: Transaction) -> None:
        for each in instances:
            arn = instance_arn(api.place, each.instance_id)
            left = {} if named is None else _without(tags_of(tx, arn), named)
            if left:
                tx.tags.put(TagSet(arn, tuple(sorted(left.items()))))
            else:
                delete_tags(tx, arn)

    await api.store.write(delete)
    return {}


async def describe_tags(api: Api, call: Call) -> Answer:
    check_dry_run(call.params)
    seen = sighted(api, ())

    def read(tx: Transaction) -> dict[InstanceId, dict[str, str]]:
        return {each.instance_id: tags_of(tx, instance_arn(api.place, each.instance_id)) for each in seen}

    own = await api.store.read(read)
    shown = [
        {"ResourceId": each.instance_id, "ResourceType": "instance", **tag}
        for each in seen
        for tag in described(each, network=api.network, place=api.place, own_tags=own[each.instance_id], hidden=True)[
            "Tags"
        ]
    ]
    page = paged(chosen(shown, call.params.get("Filters", ()), TAG_FILTERS), call.params, _by_resource)
    return {"Tags": list(page.items), "NextToken": page.next_marker}


def _tagged(api: Api, resources: Sequence[str]) -> list[SeenInstance]:
    """Raises `ApiError` for anything but an instance that is here."""
    for each in resources:
        if not each.startswith(_INSTANCE):
            raise ec2_error("InvalidID", f"The ID '{each}' is not valid: only managed instances can be tagged here")
    return sighted(api, resources)


def _check_keys(tags: Mapping[str, str]) -> None:
    if any(key.lower().startswith(RESERVED) for key in tags):
        raise ec2_error("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")


def _without(tags: Mapping[str, str], named: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    gone = {each["Key"] for each in named if each.get("Value") in (None, tags.get(each.get("Key", "")))}
    return {key: value for key, value in tags.items() if key not in gone}


def _forget_gone(tx: Transaction, known: Collection[str]) -> None:
    """Tags of instances that are shown no more; whoever gives new ones clears the old away."""
    kept = [each.resource_arn for each in tx.tags.select()]
    tx.tags.delete_many([arn for arn in kept if _MARK in arn and arn not in known])


def _by_resource(shown: Mapping[str, Any]) -> str:
    return f"{shown['ResourceId']} {shown['Key']}"


TAG_FILTERS = FilterTable(
    paths={"key": "Key", "value": "Value", "resource-id": "ResourceId", "resource-type": "ResourceType"}
)

OPERATIONS = (
    Operation("ec2", "CreateTags", create_tags, "partial", "of managed instances"),
    Operation("ec2", "DeleteTags", delete_instance_tags, "partial", "of managed instances"),
    Operation("ec2", "DescribeTags", describe_tags, "partial", "of managed instances"),
)
