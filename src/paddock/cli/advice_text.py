"""Advice as a terminal shows it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from paddock.advisor.advice import Advice, MonthlyCost, Verdict, oldest_source
from paddock.advisor.aws_calculator import CalculatorAnswer
from paddock.advisor.candidates import Candidate
from paddock.advisor.report.timeline import Timeline
from paddock.catalogue.tables import STALE_AFTER_DAYS
from paddock.core.pricing.commitments import CommitmentPlan

_VERDICTS = {
    Verdict.MANAGED_INSTANCES: ("Lambda Managed Instances", "green"),
    Verdict.DEFAULT: ("default Lambda", "blue"),
    Verdict.TOO_CLOSE: ("too close to call", "yellow"),
}
SHOWN_COMMITMENTS = 6
_PLANS = {
    CommitmentPlan.COMPUTE_SAVINGS_PLAN: "Compute SP",
    CommitmentPlan.EC2_INSTANCE_SAVINGS_PLAN: "EC2 Instance SP",
    CommitmentPlan.RESERVED_INSTANCES: "Reserved Instances",
}


def print_advice(advice: Advice, timeline: Timeline | None, today: date, console: Console | None = None) -> None:
    console = console or Console()
    title, colour = _VERDICTS[advice.verdict]
    reasons = "\n".join(f"{number}. {reason}" for number, reason in enumerate(advice.reasons, start=1))
    console.print(Panel(reasons, title=f"[bold {colour}]{title}", title_align="left"))
    console.print(_costs(advice))
    console.print(_candidates(advice))
    console.print(_settings(advice), highlight=False)
    if timeline is not None:
        console.print(_simulated(advice, timeline), highlight=False)
    console.print(_commitments(advice))
    held = dict.fromkeys(f"{_PLANS[each.offer.plan]} {each.condition}" for each in advice.commitments)
    _list(console, "Plans", list(held))
    console.print(_sensitivity(advice))
    _list(console, "Assumed", advice.assumptions)
    _list(console, "Of the trace", advice.trace.notes)
    _list(console, "Mind", advice.warnings)
    _list(console, "Rules of thumb", advice.rules)
    _list(console, "Prices", [f"{s.title}, {s.as_of} ({s.confidence.value})" for s in advice.sources])
    age = oldest_source(advice, today)
    if age > STALE_AFTER_DAYS:
        console.print(f"[yellow]The oldest price is {age} days old: run `paddock prices refresh`.")


def _table(title: str, *headings: str) -> Table:
    """The first column are words, the others figures; narrow enough for a terminal of 80 columns."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _costs(advice: Advice) -> Table:
    table = _table("USD a month", "", "low", "middle", "high")
    for name, cost in (("managed instances", advice.managed_instances), ("default Lambda", advice.default)):
        table.add_row(name, *_three(cost))
    return table


def _three(cost: MonthlyCost) -> tuple[str, str, str]:
    return f"{cost.low:,.2f}", f"{cost.middle:,.2f}", f"{cost.high:,.2f}"


def _candidates(advice: Advice) -> Table:
    title = f"The best of {advice.considered:,} candidates, one of each family"
    table = _table(title, "type", "GB/vCPU", "slots", "envs", "inst.", "peak", "room", "p99 ms", "USD low-high")
    for candidate in advice.candidates:
        table.add_row(*_candidate_row(candidate))
    return table


def _candidate_row(candidate: Candidate) -> tuple[str, ...]:
    return (
        candidate.instance_type.name,
        f"{candidate.shape.memory_mb // 1024}/{candidate.shape.vcpu:g}",
        f"{candidate.shape.max_concurrency}",
        f"{candidate.sizing.peak}",
        f"{candidate.mean_instances:.1f}",
        f"{candidate.peak_instances}",
        f"×{candidate.sizing.headroom:.1f}",
        f"{candidate.sizing.p99_ms:,.0f}",
        f"{candidate.low_usd:,.0f}-{candidate.high_usd:,.0f}",
    )


