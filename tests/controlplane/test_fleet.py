import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from paddock.controlplane.lease import Lease
from paddock.core.planning import DEFAULT_SETTINGS
from paddock.model.errors import ApiError
from paddock.model.ids import CapacityProviderName, FunctionName, FunctionVersionKey, InstanceId, VersionName
from paddock.model.states import StateReasonCode
from paddock.ports.launcher import LaunchError
from paddock.ports.logs import LogQuery
from paddock.wire.agent import ConfigurationRefused, EnvironmentFailureReport
from paddock.wire.routes import FunctionRoute
from tests.controlplane.world import PUBLISHED, World, agents_of, environments, instances, run, serving


def test_a_new_provider_becomes_active_and_launches_nothing() -> None:
    async def scenario(world: World) -> None:
        await world.create_provider()

        async def active() -> bool:
            answer = await world.call("GetCapacityProvider", CapacityProviderName="steady")
            return bool(answer["CapacityProvider"]["State"] == "Active")

        await world.until(active, 1)
        await asyncio.sleep(60)
        assert world.launcher.launches == []

    run(scenario)


def test_a_publish_launches_three_instances_over_three_zones_and_becomes_active() -> None:
    async def scenario(world: World) -> None:
        await world.create_provider()
        await world.create_function()
        await world.publish()
        assert world.routes.refusal() == "ResourceConflictException"
        await world.until_state("Active", seconds=5)
        assert sorted(launch.zone for launch in world.launcher.launches) == ["us-east-1a", "us-east-1b", "us-east-1c"]
        assert world.routes.refusal() is None
        assert len({route.instance_id for route in world.routes.serving()}) == 3
        specs = [agent.configured[0] for agent in agents_of(world)]
        assert {(spec.function_name, spec.version) for spec in specs} == {("thumbnail", PUBLISHED)}
        assert {spec.log_stream.partition("]")[0] for spec in specs} == {f"2026/11/23/[{PUBLISHED}"}

    run(scenario)


def test_a_vcpu_is_worth_its_share_of_this_machine() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        assert [launch.entitled_cores for launch in world.launcher.launches] == [pytest.approx(2 / 12 * 4)] * 3

    run(scenario)


def test_what_a_vcpu_is_worth_can_be_set() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        assert {launch.entitled_cores for launch in world.launcher.launches} == {2.0}

    run(scenario, cores_per_vcpu=0.5)


def test_a_second_version_starts_on_the_instances_that_run() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        await world.call("PublishVersion", FunctionName="thumbnail")
        await world.until_state("Active", version="1", seconds=5)
        assert len(world.launcher.launches) == 3
        assert len(world.routes.serving(version="1")) == 3

    run(scenario)


def test_a_republish_serves_from_the_old_until_the_new_is_ready_then_drains_the_old() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        old = {route.environment_id for route in world.routes.serving()}
        world.behaviour.start_seconds = 5
        await world.publish(timeout=9)
        assert (await world.version()).last_update_status.value == "InProgress"
        for _ in range(40):
            await asyncio.sleep(0.1)
            assert {route.environment_id for route in world.routes.serving()} == old

        async def successful() -> bool:
            assert len(world.routes.serving()) >= 3, "there is always somebody who serves"
            return (await world.version()).last_update_status.value == "Successful"

        await world.until(successful, 20)
        new = {route.environment_id for route in world.routes.serving()}
        assert len(new) == 3
        assert not new & old
        assert [
            each.timeout_seconds for each in world.routes.functions["thumbnail"].versions if each.version == PUBLISHED
        ] == [9]
        await world.until(lambda: environments(world) == new, 10)
        await world.until(lambda: not set(world.routes.environments) & old, 10)

    run(scenario)


def test_a_republish_that_fails_leaves_the_old_serving() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        old = {route.environment_id for route in world.routes.serving()}
        world.behaviour.init_failure = EnvironmentFailureReport(
            "Runtime.ImportModuleError", "FunctionError.RuntimeInitError", "Unable to import module 'app'", init=True
        )
        await world.publish(timeout=9)

        async def failed() -> bool:
            return (await world.version()).last_update_status.value == "Failed"

        await world.until(failed, 120)
        version = await world.version()
        assert version.state.value == "Active"
        assert version.last_update.reason_code is StateReasonCode.RUNTIME_INIT_ERROR
        assert "Unable to import module" in (version.last_update.reason or "")
        assert {route.environment_id for route in world.routes.serving()} == old
        world.behaviour.init_failure = None
        await world.publish(timeout=10)

        async def successful() -> bool:
            return (await world.version()).last_update_status.value == "Successful"

        await world.until(successful, 30)

    run(scenario)


