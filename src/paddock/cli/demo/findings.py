"""Puts the load's answers, the server's status and the catalogue's prices together into the report's figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from paddock.advisor.comparison import CostComparison, MeasuredTraffic, break_even_requests_per_second, compare_costs
from paddock.catalogue import Catalogue
from paddock.catalogue import load as load_catalogue
from paddock.cli.demo.report import CostRow, DecisionRow, EnvironmentRow, Report
from paddock.cli.demo.summary import summarise
from paddock.cli.load import Load
from paddock.core.pricing.bill import Bill
from paddock.model.ids import Region
from paddock.model.prices import Unknown

DEFAULT_LAMBDA_MEMORY_MB = 1024
"""What the same functions would plausibly be given on default Lambda: they are not bound to LMI's 2 GB minimum."""


def report_of(load: Load, status: dict[str, Any], region: str, notes: tuple[str, ...]) -> Report:
    providers = [each for each in status["providers"] if each["name"] == "paddock-demo"]
    instances = [each for provider in providers for each in provider["instances"] if each["phase"] == "running"]
    costs, cost_notes = _costs(load, instances, Region(region))
    return Report(
        load=summarise(load.answers, load.seconds),
        environments=tuple(_environments(load, providers)),
        instances=tuple(f"{each['instance_id']} {each['instance_type']} in {each['zone']}" for each in instances),
        decisions=tuple(_decisions(providers)),
        costs=costs,
        cost_notes=cost_notes,
        runtime_notes=notes,
    )


def _environments(load: Load, providers: Iterable[dict[str, Any]]) -> Iterable[EnvironmentRow]:
    served = Counter(answer.environment for answer in load.answers)
    for provider in providers:
        zones = {each["instance_id"]: each["zone"] for each in provider["instances"]}
        for each in provider["environments"]:
            stream = each["log_stream"]
            yield EnvironmentRow(
                environment=each["environment_id"],
                function_name=each["function"],
                instance_id=each["instance_id"],
                zone=zones.get(each["instance_id"], ""),
                invocations=served[stream],
                most_in_flight=each["peak_in_flight"],
                cold_starts=_cold_starts(load, stream, each.get("started_at")),
            )


def _cold_starts(load: Load, stream: str, started_at: float | None) -> int:
    """Invocations an environment served that were sent before its start: they must have waited for all of its init."""
    if started_at is None:
        return 0
    started_seconds = started_at - load.started_at.timestamp()
    return sum(answer.environment == stream and answer.sent_seconds < started_seconds for answer in tuple(load.answers))


def _decisions(providers: Iterable[dict[str, Any]]) -> Iterable[DecisionRow]:
    for provider in providers:
        for decision in provider["decisions"]:
            reasons = tuple(f"{each['subject']}: {each['text']}" for each in decision["reasons"])
            yield DecisionRow(datetime.fromisoformat(decision["at"]), tuple(decision["actions"]), reasons)


def _costs(load: Load, instances: list[dict[str, Any]], region: Region) -> tuple[tuple[CostRow, ...], tuple[str, ...]]:
    """A month of the load's traffic. The duration is what the caller saw, so it holds network and waiting too."""
    catalogue: Catalogue = load_catalogue()
    answered = [answer for answer in load.answers if answer.outcome == "ok"]
    names = Counter(each["instance_type"] for each in instances)
    known = catalogue.instance_type(region, names.most_common(1)[0][0]) if names else None
    if known is None or not answered:
        return (), ("no cost comparison: no running instance of a type the catalogue knows, or no answers",)
    traffic = MeasuredTraffic(
        requests_per_second=len(answered) / load.seconds,
        average_duration_ms=sum(answer.latency_ms for answer in answered) / len(answered),
        memory_mb=DEFAULT_LAMBDA_MEMORY_MB,
    )
    comparison = compare_costs(catalogue, region, known, len(instances), traffic)
    what = f"LMI: {len(instances)} × {known.name}, on demand"
    default = f"default Lambda: {traffic.average_duration_ms:.0f} ms at {DEFAULT_LAMBDA_MEMORY_MB} MB"
    rows = (_row(what, comparison.managed_instances), _row(default, comparison.default_lambda))
    return rows, tuple(_cost_notes(comparison, traffic, region))


def _row(what: str, bill: Bill | Unknown) -> CostRow:
    if isinstance(bill, Unknown):
        return CostRow(what, None, str(bill))
    return CostRow(what, float(bill.total_usd), "; ".join(f"{item.name} {item.usd:,.2f}" for item in bill.items))


def _cost_notes(comparison: CostComparison, traffic: MeasuredTraffic, region: Region) -> Iterable[str]:
    rate_text = f"{traffic.requests_per_second:.1f} requests a second around the clock"
    yield f"{rate_text}, {region}, without free tier or commitment"
    rate = break_even_requests_per_second(comparison, traffic)
    if rate is not None:
        yield f"both cost the same at {rate:,.0f} requests a second, if these instances can serve that many"
    for source in dict.fromkeys(comparison.sources):
        yield f"prices: {source.title}, {source.as_of}, confidence {source.confidence}"
