"""The metadata and the credential endpoint, asked as functions ask them, and by AWS's SDK for Python."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.credentials import ContainerProvider, RefreshableCredentials, create_credential_resolver
from botocore.session import Session

from paddock.agent.limits import ENDPOINT_HEAD_BYTES
from paddock.agent.metadata import CREDENTIALS_PATH, METADATA_PATH, EndpointAccess
from paddock.wire.agent import RenewCredentials
from tests.agent.instances import PlayedInstance, Reply, RuntimeClient, eventually, played_instance

METADATA, CREDENTIALS = METADATA_PATH.decode(), CREDENTIALS_PATH.decode()
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAONE", "AWS_SECRET_ACCESS_KEY": "one"}


async def access(instance: PlayedInstance) -> EndpointAccess:
    spec = await instance.configured(credentials=KEYS)
    found = instance.runtimes.invitations[spec.environment_id].endpoints
    assert found is not None
    return found


async def asked(found: EndpointAccess, path: str, authorization: str | None = None, method: str = "GET") -> Reply:
    client = await RuntimeClient.connect(found.api)
    try:
        body = b"{}" if method == "POST" else None
        return await client.call(method, path, body, {} if authorization is None else {"Authorization": authorization})
    finally:
        client.close()


async def test_the_metadata_endpoint_tells_the_zone_to_who_has_the_token() -> None:
    async with played_instance() as instance:
        found = await access(instance)
        reply = await asked(found, METADATA, f"Bearer {found.token}")
        assert (reply.status, json.loads(reply.body)) == (200, {"AvailabilityZoneID": "use1-az1"})
        assert reply.headers["cache-control"] == "private, max-age=43200, immutable"
        assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic x", "{token}"])
async def test_without_the_token_the_zone_is_not_told(authorization: str | None) -> None:
    async with played_instance() as instance:
        found = await access(instance)
        said = None if authorization is None else authorization.format(token=found.token)
        assert (await asked(found, METADATA, said)).status == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
async def test_other_methods_are_not_allowed(method: str) -> None:
    async with played_instance() as instance:
        found = await access(instance)
        reply = await asked(found, METADATA, f"Bearer {found.token}", method)
        assert (reply.status, reply.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize("path", ["/", "/2018-06-01/ping", METADATA + "/", "/2026-01-15/metadata/"])
async def test_other_paths_are_not_found(path: str) -> None:
    async with played_instance() as instance:
        found = await access(instance)
        assert (await asked(found, path, f"Bearer {found.token}")).status == 404


async def test_the_token_of_an_ended_environment_opens_nothing() -> None:
    async with played_instance() as instance:
        found = await access(instance)
        instance.server.configure()
        await instance.server.phase_of("env-1", "ended")
        assert (await asked(found, METADATA, f"Bearer {found.token}")).status == 401
        assert (await asked(found, CREDENTIALS, found.token)).status == 401


async def test_credentials_are_those_the_server_said_last() -> None:
    async with played_instance() as instance:
        found = await access(instance)
        first = json.loads((await asked(found, CREDENTIALS, found.token)).body)
        assert (first["AccessKeyId"], first["SecretAccessKey"], first["Token"]) == ("AKIAONE", "one", "")
        expires = datetime.strptime(first["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        assert timedelta(0) < expires - datetime.now(UTC) < timedelta(hours=2)
        renewed = {"AWS_ACCESS_KEY_ID": "ASIATWO", "AWS_SECRET_ACCESS_KEY": "two", "AWS_SESSION_TOKEN": "t"}
        instance.server.send(RenewCredentials({**renewed, "AWS_CREDENTIAL_EXPIRATION": "2027-01-01T00:00:00Z"}))
        instance.server.configure(generation=instance.agent._ledger.generation + 1)
        await eventually(lambda: instance.agent._ledger.environments == ())
        found = await instance.agent._facilities.endpoints.admit("another")
        second = json.loads((await asked(found, CREDENTIALS, found.token)).body)
        assert (second["AccessKeyId"], second["SecretAccessKey"], second["Token"]) == ("ASIATWO", "two", "t")
        assert second["Expiration"] == "2027-01-01T00:00:00Z"


async def test_boto3_finds_and_renews_credentials_through_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    async with played_instance() as instance:
        found = await access(instance)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", found.credentials_url)
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", found.token)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        resolver = create_credential_resolver(Session())
        [provider] = [one for one in resolver.providers if isinstance(one, ContainerProvider)]
        credentials = await asyncio.to_thread(provider.load)
        assert credentials is not None
        frozen = await asyncio.to_thread(credentials.get_frozen_credentials)
        assert (frozen.access_key, frozen.secret_key) == ("AKIAONE", "one")
        instance.server.send(RenewCredentials({"AWS_ACCESS_KEY_ID": "AKIATWO", "AWS_SECRET_ACCESS_KEY": "two"}))
        await eventually(lambda: b"AKIATWO" in (instance.agent._credentials.document(0.0) or b""))
        assert isinstance(credentials, RefreshableCredentials)
        most_of_the_hour_later = datetime.now(UTC) + timedelta(minutes=59)
        monkeypatch.setattr(credentials, "_time_fetcher", lambda: most_of_the_hour_later)
        frozen = await asyncio.to_thread(credentials.get_frozen_credentials)
        assert (frozen.access_key, frozen.secret_key) == ("AKIATWO", "two")


@pytest.mark.parametrize("sent", [b"\0\1\2\r\n\r\n", b"GET\r\n\r\n", b"x" * (ENDPOINT_HEAD_BYTES + 1)])
async def test_what_is_no_request_is_answered_and_closed(sent: bytes) -> None:
    async with played_instance() as instance:
        found = await access(instance)
        client = await RuntimeClient.connect(found.api)
        client.writer.write(sent)
        assert (await client.reply()).status in {400, 431}
        assert await client.closed()
        client.close()


async def test_connections_that_do_not_ask_give_way_to_who_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddock.agent.metadata.ENDPOINT_CONNECTIONS", 4)
    async with played_instance() as instance:
        found = await access(instance)
        idle = [await RuntimeClient.connect(found.api) for _ in range(8)]
        assert (await asked(found, METADATA, f"Bearer {found.token}")).status == 200
        assert [await client.closed() for client in idle[:5]] == [True] * 5
        for client in idle:
            client.close()


async def test_who_does_not_ask_in_time_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddock.agent.metadata.ENDPOINT_SECONDS", 0.01)
    async with played_instance() as instance:
        client = await RuntimeClient.connect((await access(instance)).api)
        client.writer.write(b"GET /")
        assert await client.closed()
        client.close()


def test_secrets_do_not_show_when_access_is_printed() -> None:
    assert "hush" not in repr(EndpointAccess("127.0.0.1:1", "hush"))