def test_a_first_publish_whose_init_fails_is_failed_with_its_code() -> None:
    async def scenario(world: World) -> None:
        world.behaviour.init_failure = EnvironmentFailureReport(
            "Sandbox.Timedout", "FunctionError.InitTimeout", "Init timed out after 130.00 seconds", init=True
        )
        await world.create_provider()
        await world.create_function()
        await world.publish()
        await world.until_state("Failed", seconds=120)
        answer = await world.call("GetFunctionConfiguration", FunctionName="thumbnail", Qualifier=PUBLISHED)
        assert answer["StateReasonCode"] == "FunctionError.InitTimeout"
        assert world.routes.refusal() == "ResourceConflictException"
        await world.until(lambda: not environments(world), 10)

    run(scenario)


def test_a_publish_beyond_the_vcpu_cap_fails_with_awss_text() -> None:
    async def scenario(world: World) -> None:
        await world.create_provider(CapacityProviderScalingConfig={"MaxVCpuCount": 3})
        await world.create_function()
        await world.publish()
        await world.until_state("Failed", seconds=60)
        version = await world.version()
        assert version.state_status.reason_code is StateReasonCode.CAPACITY_PROVIDER_SCALING_LIMIT_EXCEEDED
        assert (version.state_status.reason or "").startswith("MinimumExecutionEnvironments can't be provisioned")
        assert world.launcher.launches == []

    run(scenario)


def test_the_vcpu_cap_holds_whatever_the_plans_say() -> None:
    """The last word is the store's, in the transaction of the intent."""

    async def scenario(world: World) -> None:
        await world.create_provider(CapacityProviderScalingConfig={"MaxVCpuCount": 12})
        for number in range(6):
            await world.create_function(f"f{number}", MemorySize=4096)
            await world.publish(f"f{number}")
        for _ in range(200):
            await asyncio.sleep(0.1)
            stored = await world.store.read(lambda tx: tx.instances.select())
            assert sum(intent.instance_type.vcpu for intent in stored) <= 12
            assert len(world.launcher.agents) <= 3

    run(scenario)


def test_a_deleted_function_drains_and_is_gone() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        await world.call("PublishVersion", FunctionName="thumbnail")
        await world.until_state("Active", version="1")
        answer = await world.call("DeleteFunction", FunctionName="thumbnail")
        assert answer["StatusCode"] == 202
        assert world.routes.refusal() == "ResourceConflictException"
        await world.until(lambda: "thumbnail" not in world.routes.functions, 30)
        with pytest.raises(ApiError, match="Function not found"):
            await world.call("GetFunction", FunctionName="thumbnail")
        assert not environments(world)
        assert world.routes.environments == {}

    run(scenario)


def test_a_deleted_provider_ends_its_instances_and_is_gone() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        with pytest.raises(ApiError, match="currently in use by 1 functions"):
            await world.call("DeleteCapacityProvider", CapacityProviderName="steady")
        await world.call("DeleteFunction", FunctionName="thumbnail")
        await world.until(lambda: not world.routes.functions, 30)
        await world.call("DeleteCapacityProvider", CapacityProviderName="steady")

        async def gone() -> bool:
            providers = await world.call("ListCapacityProviders")
            return not providers["CapacityProviders"]

        await world.until(gone, 30)
        assert world.launcher.agents == {}
        assert await instances(world) == 0
        assert world.routes.instances == {}
        await serving(world)

    run(scenario)


def test_more_environments_are_asked_for_and_then_applied() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        limits = {"MinExecutionEnvironments": 5, "MaxExecutionEnvironments": 7}
        await world.call(
            "PutFunctionScalingConfig", FunctionName="thumbnail", Qualifier=PUBLISHED, FunctionScalingConfig=limits
        )

        async def config() -> dict[str, object]:
            answer: dict[str, object] = await world.call(
                "GetFunctionScalingConfig", FunctionName="thumbnail", Qualifier=PUBLISHED
            )
            return answer

        assert (await config())["RequestedFunctionScalingConfig"] == limits

        async def applied() -> bool:
            return (await config()).get("AppliedFunctionScalingConfig") == limits

        await world.until(applied, 60)
        assert "RequestedFunctionScalingConfig" not in await config()
        assert len(world.routes.serving()) == 5

    run(scenario)


