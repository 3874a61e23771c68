"""One immutable plan for a capacity provider, made from one snapshot: what to launch, assign, drain and end, and why.

`plan` keeps nothing between calls: what it needs to know it reads off the snapshot, so planning again after a crash, or
twice, does no harm.
"""

from paddock.core.planning.plan import plan
from paddock.core.planning.settings import DEFAULT_SETTINGS, PlanIds, PlanningSettings

__all__ = ["DEFAULT_SETTINGS", "PlanIds", "PlanningSettings", "plan"]
