"""Pages of EC2's lists, with EC2's limits and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from paddock.awsapi.pagination import Page, paginate
from paddock.controlplane.ec2.errors import ec2_error
from paddock.controlplane.ec2.filters import Shown
from paddock.model.errors import ApiError

MOST_ITEMS = 1000
LEAST_ASKED_FOR = 5


def paged(items: Iterable[Shown], params: Mapping[str, Any], key: Callable[[Shown], str]) -> Page[Shown]:
    """Everything on one page unless the request bounds it. Raises `ApiError`."""
    most = params.get("MaxResults")
    if most is not None and most < LEAST_ASKED_FOR:
        text = (
            f"Value ( {most} ) for parameter maxResults is invalid. Expecting a value greater than {LEAST_ASKED_FOR}."
        )
        raise ec2_error("InvalidParameterValue", text)
    try:
        return paginate(items, params.get("NextToken"), min(most or MOST_ITEMS, MOST_ITEMS), MOST_ITEMS, key)
    except ApiError as error:
        raise ec2_error(
            "InvalidPaginationToken", "The specified pagination token is not valid or is expired."
        ) from error


def without_bounds(params: Mapping[str, Any], ids: str, parameter: str) -> None:
    """Raises `ApiError` when explicit ids and MaxResults come together; EC2 takes only one of them."""
    if params.get(ids) and params.get("MaxResults") is not None:
        text = f"The parameter {parameter} cannot be used with the parameter maxResults"
        raise ec2_error("InvalidParameterCombination", text)
