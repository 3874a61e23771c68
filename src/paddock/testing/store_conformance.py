"""What every store must do, as tests. A store's own test file subclasses `StoreConformance` and opens its store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from paddock.model.capacity_provider import Architecture
from paddock.model.fleet import Reason, ScalingBounds
from paddock.model.function import (
    Code,
    Function,
    FunctionConfiguration,
    FunctionLayer,
    FunctionVersion,
    LogFormat,
    LoggingConfig,
    ManagedInstancesConfig,
    ServedRevision,
    Status,
)
from paddock.model.function_url import FunctionUrlAuthType
from paddock.model.ids import (
    AvailabilityZone,
    CapacityProviderName,
    CodeSha256,
    FunctionName,
    FunctionVersionKey,
    InstanceId,
    InvocationId,
    LayerName,
    RevisionId,
    SubnetId,
    VersionName,
)
from paddock.model.instance_types import InstanceType
from paddock.model.layer import LayerVersion
from paddock.model.resource_policy import Permission
from paddock.model.states import FunctionState, InstancePhase, LastUpdateStatus, StateReasonCode
from paddock.ports.store import AcceptedInvocation, InstanceIntent, PlanRecord, Store, Transaction

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_function(name: str = "thumbnail") -> Function:
    return Function(FunctionName(name), created_at=NOON)


def a_version(name: str = "thumbnail", version: str = "1", provider: str = "steady") -> FunctionVersion:
    """One with something in every kind of field."""
    configuration = FunctionConfiguration(
        runtime="python3.13",
        handler="app.handler",
        role="arn:aws:iam::000000000000:role/function",
        code=Code(CodeSha256("c2hhMjU2"), 1234),
        managed_instances=ManagedInstancesConfig(
            CapacityProviderName(provider),
            f"arn:aws:lambda:us-east-1:000000000000:capacity-provider:{provider}",
            16,
            2.0,
        ),
        logging=LoggingConfig(LogFormat.JSON, f"/aws/lambda/{name}", "INFO", "INFO"),
        memory_mb=2048,
        environment_variables=(("STAGE", "prüfung"),),
        layers=(
            FunctionLayer("arn:aws:lambda:us-east-1:000000000000:layer:shared:3", Code(CodeSha256("bGF5ZXI="), 7)),
        ),
    )
    return FunctionVersion(
        key=FunctionVersionKey(FunctionName(name), VersionName(version)),
        configuration=configuration,
        revision=RevisionId("r2"),
        revision_id="5c2e",
        state=FunctionState.PENDING,
        last_update_status=LastUpdateStatus.SUCCESSFUL,
        last_modified=NOON + timedelta(microseconds=5),
        state_status=Status("The function is being created.", StateReasonCode.CREATING),
        serving=ServedRevision(RevisionId("r1"), replace(configuration, memory_mb=4096)),
        applied_scaling=ScalingBounds(2, 7),
        permissions=(
            Permission(
                "page",
                "lambda:InvokeFunctionUrl",
                "*",
                function_url_auth_type=FunctionUrlAuthType.NONE,
                invoked_via_function_url=True,
            ),
        ),
    )


def an_instance(number: int, provider: str = "steady") -> InstanceIntent:
    return InstanceIntent(
        instance_id=InstanceId(f"i-{number:017x}"),
        provider=CapacityProviderName(provider),
        instance_type=InstanceType("m7g.xlarge", 4, 16.0, Architecture.ARM64),
        zone=AvailabilityZone("us-east-1a"),
        subnet_id=SubnetId("subnet-a"),
        phase=InstancePhase.PENDING,
        entitled_cores=0.5,
        requested_at=NOON,
        token="opens the agent",  # noqa: S106  # of no use to anybody
    )


def an_invocation(number: int, due_in_seconds: float = 0) -> AcceptedInvocation:
    return AcceptedInvocation(
        invocation_id=InvocationId(f"invocation-{number}"),
        function_name=FunctionName("thumbnail"),
        qualifier=None,
        accepted_at=NOON,
        due_at=NOON + timedelta(seconds=due_in_seconds),
        payload=bytes(range(256)),
    )


def a_layer_version(version: int, name: str = "shared") -> LayerVersion:
    return LayerVersion(
        layer_name=LayerName(name),
        version=version,
        code=Code(CodeSha256("bGF5ZXI="), 7, unzipped_bytes=9),
        created_at=NOON,
        compatible_runtimes=("python3.13", "nodejs22.x"),
        permissions=(Permission("everyone", "lambda:GetLayerVersion", "*"),),
    )


class UndoneError(Exception):
    """Raised by the kit within a change."""


class StoreConformance:
    def open_store(self, directory: Path) -> AbstractAsyncContextManager[Store]:
        """The store to be tested, empty where `directory` is."""
        raise NotImplementedError

    def run(self, directory: Path, scenario: Callable[[Store], Awaitable[None]]) -> None:
        async def within() -> None:
            async with self.open_store(directory) as store:
                await scenario(store)

        asyncio.run(within())

    def test_what_was_put_is_got_back_equal(self, tmp_path: Path) -> None:
        version = a_version()

        async def scenario(store: Store) -> None:
            await store.write(lambda tx: tx.versions.put(version))
            assert await store.read(lambda tx: tx.versions.get(version.key)) == version

        self.run(tmp_path, scenario)

    def test_versions_of_a_layer_are_selected_in_the_order_of_their_numbers(self, tmp_path: Path) -> None:
        async def scenario(store: Store) -> None:
            kept = [a_layer_version(number) for number in (10, 2, 1)]
            await store.write(lambda tx: tx.layer_versions.put_many([*kept, a_layer_version(3, "other")]))

            found = await store.read(lambda tx: tx.layer_versions.select(layer_name="shared"))

            assert found == sorted(kept, key=lambda each: each.version)

        self.run(tmp_path, scenario)

    def test_an_unknown_key_is_none(self, tmp_path: Path) -> None:
        async def scenario(store: Store) -> None:
            assert await store.read(lambda tx: tx.functions.get(FunctionName("nobody"))) is None

        self.run(tmp_path, scenario)

    def test_putting_again_replaces(self, tmp_path: Path) -> None:
        function = a_function()

        async def scenario(store: Store) -> None:
            await store.write(lambda tx: tx.functions.put(function))
            await store.write(lambda tx: tx.functions.put(replace(function, next_version=9)))
            assert await store.read(lambda tx: tx.functions.select()) == [replace(function, next_version=9)]

        self.run(tmp_path, scenario)

    def test_a_failed_change_leaves_nothing_behind(self, tmp_path: Path) -> None:
        kept, replaced, deleted = a_function("kept"), a_function("replaced"), a_function("deleted")

        def fails(tx: Transaction) -> None:
            tx.functions.put(a_function("new"))
            tx.functions.put(replace(replaced, next_version=2))
            tx.functions.delete(deleted.name)
            raise UndoneError

        async def scenario(store: Store) -> None:
            await store.write(lambda tx: tx.functions.put_many([kept, replaced, deleted]))
            try:
                await store.write(fails)
            except UndoneError:
                assert await store.read(lambda tx: tx.functions.select()) == [deleted, kept, replaced]
                return
            raise AssertionError("the exception of a change is raised to its caller")

        self.run(tmp_path, scenario)

    def test_changes_made_at_once_are_done_in_order_and_fail_alone(self, tmp_path: Path) -> None:
        outcomes: list[str] = []

        def change(number: int) -> Callable[[Transaction], None]:
            def work(tx: Transaction) -> None:
                tx.functions.put(a_function(f"f{tx.functions.count()}"))
                if number % 5 == 0:
                    raise UndoneError

            return work

        async def attempt(store: Store, number: int) -> None:
            try:
                await store.write(change(number))
            except UndoneError:
                outcomes.append("undone")

        async def scenario(store: Store) -> None:
            async with asyncio.TaskGroup() as group:
                for number in range(20):
                    group.create_task(attempt(store, number))
            names = [function.name for function in await store.read(lambda tx: tx.functions.select())]
            assert sorted(names) == sorted(f"f{number}" for number in range(16))
            assert len(outcomes) == 4

        self.run(tmp_path, scenario)

    def test_records_are_selected_by_column_in_order_of_their_keys(self, tmp_path: Path) -> None:
        ours = [a_version("f", "1"), a_version("f", "2"), a_version("g", "1")]
        other = a_version("f", "3", provider="other")

        async def scenario(store: Store) -> None:
            await store.write(lambda tx: tx.versions.put_many([ours[2], other, ours[1], ours[0]]))
            assert await store.read(lambda tx: tx.versions.select(provider="steady")) == ours
            assert await store.read(lambda tx: tx.versions.select(function_name="f", provider="other")) == [other]
            assert await store.read(lambda tx: tx.versions.count(function_name="f")) == 3

        self.run(tmp_path, scenario)

    def test_records_are_ordered_by_a_column_and_limited(self, tmp_path: Path) -> None:
        late, early, middle = an_invocation(1, 30), an_invocation(2, 10), an_invocation(3, 20.5)

        async def scenario(store: Store) -> None:
            await store.write(lambda tx: tx.invocations.put_many([late, early, middle]))
            assert await store.read(lambda tx: tx.invocations.select(order_by="due_at", limit=2)) == [early, middle]
            last = await store.read(lambda tx: tx.invocations.select(order_by="due_at", descending=True, limit=1))
            assert last == [late]

        self.run(tmp_path, scenario)

    def test_the_newest_of_numbered_records_is_found(self, tmp_path: Path) -> None:
        provider = CapacityProviderName("steady")
        plans = [PlanRecord(provider, number, NOON, ("launch",), (Reason("f:1", "no room"),)) for number in (9, 10, 11)]

        async def scenario(store: Store) -> None:
            await store.write(lambda tx: tx.plans.put_many(plans))
            newest = await store.read(lambda tx: tx.plans.select(provider="steady", descending=True, limit=2))
            assert newest == [plans[2], plans[1]]

        self.run(tmp_path, scenario)

    def test_deleted_records_are_gone(self, tmp_path: Path) -> None:
        async def scenario(store: Store) -> None:
            await store.write(lambda tx: tx.instances.put_many([an_instance(1), an_instance(2), an_instance(3)]))
            await store.write(lambda tx: tx.instances.delete(an_instance(2).instance_id))
            await store.write(lambda tx: tx.instances.delete_many([an_instance(3).instance_id, InstanceId("i-0")]))
            assert await store.read(lambda tx: tx.instances.select(provider="steady")) == [an_instance(1)]

        self.run(tmp_path, scenario)

    def test_a_change_may_check_and_then_write(self, tmp_path: Path) -> None:
        """The vCPU cap hangs on this: no two of many concurrent changes may see the same room."""
        cap_vcpu = 12

        async def launch(store: Store, number: int) -> None:
            def within_cap(tx: Transaction) -> None:
                used = sum(intent.instance_type.vcpu for intent in tx.instances.select(provider="steady"))
                if used + an_instance(number).instance_type.vcpu <= cap_vcpu:
                    tx.instances.put(an_instance(number))

            await store.write(within_cap)

        async def scenario(store: Store) -> None:
            async with asyncio.TaskGroup() as group:
                for number in range(10):
                    group.create_task(launch(store, number))
            assert await store.read(lambda tx: tx.instances.count(provider="steady")) == 3

        self.run(tmp_path, scenario)
