"""A tenant's name is checked, and finds that tenant's environments and nobody else's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paddock.core.routing.table import Destination, EnvironmentPlacement, RoutingTable
from paddock.core.routing.tenants import checked_tenant
from paddock.model.errors import ApiError
from paddock.model.ids import LATEST, EnvironmentId, TenantId
from tests.core.routing.test_table import I1, PLACE, F, placement, rules, version

BLUE, GREEN = TenantId("blue"), TenantId("green")


def table(*, per_tenant: bool = True) -> RoutingTable:
    made = RoutingTable(PLACE)
    latest = replace(version(LATEST), on_demand=True, per_tenant=per_tenant)
    made.set_function(replace(rules(latest), default_version=LATEST))
    made.set_reachable(I1, reachable=True)
    return made


def of(tenant_id: TenantId, name: str, *, draining: bool = False) -> EnvironmentPlacement:
    made = placement(name, of=LATEST, draining=draining)
    return replace(made, key=made.key._replace(tenant_id=tenant_id))


def asked(made: RoutingTable, tenant_id: TenantId) -> Destination:
    return made.for_tenant(made.resolve(F, None).choose(lambda: 0.0), tenant_id)


def test_a_tenant_finds_its_own_environments_only() -> None:
    made = table()
    made.place(of(BLUE, "b"))
    made.place(of(GREEN, "g"))

    blue = asked(made, BLUE)
    taken = [blue.pool.take(), blue.pool.take()]
    assert [each.environment_id if each else None for each in taken] == ["b", None]
    assert asked(made, TenantId("red")).pool.take() is None
    assert made.resolve(F, None).choose(lambda: 0.0).pool.take() is None


def test_a_tenant_s_pool_lasts_as_long_as_its_environments() -> None:
    made = table()
    for round_number in range(3):
        made.place(of(BLUE, f"b{round_number}"))
        taken = asked(made, BLUE).pool.take()
        assert taken is not None
        made.remove(EnvironmentId(f"b{round_number}"))
        asked(made, BLUE)
    assert [key.tenant_id for key in made._pools] == [""]


def test_environments_of_tenants_are_counted_but_for_those_that_end() -> None:
    made = table()
    for placed in (of(BLUE, "b1"), of(BLUE, "b2", draining=True), of(GREEN, "g")):
        made.place(placed)

    assert made.tenant_environments(F) == 2


@pytest.mark.parametrize("tenant_id", ["blue", "a" * 256, "Tenant 7/eu-1._:=+@"])
def test_the_ids_that_aws_takes_are_taken(tenant_id: str) -> None:
    assert checked_tenant(tenant_id, asked(table(), BLUE)) == tenant_id


@pytest.mark.parametrize(
    ("tenant_id", "per_tenant", "code", "text"),
    [
        (None, True, "InvalidParameterValueException", "Add a valid tenant ID in your request and try again."),
        ("blue", False, "InvalidParameterValueException", "Remove the tenant ID from your request"),
        ("", True, "ValidationException", "length greater than or equal to 1"),
        ("a" * 257, True, "ValidationException", "length less than or equal to 256"),
        ("blue,green", True, "ValidationException", "regular expression pattern"),
        ("bl\u00e4u", True, "ValidationException", "regular expression pattern"),
        ("blue\n", False, "ValidationException", "regular expression pattern"),
    ],
)
def test_a_wrong_tenant_gets_aws_s_error(tenant_id: str | None, per_tenant: bool, code: str, text: str) -> None:
    with pytest.raises(ApiError) as refused:
        checked_tenant(tenant_id, asked(table(per_tenant=per_tenant), BLUE))

    assert refused.value.code == code
    assert text in refused.value.message


def test_a_function_without_tenants_takes_none() -> None:
    assert checked_tenant(None, table(per_tenant=False).resolve(F, None).choose(lambda: 0.0)) == ""
