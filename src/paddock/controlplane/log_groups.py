"""CloudWatch Logs: groups and streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from paddock.awsapi.pagination import paginate
from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.model.errors import ApiError
from paddock.ports.logs import LogStream

T = TypeVar("T")

PAGE_ITEMS = 50
RETENTION_DAYS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)
_ARN_MARK = ":log-group:"


async def create_log_group(api: Api, call: Call) -> Answer:
    if not await api.logs.create_group(call.params["logGroupName"]):
        raise ApiError("ResourceAlreadyExistsException", "The specified log group already exists", status=400)
    return {}


async def delete_log_group(api: Api, call: Call) -> Answer:
    if not await api.logs.delete_group(call.params["logGroupName"]):
        raise group_not_found()
    return {}


async def create_log_stream(api: Api, call: Call) -> Answer:
    group = call.params["logGroupName"]
    await streams_of(api, group)
    if not await api.logs.create_stream(group, call.params["logStreamName"]):
        raise ApiError("ResourceAlreadyExistsException", "The specified log stream already exists", status=400)
    return {}


async def put_retention_policy(api: Api, call: Call) -> Answer:
    days = call.params["retentionInDays"]
    if days not in RETENTION_DAYS:
        raise invalid(f"retentionInDays must be one of {sorted(RETENTION_DAYS)}")
    if not await api.logs.set_retention(call.params["logGroupName"], days):
        raise group_not_found()
    return {}


async def delete_retention_policy(api: Api, call: Call) -> Answer:
    if not await api.logs.set_retention(call.params["logGroupName"], None):
        raise group_not_found()
    return {}


async def describe_log_groups(api: Api, call: Call) -> Answer:
    params = call.params
    prefix, pattern = params.get("logGroupNamePrefix", ""), params.get("logGroupNamePattern", "").lower()
    named = {group_name(each) for each in params.get("logGroupIdentifiers", ())}
    chosen = [
        group
        for group in await api.logs.groups()
        if group.name.startswith(prefix) and pattern in group.name.lower() and (not named or group.name in named)
    ]
    shown, token = _paged(chosen, params)
    groups: list[dict[str, Any]] = []
    for group in shown:
        arn = api.place.log_group_arn(group.name)
        described: dict[str, Any] = {
            "logGroupName": group.name,
            "creationTime": group.created_ms,
            "metricFilterCount": 0,
            "arn": f"{arn}:*",
            "logGroupArn": arn,
            "storedBytes": group.stored_bytes,
            "logGroupClass": "STANDARD",
        }
        if group.retention_days is not None:
            described["retentionInDays"] = group.retention_days
        groups.append(described)
    return {"logGroups": groups, "nextToken": token}


async def describe_log_streams(api: Api, call: Call) -> Answer:
    params = call.params
    group = group_of(call)
    prefix = params.get("logStreamNamePrefix", "")
    by_time = params.get("orderBy") == "LastEventTime"
    if by_time and prefix:
        raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    chosen = [stream for stream in await streams_of(api, group) if stream.name.startswith(prefix)]
    chosen.sort(
        key=lambda stream: ((stream.last_event_ms or 0) if by_time else 0, stream.name),
        reverse=params.get("descending", False),
    )
    shown, token = _paged(chosen, params)
    arn = api.place.log_group_arn(group)
    return {"logStreams": [_stream(stream, arn) for stream in shown], "nextToken": token}


def _stream(stream: LogStream, group_arn: str) -> dict[str, Any]:
    times = {
        "firstEventTimestamp": stream.first_event_ms,
        "lastEventTimestamp": stream.last_event_ms,
        "lastIngestionTime": stream.last_ingested_ms,
    }
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "arn": f"{group_arn}:log-stream:{stream.name}",
        "storedBytes": stream.stored_bytes,
        **{member: at for member, at in times.items() if at is not None},
    }


def group_of(call: Call) -> str:
    """The group a request names, by name or by ARN; exactly one of the two."""
    name, identifier = call.params.get("logGroupName"), call.params.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise invalid("Specify either logGroupName or logGroupIdentifier, and only one of them.")
    return str(name) if name is not None else group_name(str(identifier))


def group_name(identifier: str) -> str:
    if _ARN_MARK not in identifier:
        return identifier
    return identifier.partition(_ARN_MARK)[2].removesuffix(":*")


async def streams_of(api: Api, group: str) -> tuple[LogStream, ...]:
    """Raises `ApiError` when there is no such group."""
    found = await api.logs.streams(group)
    if found is None:
        raise group_not_found()
    return found


def group_not_found() -> ApiError:
    return ApiError("ResourceNotFoundException", "The specified log group does not exist.", status=400)


def invalid(text: str) -> ApiError:
    return ApiError("InvalidParameterException", text, status=400)


def _paged(items: Sequence[T], params: Any) -> tuple[list[T], str | None]:
    try:
        page = paginate(
            list(enumerate(items)), params.get("nextToken"), params.get("limit"), PAGE_ITEMS, lambda pair: pair[0]
        )
    except ApiError as error:
        raise invalid("The specified nextToken is invalid.") from error
    return [item for _, item in page.items], page.next_marker


OPERATIONS = (
    Operation("logs", "CreateLogGroup", create_log_group),
    Operation("logs", "DeleteLogGroup", delete_log_group),
    Operation("logs", "CreateLogStream", create_log_stream),
    Operation("logs", "PutRetentionPolicy", put_retention_policy),
    Operation("logs", "DeleteRetentionPolicy", delete_retention_policy),
    Operation("logs", "DescribeLogGroups", describe_log_groups),
    Operation("logs", "DescribeLogStreams", describe_log_streams),
)
