import asyncio
from dataclasses import replace
from typing import Any

import pytest

from paddock.model.fleet import ScalingBounds
from paddock.model.function import FunctionVersion, ServedRevision
from paddock.model.ids import FunctionName, FunctionVersionKey, RevisionId, VersionName
from paddock.model.states import FunctionState, LastUpdateStatus
from tests.controlplane.harness import Harness, zipped

PUBLISHED = "$LATEST.PUBLISHED"


def publish(harness: Harness, **members: Any) -> dict[str, Any]:
    answer: dict[str, Any] = harness.client.publish_version(FunctionName="thumbnail", **members)
    return answer


def change_latest(harness: Harness, timeout: int) -> None:
    harness.client.update_function_configuration(FunctionName="thumbnail", Timeout=timeout)


def stored(harness: Harness, version: str = PUBLISHED) -> FunctionVersion:
    key = FunctionVersionKey(FunctionName("thumbnail"), VersionName(version))
    found = asyncio.run(harness.store.read(lambda tx: tx.versions.get(key)))
    assert found is not None
    return found


def become(harness: Harness, version: str = PUBLISHED, **changes: Any) -> None:
    changed = replace(stored(harness, version), **changes)
    asyncio.run(harness.store.write(lambda tx: tx.versions.put(changed)))


def active(harness: Harness, version: str = PUBLISHED) -> None:
    now = stored(harness, version)
    become(
        harness,
        version,
        state=FunctionState.ACTIVE,
        last_update_status=LastUpdateStatus.SUCCESSFUL,
        serving=ServedRevision(now.revision, now.configuration),
    )


