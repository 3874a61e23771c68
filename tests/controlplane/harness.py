"""A real boto3 client whose requests go through the real parser, checks and serialiser to the handlers; no sockets."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.config import Config

from paddock.awsapi.messages import Request
from paddock.awsapi.services import Services
from paddock.awsapi.validation import validate
from paddock.controlplane.api import Api
from paddock.controlplane.code_links import SignedCodeLinks
from paddock.controlplane.ec2.sightings import InstanceSightings
from paddock.controlplane.images import ImageIntake
from paddock.controlplane.inventory import Inventory
from paddock.controlplane.operations import OPERATIONS
from paddock.model.arns import Place
from paddock.model.capacity_provider import Architecture
from paddock.model.errors import ApiError
from paddock.model.ids import AccountId, CapacityProviderName, FunctionName, Region
from paddock.model.instance_types import InstanceType
from paddock.model.network import default_network
from paddock.model.runtimes import find_runtime
from paddock.ports.clock import SeededIds
from paddock.ports.objects import ObjectUnavailable
from paddock.runtimes.errors import InterpreterMissing
from paddock.runtimes.resolution import Resolution
from paddock.stores.code import MemoryCodeStore
from paddock.stores.memory import MemoryStore
from paddock.stores.memory_logs import MemoryLogStore
from paddock.stores.metrics import MemoryMetricStore
from tests.controlplane.played_images import PlayedImages

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PLACE = Place(Region("us-east-1"), AccountId("000000000000"))
ROLE = "arn:aws:iam::000000000000:role/anything"
STEADY = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:steady"
TYPES = (
    InstanceType("c7g.xlarge", 4, 8.0, Architecture.ARM64, cores=4),
    InstanceType("m7g.large", 2, 8.0, Architecture.ARM64, cores=2),
    InstanceType("m7i.xlarge", 4, 16.0, Architecture.X86_64, cores=2),
    InstanceType("r7i.2xlarge", 8, 64.0, Architecture.X86_64, cores=4),
)
OFFERED = tuple(each.name for each in TYPES)


def zipped(files: Mapping[str, str | bytes] | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (files or {"app.py": "def handler(event, context): return event"}).items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


class FixedClock:
    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


@dataclass
class Call:
    params: Mapping[str, Any]
    now: datetime


@dataclass
class FakeRuntimes:
    """Has Python, of 3.14 only a stand-in, Node.js and OS-only runtimes."""

    async def resolve(self, runtime: str) -> Resolution:
        found = find_runtime(runtime)
        if found is None or not runtime.startswith(("python", "nodejs", "provided")):
            raise InterpreterMissing(runtime, f"{runtime} is not here.", "Run: install it")
        exact = runtime != "python3.14"
        note = "" if exact else "No Python 3.14 was found: Python 3.13.1 stands in."
        return Resolution(found, None, None, "3.13.1", exact, note, "awslambdaric", "4.2.2")


@dataclass
class PlayedBuckets:
    """Objects by bucket and key, and what went wrong with some."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    failures: dict[tuple[str, str], Exception] = field(default_factory=dict)
    versions: list[str | None] = field(default_factory=list)

    async def fetch(self, bucket: str, key: str, version: str | None, max_bytes: int) -> bytes:
        self.versions.append(version)
        if (bucket, key) in self.failures:
            raise self.failures[bucket, key]
        if (bucket, key) not in self.objects:
            raise ObjectUnavailable("NoSuchKey", "The specified key does not exist.")
        return self.objects[bucket, key]


@dataclass
class HeardNews:
    providers: list[CapacityProviderName] = field(default_factory=list)
    functions: list[FunctionName] = field(default_factory=list)

    def provider_changed(self, name: CapacityProviderName) -> None:
        self.providers.append(name)

    async def function_changed(self, name: FunctionName) -> None:
        self.functions.append(name)


