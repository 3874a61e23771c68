"""Default Lambda's decisions: who may run now, which environments to start for whom, which to keep, which to end.

Same plans and same environments as managed instances; what differs is that an invocation starts what it needs and waits
for it.
"""

from paddock.core.on_demand.concurrency import Concurrency, ThrottleReason
from paddock.core.on_demand.plan import plan_on_demand
from paddock.core.on_demand.snapshot import OnDemandSettings, OnDemandSnapshot, OnDemandVersion

__all__ = ["Concurrency", "OnDemandSettings", "OnDemandSnapshot", "OnDemandVersion", "ThrottleReason", "plan_on_demand"]
