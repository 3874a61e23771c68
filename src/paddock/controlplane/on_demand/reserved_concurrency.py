"""PutFunctionConcurrency, GetFunctionConcurrency and DeleteFunctionConcurrency: a function's reserved concurrency.

In force for invokes sent after our answer: the routers keep the count. Zero throttles every invocation.
"""

from __future__ import annotations

from dataclasses import replace

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.model.errors import invalid_parameter
from paddock.model.function import Function
from paddock.model.ids import FunctionName
from paddock.ports.store import Transaction

MIN_UNRESERVED = 100
"""AWS keeps so much of the account's concurrency for functions that reserve nothing."""


async def put_function_concurrency(api: Api, call: Call) -> Answer:
    name = api.function(call).name
    reserved = call.params["ReservedConcurrentExecutions"]

    def put(tx: Transaction) -> None:
        function = _default_function(api, tx, name)
        least = least_unreserved(api)
        if reserved and unreserved_beside(api, tx, name) - reserved < least:
            raise invalid_parameter(
                "Specified ReservedConcurrentExecutions for function decreases account's "
                f"UnreservedConcurrentExecution below its minimum value of [{least}]."
            )
        provisioned = provisioned_concurrency(tx, name)
        if reserved < provisioned:
            raise invalid_parameter(
                f"Specified ReservedConcurrentExecutions ({reserved}) is below the function's provisioned "
                f"concurrency ({provisioned})."
            )
        tx.functions.put(replace(function, reserved_concurrency=reserved))

    await api.store.write(put)
    await api.fleet.function_changed(name)
    return {"ReservedConcurrentExecutions": reserved}


async def get_function_concurrency(api: Api, call: Call) -> Answer:
    """Empty where nothing is reserved."""
    name = api.function(call).name

    def read(tx: Transaction) -> int | None:
        api.version(tx, name, None)
        function = tx.functions.get(name)
        return None if function is None else function.reserved_concurrency

    reserved = await api.store.read(read)
    return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


async def delete_function_concurrency(api: Api, call: Call) -> Answer:
    name = api.function(call).name

    def delete(tx: Transaction) -> None:
        api.version(tx, name, None)
        function = tx.functions.get(name)
        assert function is not None
        tx.functions.put(replace(function, reserved_concurrency=None))

    await api.store.write(delete)
    await api.fleet.function_changed(name)
    return {}


def _default_function(api: Api, tx: Transaction, name: FunctionName) -> Function:
    latest = api.version(tx, name, None)
    if not latest.configuration.on_demand:
        raise invalid_parameter(
            "Reserved concurrency is not supported for functions configured with capacity provider. "
            "Set MaxExecutionEnvironments with PutFunctionScalingConfig instead."
        )
    function = tx.functions.get(name)
    assert function is not None
    return function


def least_unreserved(api: Api) -> int:
    """What must be left of the account for functions that hold nothing."""
    return min(MIN_UNRESERVED, api.account_concurrency)


def unreserved_beside(api: Api, tx: Transaction, name: FunctionName) -> int:
    """What the other functions leave of the account: each holds what it reserves, or else what it has provisioned."""
    held = 0
    for function in tx.functions.select():
        if function.name == name:
            continue
        reserved = function.reserved_concurrency
        held += provisioned_concurrency(tx, function.name) if reserved is None else reserved
    return api.account_concurrency - held


def provisioned_concurrency(tx: Transaction, name: FunctionName) -> int:
    """Of all versions and aliases together."""
    on_versions = [version.provisioned for version in tx.versions.select(function_name=name)]
    on_aliases = [alias.provisioned for alias in tx.aliases.select(function_name=name)]
    return sum(each.environments for each in (*on_versions, *on_aliases) if each is not None)


OPERATIONS = (
    Operation("lambda", "PutFunctionConcurrency", put_function_concurrency),
    Operation("lambda", "GetFunctionConcurrency", get_function_concurrency),
    Operation("lambda", "DeleteFunctionConcurrency", delete_function_concurrency),
)
