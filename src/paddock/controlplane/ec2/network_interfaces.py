"""Network interfaces of managed instances through the EC2 API. Read only: they come and go with their instances."""

from __future__ import annotations

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.ec2 import visibility
from paddock.controlplane.ec2.errors import check_dry_run, none_is_missing
from paddock.controlplane.ec2.filters import chosen
from paddock.controlplane.ec2.instance_view import operator
from paddock.controlplane.ec2.interface_view import INTERFACE_FILTERS, described, has_interface
from paddock.controlplane.ec2.paging import paged, without_bounds


async def describe_network_interfaces(api: Api, call: Call) -> Answer:
    params = call.params
    check_dry_run(params)
    without_bounds(params, "NetworkInterfaceIds", "networkInterfaceIdSet")
    hidden = await api.store.read(visibility.default_visibility) == visibility.HIDDEN
    shown = {
        each["NetworkInterfaceId"]: each
        for seen in api.instances.look()
        if has_interface(seen)
        and (each := described(seen, network=api.network, place=api.place, operator=operator(hidden=hidden)))
    }
    wanted = params.get("NetworkInterfaceIds", ())
    none_is_missing(wanted, shown, "InvalidNetworkInterfaceID.NotFound", "networkInterface ID")
    if wanted:
        shown = {each: shown[each] for each in wanted}
    elif hidden and not params.get("IncludeManagedResources"):
        shown = {}
    found = chosen(shown.values(), params.get("Filters", ()), INTERFACE_FILTERS)
    page = paged(found, params, lambda each: str(each["NetworkInterfaceId"]))
    return {"NetworkInterfaces": list(page.items), "NextToken": page.next_marker}


OPERATIONS = (
    Operation(
        "ec2",
        "DescribeNetworkInterfaces",
        describe_network_interfaces,
        note="of managed instances under `--network vpc`; no hardware address",
    ),
)