def test_zero_and_zero_deactivates_and_a_later_put_brings_it_back() -> None:
    async def scenario(world: World) -> None:
        await serving(world)

        async def put(minimum: int, maximum: int) -> str:
            limits = {"MinExecutionEnvironments": minimum, "MaxExecutionEnvironments": maximum}
            answer = await world.call(
                "PutFunctionScalingConfig", FunctionName="thumbnail", Qualifier=PUBLISHED, FunctionScalingConfig=limits
            )
            return str(answer["FunctionState"])

        assert await put(0, 0) == "Deactivating"
        await world.until_state("Deactivated", seconds=30)
        assert world.routes.refusal() == "ResourceNotReadyException"
        await world.until(lambda: not world.launcher.agents, 600)
        assert await put(1, 2) == "Pending"
        await world.until_state("Active", seconds=30)
        assert len(world.routes.serving()) == 1

    run(scenario)


def test_a_refused_launch_is_tried_again_and_said() -> None:
    async def scenario(world: World) -> None:
        world.launcher.refuse = [
            LaunchError(StateReasonCode.INSUFFICIENT_CAPACITY, "no room for another process", transient=True)
        ] * 2
        await serving(world)
        failed = await world.store.read(lambda tx: tx.failed_launches.select(provider="steady"))
        assert [each.failure.reason_code for each in failed] == [StateReasonCode.INSUFFICIENT_CAPACITY] * 2
        records = await system_log(world)
        assert [record["operation"] for record in records].count("LaunchFailed") == 2
        assert any("no room for another process - the system will retry" in record["message"] for record in records)

    run(scenario)


async def system_log(world: World) -> list[dict[str, str]]:
    group = "/aws/lambda/capacity-provider/steady"
    page = await world.logs.forward(group, LogQuery(), from_position=0, limit=1000)
    return [json.loads(event.message) for event in page.events]


def test_instances_coming_and_going_are_in_the_system_log() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        killed = agents_of(world)[0].request.instance_id
        world.launcher.kill(killed)
        await world.until(lambda: len(world.launcher.launches) == 4, 10)
        await world.until(lambda: len(world.routes.serving()) == 3, 30)
        await asyncio.sleep(2)
        records = await system_log(world)
        operations = [record["operation"] for record in records]
        assert (operations.count("Launching"), operations.count("Launched")) == (4, 4)
        assert operations.count("HealthCheckFailed") == 1
        of_the_killed = [each["operation"] for each in records if killed in each["message"]]
        assert of_the_killed == ["Launching", "Launched", "HealthCheckFailed", "Terminated"]
        launched = next(record for record in records if record["operation"] == "Launched")
        assert launched["message"].startswith("Successfully launched m7i.xlarge instance i-")

    run(scenario)


def test_a_dead_agent_is_replaced_at_once() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        victim = agents_of(world)[0]
        world.launcher.kill(victim.request.instance_id, "killed by a test")
        await world.until(lambda: victim.instance_id not in world.routes.instances, 1)
        await world.until(lambda: len(world.routes.serving()) == 3, 5)
        assert await instances(world) == 3
        assert len({route.instance_id for route in world.routes.serving()}) == 3

    run(scenario)


@pytest.mark.parametrize("lease", [Lease(), Lease(stale_seconds=12, lost_seconds=40)])
def test_a_silent_agent_gets_nothing_new_when_it_is_stale_and_is_replaced_when_its_lease_is_over(lease: Lease) -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        victim = agents_of(world)[0]
        victim.silent = True
        silent_at = world.clock.monotonic()

        def routed() -> bool:
            return victim.instance_id in {route.instance_id for route in world.routes.serving()}

        await world.until(lambda: not routed(), 20)
        assert -1 <= world.clock.monotonic() - silent_at - lease.stale_seconds <= 2
        assert victim.instance_id in world.routes.instances, "what is in flight there goes on"
        await world.until(lambda: victim.request.instance_id in world.launcher.terminated, 50)
        assert -1 <= world.clock.monotonic() - silent_at - lease.lost_seconds <= 3
        await world.until(lambda: len(world.routes.serving()) == 3, 10)

    run(scenario, lease=lease)