class Harness:
    def __init__(self) -> None:
        self.clock = FixedClock()
        self.store = MemoryStore()
        self.code = MemoryCodeStore()
        self.buckets = PlayedBuckets()
        self.logs = MemoryLogStore(self.clock)
        self.news = HeardNews()
        self.runtimes = FakeRuntimes()
        self.metrics = MemoryMetricStore()
        self.inventories: list[Inventory] = []
        self.links = SignedCodeLinks("secret", lambda: "http://127.0.0.1:4600", self.code)
        self.image_sources = PlayedImages()
        self.api = Api(
            images=ImageIntake(self.code, self.image_sources),
            store=self.store,
            code=self.code,
            objects=self.buckets,
            logs=self.logs,
            place=PLACE,
            network=default_network(PLACE.region),
            ids=SeededIds(1),
            runtimes=self.runtimes,
            fleet=self.news,
            links=self.links,
            arriving_code=asyncio.Lock(),
            metrics=self.metrics,
            instances=InstanceSightings(lambda: self.inventories, self.clock),
            offered_types=lambda: OFFERED,
            instance_types=lambda: TYPES,
        )
        self._handlers = {(each.service, each.name): each.handler for each in OPERATIONS}
        self._services = Services()

    @cached_property
    def client(self) -> Any:
        return self._connected("lambda")

    @cached_property
    def logs_client(self) -> Any:
        return self._connected("logs")

    @cached_property
    def ec2(self) -> Any:
        return self._connected("ec2")

    @cached_property
    def cloudwatch(self) -> Any:
        return self._connected("cloudwatch")

    def _connected(self, service: str) -> Any:
        session: Any = boto3
        client = session.client(
            service,
            region_name="us-east-1",
            endpoint_url="http://paddock.invalid",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
        )

        def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
            return asyncio.run(self._answered(service, request))

        client.meta.events.register("before-send", answer)
        return client

    async def _answered(self, service: str, sent: AWSPreparedRequest) -> AWSResponse:
        url = urlsplit(str(sent.url))
        headers = {
            name.lower().encode(): value if isinstance(value, bytes) else str(value).encode()
            for name, value in dict[str, Any](sent.headers.items()).items()
        }
        content: Any = sent.body or b""
        body = content if isinstance(content, bytes) else content.encode()
        request = Request(sent.method, sent.url.encode(), url.path, url.query, headers, body)
        parsed_service = self._services.named(service)
        codec = parsed_service.codec(request)
        try:
            parsed = parsed_service.parse(request)
            validate(parsed.model, parsed.parameters)
            handler = self._handlers[service, parsed.name]
            answer = await handler(self.api, Call(parsed.parameters, self.clock.now()))
            reply = codec.serialise(parsed.model, answer, "id")
        except ApiError as error:
            reply = codec.serialise_error(error, "id")
        headers_received: Any = HeadersDict(reply.headers)
        received: Any = AWSResponse(sent.url, reply.status, headers_received, io.BytesIO())
        received._content = reply.body
        return received  # type: ignore[no-any-return]

    # What most tests begin with

    def create_provider(self, name: str = "steady", **members: Any) -> dict[str, Any]:
        self.later()
        members.setdefault("VpcConfig", {"SubnetIds": ["subnet-a", "subnet-b", "subnet-c"], "SecurityGroupIds": []})
        members.setdefault("PermissionsConfig", {"CapacityProviderOperatorRoleArn": ROLE})
        answer: dict[str, Any] = self.client.create_capacity_provider(CapacityProviderName=name, **members)
        return answer

    def create_function(self, name: str = "thumbnail", **members: Any) -> dict[str, Any]:
        self.later()
        managed = members.pop("managed", {})
        members.setdefault("Runtime", "python3.13")
        members.setdefault("Handler", "app.handler")
        members.setdefault("Code", {"ZipFile": zipped()})
        members.setdefault(
            "CapacityProviderConfig",
            {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": STEADY, **managed}},
        )
        answer: dict[str, Any] = self.client.create_function(FunctionName=name, Role=ROLE, **members)
        return answer

    def store_tags(self) -> list[str]:
        """What has tags in the store, by ARN."""

        async def read() -> list[str]:
            return await self.store.read(lambda tx: [each.resource_arn for each in tx.tags.select()])

        return asyncio.run(read())

    def later(self, seconds: float = 1) -> None:
        self.clock.at += timedelta(seconds=seconds)
