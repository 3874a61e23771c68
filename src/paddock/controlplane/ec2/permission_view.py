"""Rules of security groups as EC2 shows them: one entry for each protocol and range of ports. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from paddock.model.ids import AccountId
from paddock.model.network import IpPermission, IpProtocol


def shown_permissions(permissions: Iterable[IpPermission], account_id: AccountId) -> list[dict[str, Any]]:
    found: dict[tuple[IpProtocol, int | None, int | None], dict[str, Any]] = {}
    for each in permissions:
        key = (each.ip_protocol, each.from_port, each.to_port)
        entry = found.setdefault(key, _without_targets(each))
        if each.group_id is not None:
            entry["UserIdGroupPairs"].append({"GroupId": each.group_id, "UserId": account_id})
        else:
            entry["IpRanges"].append({"CidrIp": each.cidr_ip})
    return list(found.values())


def _without_targets(permission: IpPermission) -> dict[str, Any]:
    """Ports are left out where all protocols are meant, as EC2 does."""
    entry: dict[str, Any] = {"IpProtocol": permission.ip_protocol.value}
    if permission.from_port is not None:
        entry |= {"FromPort": permission.from_port, "ToPort": permission.to_port}
    return entry | {"IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