def test_an_agent_that_is_heard_again_in_time_is_routed_to_again() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        victim = agents_of(world)[0]
        victim.silent = True
        await world.until(lambda: len(world.routes.serving()) == 2, 10)
        victim.silent = False
        await world.until(lambda: len(world.routes.serving()) == 3, 3)
        assert len(world.launcher.launches) == 3

    run(scenario)


def test_a_lost_connection_alone_changes_nothing() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        before = environments(world)
        for agent in agents_of(world):
            agent.disconnect()
        await asyncio.sleep(20)
        assert environments(world) == before
        assert len(world.launcher.launches) == 3
        assert len(world.routes.serving()) == 3

    run(scenario)


def test_an_environment_that_ends_is_replaced() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        agent = agents_of(world)[0]
        victim = next(iter(agent.environments))
        failure = EnvironmentFailureReport("Runtime.ExitError", "FunctionError", "exit status 1", init=False)
        agent.fail(victim, failure)
        await world.until(lambda: victim not in world.routes.environments, 1)
        await world.until(lambda: len(world.routes.serving()) == 3, 5)
        assert victim not in {spec.environment_id for spec in agent.configured}
        assert len(world.launcher.launches) == 3

    run(scenario)


def test_instances_are_replaced_before_their_lifetime_ends_without_a_gap() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        first = set(world.launcher.agents)
        started = world.clock.monotonic()
        while set(world.launcher.agents) & first:
            await asyncio.sleep(0.5)
            assert len(world.routes.serving()) >= 3
            assert world.clock.monotonic() - started < 600, "an instance outlived its lifetime"
        assert world.clock.monotonic() - started >= 500

    run(scenario, instance_lifetime=timedelta(minutes=10))


def test_how_early_instances_are_replaced_can_be_set() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        first = set(world.launcher.agents)
        await asyncio.sleep(240)
        assert set(world.launcher.agents) == first
        await world.until(lambda: not set(world.launcher.agents) & first, 350)

    planning = replace(DEFAULT_SETTINGS, replacement_lead=timedelta(minutes=5), replacement_lead_share=0.5)
    run(scenario, instance_lifetime=timedelta(minutes=10), planning=planning)


def test_busy_slots_make_the_fleet_grow_and_quiet_lets_it_shrink() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        world.behaviour.in_flight = 14
        await world.until(lambda: len(world.routes.serving()) >= 6, 120)
        world.behaviour.in_flight = 0
        await world.until(lambda: len(world.routes.serving()) == 3, 3600)

    run(scenario)


def test_throttles_make_the_fleet_grow() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        key = FunctionVersionKey(FunctionName("thumbnail"), VersionName(PUBLISHED))
        for _ in range(30):
            world.throttles[key] = world.throttles.get(key, 0) + 50
            await asyncio.sleep(1)
        assert len(world.routes.serving()) > 3

    run(scenario)


def test_an_instance_nobody_knows_is_ended() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        known = world.launcher.launches[0]
        await world.launcher.launch(replace(known, instance_id=InstanceId("i-stray")))
        await world.until(lambda: InstanceId("i-stray") in world.launcher.terminated, 20)
        await asyncio.sleep(20)
        assert len(world.launcher.agents) == 3

    run(scenario)


def test_decisions_are_kept_with_their_reasons_and_shown() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        assert world.control_plane is not None
        status = await world.control_plane.status()
        provider = status["providers"][0]
        assert (provider["name"], provider["state"], provider["vcpu"]) == ("steady", "Active", 12)
        assert [instance["phase"] for instance in provider["instances"]] == ["running"] * 3
        assert [environment["function"] for environment in provider["environments"]] == [f"thumbnail:{PUBLISHED}"] * 3
        actions = [action for decision in provider["decisions"] for action in decision["actions"]]
        assert sum(action.startswith("launch m7i.xlarge") for action in actions) == 3
        assert any(action.startswith(f"serve thumbnail:{PUBLISHED}") for action in actions)
        assert all(decision["reasons"] for decision in provider["decisions"])
        assert json.loads(json.dumps(status)) == status

    run(scenario)


