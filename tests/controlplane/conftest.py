import pytest

from tests.controlplane.harness import Harness


@pytest.fixture
def harness() -> Harness:
    return Harness()


@pytest.fixture
def ready(harness: Harness) -> Harness:
    """With the capacity provider `steady` and the function `thumbnail`."""
    harness.create_provider()
    harness.create_function()
    return harness
