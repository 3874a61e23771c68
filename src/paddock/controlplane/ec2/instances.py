"""Managed instances through the EC2 API: described, with their status; everything that would change one is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paddock.controlplane.api import Answer, Api, Call, Handler, Operation
from paddock.controlplane.ec2 import visibility
from paddock.controlplane.ec2.errors import check_dry_run, ec2_error, none_is_missing
from paddock.controlplane.ec2.filters import chosen
from paddock.controlplane.ec2.instance_view import (
    INSTANCE_FILTERS,
    OPERATOR,
    STATUS_FILTERS,
    described,
    instance_arn,
    reservation,
    status,
)
from paddock.controlplane.ec2.paging import paged, without_bounds
from paddock.controlplane.ec2.sightings import SeenInstance
from paddock.controlplane.tags import tags_of
from paddock.model.ids import InstanceId
from paddock.model.states import InstancePhase
from paddock.ports.store import Transaction

NOT_FOUND = "InvalidInstanceID.NotFound"
REFUSED = "OperationNotPermitted"
"""To a change of a managed instance. AWS's user guide for EC2 says only that it is refused. The code is EC2's for what
the state or the owner of a resource forbids: the likely one, not seen on AWS. The text is ours and says what to do.
"""

_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")


async def describe_instances(api: Api, call: Call) -> Answer:
    params = call.params
    check_dry_run(params)
    without_bounds(params, "InstanceIds", "instancesSet")
    seen = sighted(api, params.get("InstanceIds", ()))

    def read(tx: Transaction) -> tuple[bool, dict[InstanceId, dict[str, str]]]:
        tags = {each.instance_id: tags_of(tx, instance_arn(api.place, each.instance_id)) for each in seen}
        return visibility.default_visibility(tx) == visibility.HIDDEN, tags

    hidden, tags = await api.store.read(read)
    shown = [
        described(each, network=api.network, place=api.place, own_tags=tags[each.instance_id], hidden=hidden)
        for each in seen
        if not (hidden and _is_left_out(params))
    ]
    # Filters see the reservation too: it is where the owner stands.
    whole = [{**each, **reservation(each, api.place)} for each in shown]
    page = paged(chosen(whole, params.get("Filters", ()), INSTANCE_FILTERS), params, _by_launch)
    return {"Reservations": [_reservation_of(each) for each in page.items], "NextToken": page.next_marker}


async def describe_instance_status(api: Api, call: Call) -> Answer:
    params = call.params
    check_dry_run(params)
    without_bounds(params, "InstanceIds", "instanceIdsSet")
    hidden = await api.store.read(visibility.default_visibility) == visibility.HIDDEN
    shown = [
        status(each, hidden=hidden)
        for each in sighted(api, params.get("InstanceIds", ()))
        if not (hidden and _is_left_out(params))
        and (params.get("IncludeAllInstances") or each.phase in (InstancePhase.RUNNING, InstancePhase.LOST))
    ]
    page = paged(chosen(shown, params.get("Filters", ()), STATUS_FILTERS), params, lambda each: each["InstanceId"])
    return {"InstanceStatuses": list(page.items), "NextToken": page.next_marker}


def sighted(api: Api, instance_ids: Sequence[str]) -> list[SeenInstance]:
    """All instances, or those named. Raises `ApiError` for an id that is none or is not here."""
    seen = {each.instance_id: each for each in api.instances.look()}
    check_ids(instance_ids, seen)
    return [seen[InstanceId(each)] for each in dict.fromkeys(instance_ids)] if instance_ids else list(seen.values())


def check_ids(instance_ids: Iterable[str], known: Mapping[InstanceId, object]) -> None:
    wanted = list(instance_ids)
    for each in wanted:
        if not _ID.fullmatch(each):
            raise ec2_error("InvalidInstanceID.Malformed", f'Invalid id: "{each}"')
    none_is_missing(wanted, known, NOT_FOUND, "instance ID")


def _is_left_out(params: Mapping[str, Any]) -> bool:
    """Hidden ones are shown to who asks for managed resources, or for them by name."""
    return not params.get("IncludeManagedResources") and not params.get("InstanceIds")


def _by_launch(shown: Mapping[str, Any]) -> str:
    return f"{shown['LaunchTime'].timestamp():017.6f} {shown['InstanceId']}"


def _reservation_of(whole: Mapping[str, Any]) -> dict[str, Any]:
    return {name: whole[name] for name in ("ReservationId", "OwnerId", "Groups", "Instances")}


def _refusing(name: str) -> Handler:
    async def refuse(api: Api, call: Call) -> Answer:
        named = call.params.get("InstanceIds") or [call.params.get("InstanceId", "")]
        sighted(api, named)
        raise ec2_error(
            REFUSED,
            f"{name} is not permitted on {', '.join(named)}: managed by {OPERATOR}. Its capacity provider launches and "
            "ends it; fewer execution environments, or none (0 and 0), need fewer instances.",
        )

    return refuse


async def run_instances(_api: Api, call: Call) -> Answer:
    raise ec2_error(
        REFUSED, f"RunInstances is not permitted: instances are launched by capacity providers only ({OPERATOR})."
    )


TOUCHING = (
    "TerminateInstances",
    "StopInstances",
    "StartInstances",
    "RebootInstances",
    "ModifyInstanceAttribute",
    "ResetInstanceAttribute",
    "ModifyInstanceMetadataOptions",
    "ModifyInstancePlacement",
    "MonitorInstances",
    "UnmonitorInstances",
)

OPERATIONS = (
    Operation(
        "ec2",
        "DescribeInstances",
        describe_instances,
        note="managed instances only; no image or volumes, which instances here do not have, and an address with "
        "`--network vpc` only",
    ),
    Operation("ec2", "DescribeInstanceStatus", describe_instance_status, note="the checks are the agent's lease"),
    Operation("ec2", "RunInstances", run_instances, "partial", "always refused: capacity providers launch"),
    *(Operation("ec2", name, _refusing(name), "partial", "refused on managed instances") for name in TOUCHING),
)
