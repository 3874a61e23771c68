import msgspec
import pytest

from paddock.core.environment.slots import SlotSettings
from paddock.wire.bootstrap import AgentBootstrap, decode_bootstrap, encode_bootstrap

BOOTSTRAP = AgentBootstrap(
    instance_id="i-1",
    provider="pool",
    zone="us-east-1a",
    subnet_id="subnet-a",
    address="unix:/run/agent.sock",
    token="secret",
    directory="/data/instances/i-1",
    data_dir="/data",
    entitled_cores=0.5,
    strict_cpu=True,
    vcpu=4,
    memory_mb=16384,
    region="us-east-1",
    account_id="000000000000",
    fence_after_seconds=15.0,
    slots=SlotSettings(settling_seconds=3.0, leaked_seconds=5.0),
)


def test_a_bootstrap_comes_through() -> None:
    assert decode_bootstrap(encode_bootstrap(BOOTSTRAP)) == BOOTSTRAP


def test_its_token_is_not_shown() -> None:
    assert "secret" not in repr(BOOTSTRAP)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"instance_id": 1}'])
def test_what_is_no_bootstrap_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_bootstrap(text)
