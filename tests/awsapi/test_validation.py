from __future__ import annotations

from typing import Any

import pytest
from botocore.model import StructureShape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddock.awsapi.services import Services
from paddock.awsapi.validation import MOST_VIOLATIONS, validate
from paddock.model.errors import ApiError
from tests.awsapi.shapes import inputs

SERVICES = Services()
PROVIDER: dict[str, Any] = {
    "CapacityProviderName": "cp",
    "VpcConfig": {"SubnetIds": ["subnet-a"], "SecurityGroupIds": ["sg-default"]},
    "PermissionsConfig": {"CapacityProviderOperatorRoleArn": "arn:aws:iam::123456789012:role/operator"},
}
FUNCTION: dict[str, Any] = {"FunctionName": "f", "Role": "arn:aws:iam::123456789012:role/r", "Code": {}}


def message(operation: str, parameters: dict[str, Any], service: str = "lambda") -> str:
    model = SERVICES.named(service).model.operation_model(operation)
    with pytest.raises(ApiError) as caught:
        validate(model, parameters)
    assert caught.value.status in {400, None}
    return f"{caught.value.code}: {caught.value.message}"


def accepted(operation: str, parameters: dict[str, Any], service: str = "lambda") -> None:
    validate(SERVICES.named(service).model.operation_model(operation), parameters)


def one(text: str) -> str:
    return f"ValidationException: 1 validation error detected: {text}"


def test_what_satisfies_the_model_passes() -> None:
    accepted("CreateCapacityProvider", PROVIDER)
    accepted("CreateFunction", FUNCTION | {"Tags": {"équipe": "a b"}, "Timeout": 5400})
    accepted("ListFunctions", {})


def test_a_missing_member_is_named_with_its_path() -> None:
    assert message("CreateFunction", {"FunctionName": "f", "Code": {}}) == one(
        "Value null at 'role' failed to satisfy constraint: Member must not be null"
    )
    wanted = "capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig"
    assert message("UpdateFunctionConfiguration", {"FunctionName": "f", "CapacityProviderConfig": {}}) == one(
        f"Value null at '{wanted}' failed to satisfy constraint: Member must not be null"
    )


def test_ec2_names_what_is_missing_as_it_is_sent() -> None:
    missing = "MissingParameter: The request must contain the parameter"
    assert message("TerminateInstances", {}, "ec2") == f"{missing} InstanceId"
    assert message("RunInstances", {"MinCount": 1}, "ec2") == f"{missing} MaxCount"
    assert message("CreateTags", {"Resources": ["i-1"]}, "ec2") == f"{missing} Tag"
    assert message("DescribeInstanceTypes", {"MaxResults": 4}, "ec2").startswith("InvalidParameterValue: ")


def test_a_pattern_is_quoted() -> None:
    said = message("CreateCapacityProvider", PROVIDER | {"CapacityProviderName": "a b"})

    assert said.startswith(
        one("Value 'a b' at 'capacityProviderName' failed to satisfy constraint: ")
        + "Member must satisfy regular expression pattern: "
    )


def test_bounds_of_numbers_and_lengths() -> None:
    assert message("CreateFunction", FUNCTION | {"Timeout": 5401}) == one(
        "Value '5401' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 5400"
    )
    assert message("CreateFunction", FUNCTION | {"MemorySize": 1}) == one(
        "Value '1' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"
    )
    assert "Member must have length less than or equal to 256" in message(
        "CreateFunction", FUNCTION | {"Description": "x" * 257}
    )


def test_bounds_of_decimal_numbers_are_printed_as_decimals() -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:capacity-provider:cp"
    managed = {"CapacityProviderArn": arn, "ExecutionEnvironmentMemoryGiBPerVCpu": 9}
    config = {"LambdaManagedInstancesCapacityProviderConfig": managed}

    said = message("CreateFunction", FUNCTION | {"CapacityProviderConfig": config})

    assert "Value '9.0' at 'capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig." in said
    assert "Member must have value less than or equal to 8.0" in said


