"""EC2's errors, in EC2's codes and words; and the answer to a dry run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from paddock.model.errors import ApiError


def ec2_error(code: str, text: str) -> ApiError:
    return ApiError(code, text, status=400)


def check_dry_run(params: Mapping[str, Any]) -> None:
    """Raises what EC2 answers to a dry run of somebody who may."""
    if params.get("DryRun"):
        raise ApiError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412)


def none_is_missing(wanted: Collection[str], known: Collection[str], code: str, what: str) -> None:
    """Raises `ApiError` that names those of `wanted` which are not `known`; `what` is like `instance ID`."""
    missing = [each for each in dict.fromkeys(wanted) if each not in known]
    if len(missing) == 1:
        raise ec2_error(code, f"The {what} '{missing[0]}' does not exist")
    if missing:
        raise ec2_error(code, f"The {what}s '{', '.join(missing)}' do not exist")