def test_numbers_count_up_and_are_pending(ready: Harness) -> None:
    first = publish(ready, Description="the first")
    assert first["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (first["Version"], first["State"], first["Description"]) == ("1", "Pending", "the first")
    change_latest(ready, 5)
    assert publish(ready)["Version"] == "2"


def test_nothing_changed_returns_the_previous_version(ready: Harness) -> None:
    first = publish(ready)
    again = publish(ready, Description="another description alone")
    assert (again["Version"], again["RevisionId"]) == ("1", first["RevisionId"])
    latest = publish(ready, PublishTo="LATEST_PUBLISHED")
    assert publish(ready, PublishTo="LATEST_PUBLISHED")["RevisionId"] == latest["RevisionId"]


def test_a_number_is_never_given_out_twice(ready: Harness) -> None:
    publish(ready)
    ready.client.delete_function(FunctionName="thumbnail", Qualifier="1")
    assert publish(ready)["Version"] == "2"


def test_what_failed_may_be_published_again_unchanged(ready: Harness) -> None:
    publish(ready)
    become(ready, "1", state=FunctionState.FAILED)
    assert publish(ready)["Version"] == "2"


def test_the_code_may_be_checked_by_its_hash(ready: Harness) -> None:
    with pytest.raises(
        ready.client.exceptions.InvalidParameterValueException, match=r"CodeSHA256 \(other\) is different"
    ):
        publish(ready, CodeSha256="other")
    publish(ready, CodeSha256=ready.code.name_of(zipped()))


def test_a_republish_keeps_serving_and_is_in_progress(ready: Harness) -> None:
    first = publish(ready, PublishTo="LATEST_PUBLISHED")
    assert (first["Version"], first["State"], first["LastUpdateStatus"]) == (PUBLISHED, "Pending", "Successful")
    active(ready)
    before = stored(ready)
    change_latest(ready, 7)
    again = publish(ready, PublishTo="LATEST_PUBLISHED")
    assert (again["State"], again["LastUpdateStatus"]) == ("Active", "InProgress")
    assert again["LastUpdateStatusReasonCode"] == "Updating"
    after = stored(ready)
    assert after.revision != before.revision
    assert after.serving == before.serving
    assert after.configuration.timeout_seconds == 7


def test_one_publish_at_a_time_to_latest_published(ready: Harness) -> None:
    publish(ready, PublishTo="LATEST_PUBLISHED")
    change_latest(ready, 7)
    with pytest.raises(
        ready.client.exceptions.ResourceConflictException, match="An update is in progress for resource"
    ):
        publish(ready, PublishTo="LATEST_PUBLISHED")


def test_a_failed_first_publish_begins_anew(ready: Harness) -> None:
    publish(ready, PublishTo="LATEST_PUBLISHED")
    become(ready, state=FunctionState.FAILED)
    again = publish(ready, PublishTo="LATEST_PUBLISHED")
    assert (again["State"], again["StateReasonCode"]) == ("Pending", "Creating")


def test_update_code_may_publish_in_the_same_call(ready: Harness) -> None:
    answer = ready.client.update_function_code(
        FunctionName="thumbnail", ZipFile=zipped({"a.py": "1"}), Publish=True, PublishTo="LATEST_PUBLISHED"
    )
    assert (answer["Version"], answer["CodeSha256"]) == (PUBLISHED, ready.code.name_of(zipped({"a.py": "1"})))


def test_a_provider_takes_only_so_many_versions(ready: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddock.controlplane.publishing.MAX_VERSIONS_PER_PROVIDER", 2)
    publish(ready)
    publish(ready, PublishTo="LATEST_PUBLISHED")
    change_latest(ready, 7)
    with pytest.raises(ready.client.exceptions.FunctionVersionsPerCapacityProviderLimitExceededException):
        publish(ready)
    active(ready)
    publish(ready, PublishTo="LATEST_PUBLISHED")


def test_nothing_is_put_on_a_provider_that_goes(ready: Harness) -> None:
    ready.create_provider("other")
    arn = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:other"
    ready.client.delete_capacity_provider(CapacityProviderName="other")
    managed = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": arn}}
    refused = ready.client.exceptions.ResourceConflictException
    with pytest.raises(refused, match="is being deleted"):
        ready.client.update_function_configuration(FunctionName="thumbnail", CapacityProviderConfig=managed)
    with pytest.raises(refused, match="is being deleted"):
        ready.create_function("other", CapacityProviderConfig=managed)


def test_versions_are_listed_in_order_and_in_pages(ready: Harness) -> None:
    publish(ready, PublishTo="LATEST_PUBLISHED")
    for timeout in range(10, 21):
        change_latest(ready, timeout)
        publish(ready)
    paginator = ready.client.get_paginator("list_versions_by_function")
    pages = list(paginator.paginate(FunctionName="thumbnail", PaginationConfig={"PageSize": 5}))
    versions = [version["Version"] for page in pages for version in page["Versions"]]
    assert versions == ["$LATEST", PUBLISHED, *(str(number) for number in range(1, 12))]


# Scaling configuration


def put(harness: Harness, minimum: int | None = None, maximum: int | None = None) -> str:
    bounds = {"MinExecutionEnvironments": minimum, "MaxExecutionEnvironments": maximum}
    answer = harness.client.put_function_scaling_config(
        FunctionName="thumbnail",
        Qualifier=PUBLISHED,
        FunctionScalingConfig={name: value for name, value in bounds.items() if value is not None},
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    return str(answer["FunctionState"])


def shown(harness: Harness) -> dict[str, Any]:
    answer: dict[str, Any] = harness.client.get_function_scaling_config(FunctionName="thumbnail", Qualifier=PUBLISHED)
    del answer["ResponseMetadata"], answer["FunctionArn"]
    return answer


def test_scaling_waits_for_the_version(ready: Harness) -> None:
    with pytest.raises(ready.client.exceptions.ResourceNotFoundException):
        put(ready, 1, 5)
    publish(ready, PublishTo="LATEST_PUBLISHED")
    with pytest.raises(ready.client.exceptions.ResourceConflictException, match="following state: Pending"):
        put(ready, 1, 5)
    become(ready, state=FunctionState.FAILED)
    with pytest.raises(ready.client.exceptions.ResourceConflictException, match="following state: Failed"):
        put(ready, 1, 5)


@pytest.fixture
def served(ready: Harness) -> Harness:
    publish(ready, PublishTo="LATEST_PUBLISHED")
    active(ready)
    return ready


def test_what_is_requested_is_shown_beside_what_is_applied(served: Harness) -> None:
    assert shown(served) == {}
    become(served, applied_scaling=ScalingBounds(3, 9))
    assert put(served, 5, 50) == "Active"
    assert shown(served) == {
        "AppliedFunctionScalingConfig": {"MinExecutionEnvironments": 3, "MaxExecutionEnvironments": 9},
        "RequestedFunctionScalingConfig": {"MinExecutionEnvironments": 5, "MaxExecutionEnvironments": 50},
    }


def test_a_limit_left_out_returns_to_its_default(served: Harness) -> None:
    put(served, 5)
    assert shown(served) == {"RequestedFunctionScalingConfig": {"MinExecutionEnvironments": 5}}
    put(served, None, 7)
    assert shown(served) == {
        "RequestedFunctionScalingConfig": {"MinExecutionEnvironments": 3, "MaxExecutionEnvironments": 7}
    }


def test_a_put_without_limits_resets(served: Harness) -> None:
    become(served, applied_scaling=ScalingBounds(5, 9))
    put(served)
    assert shown(served) == {}
    assert stored(served).bounds == ScalingBounds()


@pytest.mark.parametrize(
    ("minimum", "maximum", "text"),
    [
        (6, 5, "must not be greater"),
        (None, 2, "is 3 where it is not specified"),
        (0, 5, "can be 0 only when"),
        (0, None, "can be 0 only"),
    ],
)
def test_impossible_limits_are_refused(served: Harness, minimum: int | None, maximum: int | None, text: str) -> None:
    with pytest.raises(served.client.exceptions.InvalidParameterValueException, match=text):
        put(served, minimum, maximum)
    assert shown(served) == {}


def test_zero_and_zero_deactivates_and_anything_else_brings_it_back(served: Harness) -> None:
    assert put(served, 0, 0) == "Deactivating"
    become(served, state=FunctionState.DEACTIVATED, serving=None)
    assert put(served, 1, 3) == "Pending"
    assert stored(served).serving is None


def test_limits_stay_with_latest_published_and_new_numbers_begin_with_defaults(served: Harness) -> None:
    become(served, applied_scaling=ScalingBounds(5, 9))
    change_latest(served, 9)
    publish(served, PublishTo="LATEST_PUBLISHED")
    publish(served)
    assert stored(served).bounds == ScalingBounds(5, 9)
    assert stored(served, "1").bounds == ScalingBounds()


def test_a_policy_stays_with_latest_published_and_new_numbers_begin_without_one(served: Harness) -> None:
    for qualifier in ({}, {"Qualifier": PUBLISHED}):
        served.client.add_permission(
            FunctionName="thumbnail",
            StatementId="bucket",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            **qualifier,
        )
    change_latest(served, 9)
    publish(served, PublishTo="LATEST_PUBLISHED")
    publish(served)
    policy = served.client.get_policy(FunctionName=f"thumbnail:{PUBLISHED}")["Policy"]
    assert f"function:thumbnail:{PUBLISHED}" in policy
    assert (len(stored(served).permissions), stored(served, "1").permissions) == (1, ())


def test_a_deactivated_version_takes_new_code_without_waking(served: Harness) -> None:
    become(served, state=FunctionState.DEACTIVATED, serving=None, applied_scaling=ScalingBounds(0, 0))
    before = stored(served).revision
    change_latest(served, 9)
    answer = publish(served, PublishTo="LATEST_PUBLISHED")
    assert (answer["State"], answer["LastUpdateStatus"]) == ("Deactivated", "Successful")
    assert stored(served).revision not in (before, RevisionId(""))


def test_scaling_takes_no_alias_and_no_latest(served: Harness) -> None:
    for qualifier in ("$LATEST", "live"):
        with pytest.raises(Exception, match="ValidationException"):
            served.client.put_function_scaling_config(FunctionName="thumbnail", Qualifier=qualifier)