def test_an_enumeration_is_listed() -> None:
    assert message("PublishVersion", {"FunctionName": "f", "PublishTo": "x"}) == one(
        "Value 'x' at 'publishTo' failed to satisfy constraint: Member must satisfy enum value set: [LATEST_PUBLISHED]"
    )


def test_several_violations_are_reported_together() -> None:
    said = message("CreateFunction", FUNCTION | {"Timeout": 0, "MemorySize": 1})

    assert said.startswith("ValidationException: 2 validation errors detected: Value '")
    assert said.count(" failed to satisfy constraint: ") == 2
    assert "; Value '" in said


def test_a_list_of_single_values_is_reported_as_a_whole() -> None:
    assert message("CreateFunction", FUNCTION | {"Architectures": ["X86_64"]}) == one(
        "Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: "
        "[Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"
    )
    assert message("CreateFunction", FUNCTION | {"Architectures": ["x86_64", "arm64"]}) == one(
        "Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: "
        "Member must have length less than or equal to 1"
    )
    said = message("CreateFunction", FUNCTION | {"Layers": [None]})
    assert "Value '[null]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member" in said
    assert said.endswith(", Member must not be null]")


def test_a_list_of_structures_is_reported_one_by_one() -> None:
    filters = {"Filters": [{"Pattern": "ok"}, {"Pattern": "x" * 5000}]}
    mapping = {"FunctionName": "f", "FilterCriteria": filters}

    assert "at 'filterCriteria.filters.2.member.pattern' failed" in message("CreateEventSourceMapping", mapping)


def test_keys_and_values_of_a_map() -> None:
    said = message("TagResource", {"Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "Tags": {"": "x"}})
    assert "Value '{=x}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: [" in said

    alias = {"FunctionName": "f", "Name": "a", "FunctionVersion": "1"}
    weights = {"RoutingConfig": {"AdditionalVersionWeights": {"2": 1.5}}}
    assert message("CreateAlias", alias | weights) == one(
        "Value '{2=1.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: "
        "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, "
        "Member must have value greater than or equal to 0.0, Member must not be null]"
    )


def test_sensitive_values_are_not_repeated() -> None:
    said = message("CreateFunction", FUNCTION | {"Environment": {"Variables": {"1BAD": "hunter2"}}})

    assert "Value at 'environment.variables' failed" in said
    assert "hunter2" not in said


def test_lambda_words_an_unknown_runtime_in_its_own_way() -> None:
    said = message("CreateFunction", FUNCTION | {"Runtime": "cobol85"})

    assert said.startswith(
        "InvalidParameterValueException: Value cobol85 at 'runtime' failed to satisfy constraint: "
        "Member must satisfy enum value set: [nodejs, "
    )
    assert said.endswith("] or be a valid ARN")


def test_other_services_call_it_otherwise() -> None:
    assert message("CreateLogGroup", {"logGroupName": "a b"}, "logs").startswith("InvalidParameterException: 1 valid")
    assert message("AssumeRole", {"RoleArn": "x"}, "sts").startswith("ValidationError: 2 validation errors")


def test_the_report_is_bounded() -> None:
    filters = {"Filters": [{"Pattern": "x" * 5000}] * 1000}

    said = message("CreateEventSourceMapping", {"FunctionName": "f", "FilterCriteria": filters})

    assert said.startswith(f"ValidationException: {MOST_VIOLATIONS} validation errors detected")


@pytest.mark.parametrize("operation", SERVICES.named("lambda").model.operation_names)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_input_is_either_accepted_or_refused_as_aws_does(operation: str, data: st.DataObject) -> None:
    model = SERVICES.named("lambda").model.operation_model(operation)
    assert isinstance(model.input_shape, StructureShape)
    refusals = set()
    try:
        validate(model, data.draw(inputs(model.input_shape)))
    except ApiError as error:
        refusals = {error.code}
    assert refusals <= {"ValidationException", "InvalidParameterValueException"}
