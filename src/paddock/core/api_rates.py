"""How often Lambda's API may be called: one token bucket for each of AWS's quotas of requests per second.

Invocations are none of these: their limits are slots and concurrency. AWS publishes rates and says nothing of bursts; a
bucket holds what one second brings, at least one request. Pure: `now` is monotonic seconds of whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil


class ApiQuota(StrEnum):
    """As the quotas pages of Managed Instances (the first two) and of Lambda call them."""

    CAPACITY_PROVIDER_WRITES = "capacity provider write requests"
    CAPACITY_PROVIDER_READS = "capacity provider read requests"
    GET_FUNCTION = "GetFunction requests"
    CONTROL_PLANE = "control plane requests"


@dataclass(frozen=True, slots=True)
class ApiRates:
    """Requests per second, each above 0. The defaults are AWS's, of November 2026."""

    capacity_provider_writes: float = 1.0
    capacity_provider_reads: float = 15.0
    get_function: float = 100.0
    control_plane: float = 15.0

    def of(self, quota: ApiQuota) -> float:
        return {
            ApiQuota.CAPACITY_PROVIDER_WRITES: self.capacity_provider_writes,
            ApiQuota.CAPACITY_PROVIDER_READS: self.capacity_provider_reads,
            ApiQuota.GET_FUNCTION: self.get_function,
            ApiQuota.CONTROL_PLANE: self.control_plane,
        }[quota]


@dataclass(frozen=True, slots=True)
class ApiRateExceeded:
    """A refusal; after `retry_after_seconds`, whole and at least one, the bucket has a request again."""

    quota: ApiQuota
    retry_after_seconds: int
    reason: str


_ROUNDING = 1e-9
"""Tenths of seconds are no binary fractions: what adds up to one request is one."""

_QUOTAS: Mapping[str, ApiQuota] = {
    "CreateCapacityProvider": ApiQuota.CAPACITY_PROVIDER_WRITES,
    "UpdateCapacityProvider": ApiQuota.CAPACITY_PROVIDER_WRITES,
    "DeleteCapacityProvider": ApiQuota.CAPACITY_PROVIDER_WRITES,
    "GetCapacityProvider": ApiQuota.CAPACITY_PROVIDER_READS,
    "ListCapacityProviders": ApiQuota.CAPACITY_PROVIDER_READS,
    "ListFunctionVersionsByCapacityProvider": ApiQuota.CAPACITY_PROVIDER_READS,
    "GetFunction": ApiQuota.GET_FUNCTION,
}


def quota_of(operation: str) -> ApiQuota:
    """Of one of Lambda's operations that is no invocation. A version's scaling is set on the function, not on its
    provider.
    """
    return _QUOTAS.get(operation, ApiQuota.CONTROL_PLANE)


@dataclass(frozen=True, slots=True)
class _Bucket:
    tokens: float
    at: float


class ApiRateMeter:
    """The buckets. A refused request takes nothing: who keeps asking too soon is not held off any longer for it."""

    def __init__(self, rates: ApiRates) -> None:
        self._rates = rates
        self._buckets: dict[ApiQuota, _Bucket] = {}

    def take(self, operation: str, now: float) -> ApiRateExceeded | None:
        """One request of the operation; None when it may go on."""
        quota = quota_of(operation)
        rate = self._rates.of(quota)
        most = max(1.0, rate)
        bucket = self._buckets.get(quota, _Bucket(most, now))
        tokens = min(most, bucket.tokens + rate * max(0.0, now - bucket.at))
        latest = max(bucket.at, now)
        if tokens >= 1.0 - _ROUNDING:
            self._buckets[quota] = _Bucket(max(0.0, tokens - 1.0), latest)
            return None
        self._buckets[quota] = _Bucket(tokens, latest)
        wait = ceil((1.0 - tokens) / rate)
        return ApiRateExceeded(quota, max(1, wait), f"{quota.value} exceed {rate:g} per second")