def test_a_minimum_that_the_ceiling_does_not_allow_is_shown_with_awss_words() -> None:
    async def scenario(world: World) -> None:
        await world.create_provider(CapacityProviderScalingConfig={"MaxVCpuCount": 12})
        await world.create_function()
        await world.publish()
        await world.until_state("Active")
        assert world.control_plane is not None
        assert (await world.control_plane.status())["providers"][0]["below_minimum"] == []

        wanted = {"MinExecutionEnvironments": 100, "MaxExecutionEnvironments": 100}
        at = {"FunctionName": "thumbnail", "Qualifier": PUBLISHED}
        await world.call("PutFunctionScalingConfig", FunctionScalingConfig=wanted, **at)
        await asyncio.sleep(30)

        (short,) = (await world.control_plane.status())["providers"][0]["below_minimum"]
        assert (short["function"], short["minimum"]) == (f"thumbnail:{PUBLISHED}", 100)
        assert 3 <= short["ready"] < 100
        assert any(text.startswith("MinimumExecutionEnvironments can't be provisioned") for text in short["reasons"])
        scaling = await world.call("GetFunctionScalingConfig", **at)
        assert scaling["RequestedFunctionScalingConfig"] == wanted
        assert scaling.get("AppliedFunctionScalingConfig") != wanted

        await world.call(
            "UpdateCapacityProvider",
            CapacityProviderName="steady",
            CapacityProviderScalingConfig={"MaxVCpuCount": 400},
        )
        await world.until(lambda: len(world.routes.serving()) == 100, 600)
        await asyncio.sleep(5)
        assert (await world.control_plane.status())["providers"][0]["below_minimum"] == []

    run(scenario)


def test_the_history_of_decisions_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddock.controlplane.plan_history.KEPT_PLANS", 3)

    async def scenario(world: World) -> None:
        await serving(world)
        for timeout in range(10, 16):
            await world.publish(timeout=timeout)

            async def successful() -> bool:
                return (await world.version()).last_update_status.value == "Successful"

            await world.until(successful, 60)
        kept = await world.store.read(lambda tx: tx.plans.select(provider="steady"))
        assert len(kept) == 3
        assert kept[0].number > 3

    run(scenario)


def test_a_function_that_moves_is_served_from_the_old_provider_until_the_new_one_is_ready() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        old = {route.instance_id for route in world.routes.serving()}
        await world.create_provider("other")
        world.behaviour.start_seconds = 3
        arn = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:other"
        managed = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": arn}}
        await world.call("UpdateFunctionConfiguration", FunctionName="thumbnail", CapacityProviderConfig=managed)
        await world.publish()
        with pytest.raises(ApiError, match="currently in use by 1 functions"):
            await world.call("DeleteCapacityProvider", CapacityProviderName="steady")

        async def moved() -> bool:
            assert len(world.routes.serving()) == 3
            return (await world.version()).last_update_status.value == "Successful"

        await world.until(moved, 60)
        new = {route.instance_id for route in world.routes.serving()}
        assert not new & old
        await world.until(lambda: len(environments(world)) == 3, 30)
        await world.call("DeleteCapacityProvider", CapacityProviderName="steady")
        await world.until(lambda: len(world.launcher.agents) == 3, 60)
        assert len(world.routes.serving()) == 3

    run(scenario)


def test_an_agent_that_holds_a_newer_configuration_gets_a_newer_one() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        agent = agents_of(world)[0]
        agent.generation = 90
        await world.publish(timeout=9)

        async def successful() -> bool:
            return (await world.version()).last_update_status.value == "Successful"

        await world.until(successful, 30)
        assert agent.generation > 90

    run(scenario)


def test_what_an_agent_refuses_for_itself_is_not_said_again_and_again() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        agent = agents_of(world)[0]
        before = len(agent.received)
        agent.say(ConfigurationRefused(agent.generation, agent.generation - 1, "an environment is named twice"))
        await asyncio.sleep(5)
        assert len(agent.received) == before

    run(scenario)


def test_functions_are_routed_before_their_creation_is_answered() -> None:
    async def scenario(world: World) -> None:
        await world.create_provider()
        await world.create_function()
        route = world.routes.functions["thumbnail"]
        assert isinstance(route, FunctionRoute)
        assert route.arn == "arn:aws:lambda:us-east-1:000000000000:function:thumbnail"
        assert route.default_version == PUBLISHED

    run(scenario)


def test_the_reconciler_of_a_provider_ends_with_it() -> None:
    async def scenario(world: World) -> None:
        await world.create_provider()
        await asyncio.sleep(1)
        assert world.control_plane is not None
        fleet = world.control_plane._fleet
        assert CapacityProviderName("steady") in fleet.reconcilers
        await world.call("DeleteCapacityProvider", CapacityProviderName="steady")
        await world.until(lambda: CapacityProviderName("steady") not in fleet.reconcilers, 5)

    run(scenario)
