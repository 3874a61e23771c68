"""Publishing, republishing and scaling configuration with real environments behind them."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import (
    QUICKLY,
    Server,
    create_function,
    create_provider,
    eventually,
    invoke,
    package,
    wait_active,
)

pytestmark = pytest.mark.e2e


def test_states_of_latest_and_of_a_publish(api: Any, provider: str) -> None:
    created = create_function(api, provider, "states", publish=False)
    assert created["State"] == "ActiveNonInvocable"
    assert created["LastUpdateStatus"] == "Successful"

    published = api.publish_version(FunctionName="states")

    assert published["Version"] == "1"
    assert (published["State"], published["StateReasonCode"]) == ("Pending", "Creating")
    wait_active(api, "states", "1")
    assert invoke(api, "states", {}, Qualifier="1")["version"] == "1"


def test_creating_a_provider_launches_nothing_and_a_publish_launches_three_over_three_zones(
    api: Any, server: Server
) -> None:
    arn = create_provider(api, "zones")
    assert _instances(server, "zones") == []

    create_function(api, arn, "zoned")

    instances = _instances(server, "zones")
    assert len(instances) == 3
    assert len({instance["zone"] for instance in instances}) == 3


def _instances(server: Server, provider: str) -> list[dict[str, Any]]:
    document = json.loads(server.paddock("status", "--output", "json").stdout)
    providers = {each["name"]: each for each in document["providers"]}
    return [instance for instance in providers[provider]["instances"] if instance["phase"] != "terminated"]


def test_a_republish_under_load_loses_no_invocation(api: Any, provider: str) -> None:
    create_function(api, provider, "republished", max_concurrency=8)
    outcomes: Counter[str] = Counter()
    stop = threading.Event()

    def drive() -> None:
        while not stop.is_set():
            try:
                answer = invoke(api, "republished", {"do": "wait", "seconds": 0.05})
                outcomes["error" if "error" in answer else "ok"] += 1
            except ClientError as error:
                outcomes[error.response["Error"]["Code"]] += 1

    drivers = [threading.Thread(target=drive) for _ in range(6)]
    for driver in drivers:
        driver.start()
    before = invoke(api, "republished", {})["environment"]
    for _ in range(2):
        api.update_function_code(
            FunctionName="republished",
            ZipFile=package("plain.py", "broken.py") if _ else package("plain.py", "exits.py"),
            Publish=True,
            PublishTo="LATEST_PUBLISHED",
        )
        api.get_waiter("function_updated_v2").wait(
            FunctionName="republished", Qualifier="$LATEST.PUBLISHED", WaiterConfig=QUICKLY
        )
        time.sleep(0.5)
    stop.set()
    for driver in drivers:
        driver.join()

    assert set(outcomes) == {"ok"}
    assert outcomes["ok"] > 20
    after = {invoke(api, "republished", {})["environment"] for _ in range(6)}
    assert before not in after


def test_requested_scaling_is_applied(api: Any, provider: str) -> None:
    create_function(api, provider, "scaled")

    api.put_function_scaling_config(
        FunctionName="scaled",
        Qualifier="$LATEST.PUBLISHED",
        FunctionScalingConfig={"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 1},
    )

    wanted = {"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 1}

    def read() -> Any:
        return api.get_function_scaling_config(FunctionName="scaled", Qualifier="$LATEST.PUBLISHED")

    assert read()["RequestedFunctionScalingConfig"] == wanted
    assert eventually(lambda: read().get("AppliedFunctionScalingConfig") == wanted)
    assert len({invoke(api, "scaled", {})["environment"] for _ in range(10)}) == 1


def test_a_cap_that_the_minimum_does_not_fit_fails_the_publish_with_awss_text(api: Any) -> None:
    arn = create_provider(api, "capped", CapacityProviderScalingConfig={"MaxVCpuCount": 2})
    create_function(api, arn, "too-many", publish=False)
    api.publish_version(FunctionName="too-many")

    def read() -> Any:
        return api.get_function_configuration(FunctionName="too-many", Qualifier="1")

    assert eventually(lambda: read()["State"] != "Pending")
    state = read()
    assert state["State"] == "Failed"
    assert state["StateReasonCode"] == "CapacityProviderScalingLimitExceeded"
    assert "has reached maxVCpuCount limit" in state["StateReason"]


def test_what_did_not_fit_can_be_published_when_the_ceiling_is_raised(api: Any) -> None:
    arn = create_provider(api, "raised", CapacityProviderScalingConfig={"MaxVCpuCount": 2})
    create_function(api, arn, "fits-later", publish=False)
    api.publish_version(FunctionName="fits-later")

    def state(version: str) -> Any:
        return api.get_function_configuration(FunctionName="fits-later", Qualifier=version)["State"]

    assert eventually(lambda: state("1") == "Failed")
    api.update_capacity_provider(
        CapacityProviderName="raised", CapacityProviderScalingConfig={"MaxVCpuCount": 12, "ScalingMode": "Auto"}
    )
    api.update_function_configuration(FunctionName="fits-later", Description="once more")
    published = api.publish_version(FunctionName="fits-later")

    assert published["Version"] == "2"
    wait_active(api, "fits-later", "2")
    assert invoke(api, "fits-later", {}, Qualifier="2")["version"] == "2"
    api.delete_function(FunctionName="fits-later")


def test_a_provider_in_use_cannot_be_deleted_and_can_be_afterwards(api: Any) -> None:
    arn = create_provider(api, "leaving")
    create_function(api, arn, "stays")

    with pytest.raises(ClientError, match="currently in use by 1 functions") as caught:
        api.delete_capacity_provider(CapacityProviderName="leaving")
    assert caught.value.response["Error"]["Code"] == "ResourceConflictException"
    assert api.delete_function(FunctionName="stays")["ResponseMetadata"]["HTTPStatusCode"] == 202

    def is_gone() -> bool:
        try:
            api.delete_capacity_provider(CapacityProviderName="leaving")
        except api.exceptions.ResourceConflictException:
            return False
        except api.exceptions.ResourceNotFoundException:
            return True
        return False

    assert eventually(is_gone)
