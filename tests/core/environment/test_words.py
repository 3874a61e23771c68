import pytest

from paddock.core.environment import Invocation, InvocationPhase, RuntimeWorkers, runtime_workers


@pytest.mark.parametrize(
    ("runtime", "workers"),
    [
        ("python3.13", RuntimeWorkers.OWN_CONNECTION),
        ("java21", RuntimeWorkers.OWN_CONNECTION),
        ("nodejs22.x", RuntimeWorkers.MULTIPLEXED),
        ("dotnet8", RuntimeWorkers.MULTIPLEXED),
        ("provided.al2023", RuntimeWorkers.UNKNOWN),
        ("", RuntimeWorkers.UNKNOWN),
    ],
)
def test_each_language_holds_its_polls_in_its_own_way(runtime: str, workers: RuntimeWorkers) -> None:
    assert runtime_workers(runtime) is workers


def test_an_invocation_begins_with_nobody_running_it() -> None:
    invocation: Invocation[str, str] = Invocation("r1", "caller", 3.0)

    assert invocation.phase is InvocationPhase.HELD
    assert invocation.connection is None