def _settings(advice: Advice) -> str:
    best = advice.best
    daily = advice.daily
    schedule = (
        ""
        if daily is None
        else (
            f"\n          schedule: Min {daily.busy_minimum} from {daily.busy_from:02}:00, "
            f"Min {daily.quiet_minimum} from {daily.quiet_from:02}:00"
        )
    )
    return (
        f"[bold]Settings[/]  capacity provider: AllowedInstanceTypes {', '.join(advice.allowed_instance_types)}, "
        f"MaxVCpuCount {advice.cap.max_vcpu_count} ({advice.cap})\n"
        f"          function: MemorySize {best.shape.memory_mb}, GiB per vCPU {best.memory_gib_per_vcpu}, "
        f"concurrency {best.shape.max_concurrency}, MinExecutionEnvironments {advice.minimum_environments}{schedule}\n"
        f"          throttled before capacity follows: {advice.throttled_share:.3%} of requests; "
        f"default Lambda would have {advice.default_forecast.cold_starts:,.0f} cold starts a month"
    )


def _simulated(advice: Advice, timeline: Timeline) -> str:
    causes = ", ".join(f"{values.sum():,.0f} for want of {cause}" for cause, values in timeline.throttles.items())
    return (
        f"[bold]Simulated[/] through the real planner: {timeline.mean_instances:.2f} instances on average "
        f"({advice.best.mean_instances:.2f} estimated), {timeline.instances.max()} at most; CPU at most "
        f"{timeline.cpu_utilization.max():.0%}\n          throttled {timeline.throttled_share:.4%} of "
        f"{timeline.arrivals.sum():,.0f}: {causes}"
    )


def _commitments(advice: Advice) -> Table:
    title = "What a commitment would save, USD a month"
    table = _table(title, "plan", "promise/h", "covers/h", "saves low", "high", "of all")
    flexible = [each for each in advice.commitments if each.offer.follows_any_instance_type]
    bound = [each for each in advice.commitments if not each.offer.follows_any_instance_type]
    for each in [*flexible[:SHOWN_COMMITMENTS], *bound[:2]]:
        offer = each.offer
        table.add_row(
            f"{_PLANS[offer.plan]}, {offer.years} y, {offer.payment.value.replace('_', ' ')}",
            f"{each.promised_usd_per_hour:.3f}",
            f"{each.covered_usd_per_hour:.3f}",
            f"{each.saving_low_usd:,.0f}",
            f"{each.saving_high_usd:,.0f}",
            f"{each.effective_discount:.0%}",
        )
    return table


def _sensitivity(advice: Advice) -> Table:
    table = _table("What would change the answer", "input", "now", "flips at")
    for flip in advice.flips:
        at = "never, within 32 times" if flip.flips_at is None else f"{flip.flips_at:,.4g} {flip.unit}"
        table.add_row(flip.input_name, f"{flip.value:,.4g} {flip.unit}", at)
    return table


def _list(console: Console, heading: str, lines: tuple[str, ...] | list[str]) -> None:
    if lines:
        console.print(f"[bold]{heading}")
        for line in lines:
            console.print(f"  · {line}", highlight=False)


def print_calculator(answer: CalculatorAnswer, console: Console | None = None) -> None:
    console = console or Console()
    table = Table(title="As AWS's public calculator would answer", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    rows: list[tuple[str, object]] = [
        ("environments", answer.environments),
        ("slots in each", answer.concurrency_per_environment),
        ("MB each", answer.function_memory_mb),
        ("on each instance", answer.environments_per_instance),
        ("instances, before its buffer of a half", answer.base_instances),
        ("instances", answer.instances),
        ("managed instances, USD a month", f"{answer.managed_instances.total_usd:,}"),
        ("default Lambda, USD a month", f"{answer.default_lambda.total_usd:,}"),
    ]
    for name, value in rows:
        table.add_row(name, str(value))
    console.print(table)
    for line in differences(answer):
        console.print(f"  · {line}", highlight=False)


def differences(answer: CalculatorAnswer) -> tuple[str, ...]:
    """Where and why Paddock's own method differs."""
    mean = answer.mean_concurrency.quantize(Decimal("0.1"))
    return (
        f"it takes the concurrency as given; rate × duration is {mean} in flight on average",
        "one fleet for the whole month, sized for the peak; Paddock follows the traffic minute by minute",
        "a fixed buffer of a half; Paddock uses its scaler's targets, which hold room for a doubling",
        "three CPU shares; Paddock takes the CPU time you give or measure",
        "nine Graviton 3 types of one region; Paddock prices all types that fit",
        "default Lambda per 128 MB-ms rounded to two digits, about 2 % too much",
    )
