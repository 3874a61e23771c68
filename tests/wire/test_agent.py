from typing import get_args

import msgspec
import pytest

from paddock.wire import PROTOCOL_VERSION
from paddock.wire.agent import (
    AcknowledgeLogs,
    AgentConfiguration,
    AgentHello,
    AgentMessage,
    CodeChunk,
    ConfigurationAccepted,
    ConfigurationRefused,
    Configure,
    EnvironmentChanged,
    EnvironmentFailureReport,
    EnvironmentReport,
    EnvironmentSpec,
    FetchCode,
    InvokeHeader,
    LogBatch,
    LogRecord,
    Message,
    RenewCredentials,
    Report,
    ResultHeader,
    ServerHello,
    ServerMessage,
    Shutdown,
    SlotReleased,
    StreamHeader,
    agent_message_decoder,
    encoder,
    invoke_header_decoder,
    result_header_decoder,
    server_message_decoder,
    slot_released_decoder,
    stream_header_decoder,
)

SPEC = EnvironmentSpec(
    environment_id="env-1",
    function_name="f",
    function_arn="arn:aws:lambda:us-east-1:000000000000:function:f:1",
    version="1",
    revision="r1",
    runtime="python3.13",
    handler="app.handler",
    code_sha256="AAAA",
    memory_mb=2048,
    vcpu=1.0,
    max_concurrency=16,
    timeout_seconds=3.0,
    init_timeout_seconds=130.0,
    log_group="/aws/lambda/f",
    log_stream="stream",
    environment_variables={"A": "b"},
)
REPORT = EnvironmentReport(
    "env-1", "ended", failure=EnvironmentFailureReport("Runtime.ExitError", "FunctionError", "gone", init=False)
)
FROM_SERVER: list[ServerMessage] = [
    ServerHello("router", "secret", "server-1"),
    Configure(AgentConfiguration(3, (SPEC,))),
    CodeChunk("AAAA", 0, b"PK", last=True),
    AcknowledgeLogs(9),
    RenewCredentials({"AWS_ACCESS_KEY_ID": "AKIA"}),
    Shutdown(2.0),
]
FROM_AGENT: list[AgentMessage] = [
    AgentHello("i-1", "0.1", 42, 3, (SPEC,), "process"),
    ConfigurationAccepted(3),
    ConfigurationRefused(2, 3, "older"),
    Report("i-1", 3, 1.5, 0.5, 2.0, 1024, (REPORT,)),
    EnvironmentChanged(REPORT),
    FetchCode("AAAA"),
    LogBatch(1, "g", "s", (LogRecord(1, b"line"), LogRecord(2, b"\xff", "r-1"))),
]


def named(message: object) -> str:
    return type(message).__name__


@pytest.mark.parametrize("message", FROM_SERVER, ids=named)
def test_what_a_server_says_is_understood(message: ServerMessage) -> None:
    assert server_message_decoder.decode(encoder.encode(message)) == message


@pytest.mark.parametrize("message", FROM_AGENT, ids=named)
def test_what_an_agent_says_is_understood(message: AgentMessage) -> None:
    assert agent_message_decoder.decode(encoder.encode(message)) == message


def test_every_message_is_tried_above() -> None:
    assert {type(message) for message in FROM_SERVER} == set(get_args(ServerMessage))
    assert {type(message) for message in FROM_AGENT} == set(get_args(AgentMessage))
    assert set(Message.__subclasses__()) == {*get_args(ServerMessage), *get_args(AgentMessage)}


@pytest.mark.parametrize("message", FROM_AGENT, ids=named)
def test_neither_side_takes_the_others_words(message: AgentMessage) -> None:
    with pytest.raises(msgspec.ValidationError):
        server_message_decoder.decode(encoder.encode(message))


def test_data_headers_come_through() -> None:
    invoke = InvokeHeader("env-1", "r-1", "arn", 3000, streaming=True)
    result = ResultHeader("function_error", "Sandbox.Timedout", "application/json", 5, slot_held=True)
    assert invoke_header_decoder.decode(encoder.encode(invoke)) == invoke
    assert result_header_decoder.decode(encoder.encode(result)) == result
    assert stream_header_decoder.decode(encoder.encode(StreamHeader("text/plain"))) == StreamHeader("text/plain")
    released = SlotReleased("env-1", "r-1")
    assert slot_released_decoder.decode(encoder.encode(released)) == released


def test_a_log_record_of_an_older_writer_is_understood() -> None:
    """It had no request id."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([5, b"line"]), type=LogRecord) == LogRecord(5, b"line", "")


def test_a_hello_carries_the_version_even_when_it_is_ours() -> None:
    assert msgspec.msgpack.decode(encoder.encode(FROM_SERVER[0])).get("protocol_version", PROTOCOL_VERSION) == 1


def test_renewed_credentials_do_not_show_when_they_are_printed() -> None:
    assert "hush" not in repr(RenewCredentials({"AWS_SECRET_ACCESS_KEY": "hush"}))
