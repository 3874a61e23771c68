"""Processor sharing: equal shares, never more than a core each, and no work lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.simulator.processor_sharing import NEVER, SharedCpu


def test_one_alone_takes_its_cpu_time_however_many_cores_there_are() -> None:
    cpu: SharedCpu[str] = SharedCpu(4.0)
    cpu.add(1.0, 0.5, "a")

    assert cpu.next_at() == pytest.approx(1.5)
    assert cpu.pop(1.5) == "a"
    assert cpu.next_at() == NEVER


def test_two_on_one_core_take_twice_as_long() -> None:
    cpu: SharedCpu[str] = SharedCpu(1.0)
    cpu.add(0.0, 1.0, "a")
    cpu.add(0.5, 1.0, "b")

    assert cpu.next_at() == pytest.approx(1.5)
    assert cpu.pop(1.5) == "a"
    assert cpu.next_at() == pytest.approx(2.0)


def test_three_on_two_cores_get_two_thirds_each() -> None:
    cpu: SharedCpu[int] = SharedCpu(2.0)
    for number in range(3):
        cpu.add(0.0, 1.0, number)

    assert cpu.next_at() == pytest.approx(1.5)


@given(
    st.floats(0.25, 8),
    st.lists(st.tuples(st.floats(0, 10), st.floats(1e-3, 5)), min_size=1, max_size=40),
)
def test_all_work_is_done_and_never_faster_than_the_cores(cores: float, given: list[tuple[float, float]]) -> None:
    cpu: SharedCpu[int] = SharedCpu(cores)
    waiting = sorted(given)
    left = dict(enumerate(waiting))
    index, last = 0, 0.0
    while left:
        arrival = waiting[index][0] if index < len(waiting) else NEVER
        done = cpu.next_at()
        if arrival <= done:
            cpu.add(arrival, waiting[index][1], index)
            index += 1
            continue
        arrived, needed = left.pop(cpu.pop(done))
        assert done - arrived >= needed * (1 - 1e-6)
        last = done
    work = sum(needed for _, needed in given)
    assert cpu.core_seconds == pytest.approx(work, rel=1e-6)
    assert last - waiting[0][0] >= work / cores * (1 - 1e-6)
