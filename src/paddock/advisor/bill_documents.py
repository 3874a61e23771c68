"""`paddock bill`'s documents: a bill asked for in JSON or YAML, with the numbers given and no catalogue.

A discount is a fraction; a duration is the billed one (AWS rounds each invocation up to the next millisecond).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal

from paddock.advisor.documents import Document, Fields, Source, parse
from paddock.core.pricing.bill import Bill
from paddock.core.pricing.lambda_bill import (
    Extras,
    LambdaUsage,
    MissingRateError,
    ProvisionedConcurrency,
    ephemeral_storage_gb_seconds,
    gb_seconds,
    lambda_bill,
)
from paddock.core.pricing.lmi_bill import ManagedInstancesUsage, Surroundings, managed_instances_bill
from paddock.core.pricing.rates import FREE_EPHEMERAL_STORAGE_MB, MANAGEMENT_FEE_RATE, REQUESTS_USD_PER_MILLION
from paddock.model.capacity_provider import Architecture

NOTHING = Decimal(0)
LONGEST_INVOCATION_MS = 5_400_000  # 90 minutes, the longest timeout of any function
LARGEST_MEMORY_MB = 32_768
LARGEST_EPHEMERAL_STORAGE_MB = 32_768


@dataclass(frozen=True, slots=True)
class Answer:
    """`kind` is `lmi` or `lambda`, as it was asked."""

    kind: str
    bill: Bill


@dataclass(frozen=True, slots=True)
class Answers:
    members: tuple[Answer, ...]
    is_list: bool


def bills_of(source: Source) -> Answers:
    """The bill of every document. Raises InputError with file and line."""
    documents = parse(source)
    return Answers(tuple(_answer(document) for document in documents.members), documents.is_list)


def _answer(document: Document) -> Answer:
    given = Fields(document)
    kind = given.choice("kind", ("lmi", "lambda"))
    return Answer(kind, _managed_instances(given) if kind == "lmi" else _default_lambda(document, given))


def _managed_instances(given: Fields) -> Bill:
    usage = ManagedInstancesUsage(
        on_demand_usd_per_hour=given.number("on_demand_usd_per_hour"),
        instance_hours=given.number("instance_hours"),
        discount=given.number("discount", default=NOTHING, maximum=1),
        requests=given.number("requests", default=NOTHING),
        surroundings=Surroundings(**_optional_numbers(given, Surroundings)),
    )
    fee = given.number("management_fee_rate", default=MANAGEMENT_FEE_RATE, maximum=1)
    requests = given.number("requests_usd_per_million", default=REQUESTS_USD_PER_MILLION)
    given.finish()
    return managed_instances_bill(usage, management_fee_rate=fee, requests_usd_per_million=requests)


def _default_lambda(document: Document, given: Fields) -> Bill:
    requests = given.number("requests", default=NOTHING if given.has("gb_seconds") else None)
    amount, storage = _duration(document, given, requests)
    usage = LambdaUsage(
        requests=requests,
        gb_seconds=amount,
        architecture=Architecture(given.choice("architecture", list(Architecture), default=Architecture.X86_64)),
        free_tier=given.flag("free_tier"),
        ephemeral_storage_gb_seconds=storage,
        provisioned=_provisioned(given),
        extras=Extras(**_optional_numbers(given, Extras)),
        duration_discount=given.number("discount", default=NOTHING, maximum=1),
    )
    given.finish()
    try:
        return lambda_bill(usage)
    except MissingRateError as missing:
        document.refuse(str(missing), "architecture")


def _duration(document: Document, given: Fields, requests: Decimal) -> tuple[Decimal, Decimal]:
    """GB-seconds of memory and of ephemeral storage, either given outright or as requests × duration × size."""
    if given.has("gb_seconds"):
        for name in ("duration_ms", "memory_mb", "ephemeral_storage_mb"):
            if given.has(name):
                document.refuse(f"`gb_seconds` and `{name}` say the same twice: give one of them", name)
        storage = given.number("ephemeral_storage_gb_seconds", default=NOTHING)
        return given.number("gb_seconds"), storage
    duration_ms = given.number("duration_ms", maximum=LONGEST_INVOCATION_MS)
    memory_mb = given.number("memory_mb", minimum=1, maximum=LARGEST_MEMORY_MB)
    storage_mb = given.number(
        "ephemeral_storage_mb",
        default=Decimal(FREE_EPHEMERAL_STORAGE_MB),
        maximum=LARGEST_EPHEMERAL_STORAGE_MB,
    )
    return gb_seconds(requests, duration_ms, memory_mb), ephemeral_storage_gb_seconds(requests, duration_ms, storage_mb)


def _provisioned(given: Fields) -> ProvisionedConcurrency | None:
    if not given.has("provisioned_gb_seconds"):
        return None
    return ProvisionedConcurrency(
        gb_seconds=given.number("provisioned_gb_seconds"),
        duration_gb_seconds=given.number("provisioned_duration_gb_seconds", default=NOTHING),
    )


def _optional_numbers(given: Fields, shape: type[Surroundings | Extras]) -> dict[str, Decimal]:
    return {item.name: given.number(item.name, default=NOTHING) for item in fields(shape)}
