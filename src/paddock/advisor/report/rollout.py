"""The steps from advice to a service that runs, filled with the numbers of this advice."""

from __future__ import annotations

from paddock.advisor.advice import Advice


def rollout(advice: Advice) -> tuple[str, ...]:
    best, cap, trace = advice.best, advice.cap, advice.trace
    slots = best.environments_per_instance * best.shape.max_concurrency
    families = ", ".join(name.partition(".")[0] for name in advice.allowed_instance_types)
    low, high = advice.managed_instances.low, advice.managed_instances.high
    at_peak = f"{best.sizing.peak} environments on {best.peak_instances} instances"
    return (
        (
            f"The code takes {best.shape.max_concurrency} invocations at once in one environment: no shared state, "
            "unique names in /tmp, clients that are safe for it."
        ),
        (
            f"Subnets in three zones with addresses for {cap.max_vcpu_count // cap.vcpu_of_instance} instances; "
            "an endpoint for logs, or NAT."
        ),
        f"An EC2 quota of at least {cap.max_vcpu_count} vCPU for the families {families}.",
        f"Deploy with MinExecutionEnvironments {advice.minimum_environments}; wait until the version is Active.",
        (
            f"Send a tenth of the traffic ({trace.mean_per_second / 10:.3g}/s) for a day: p99 should be near "
            f"{best.sizing.p99_ms:,.0f} ms, CPU at the peak below {best.sizing.utilisation_at_peak:.0%}."
        ),
        f"Then all of it. One instance holds {slots} invocations; {trace.peak_per_second():.3g}/s need {at_peak}.",
        "Alarms on Throttles above 0, CPUUtilization above 80 %, vCPUAllocated above nine tenths of MaxVCpuCount.",
        f"After a month compare the bill with ${low:,.0f} to ${high:,.0f}, and commit only then.",
    )
