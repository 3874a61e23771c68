from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from paddock.simulator.kernel import VirtualClock
from paddock.simulator.loop import REAL_WAIT_SECONDS, Deadlock, run_virtually


def test_a_day_of_sleep_takes_no_time_and_the_clock_shows_it() -> None:
    clock = VirtualClock()

    async def sleep() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    assert run_virtually(sleep(), clock) == pytest.approx(86_400)
    assert clock.monotonic() == pytest.approx(86_400)


def test_sleepers_wake_in_order_of_their_times() -> None:
    woken: list[int] = []

    async def sleeper(seconds: int) -> None:
        await asyncio.sleep(seconds)
        woken.append(seconds)

    async def everybody() -> None:
        async with asyncio.TaskGroup() as group:
            for seconds in (30, 10, 20):
                group.create_task(sleeper(seconds))

    run_virtually(everybody(), VirtualClock())

    assert woken == [10, 20, 30]


def test_a_timeout_runs_out_in_virtual_time() -> None:
    clock = VirtualClock()

    async def wait() -> None:
        async with asyncio.timeout(3600):
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        run_virtually(wait(), clock)
    assert clock.monotonic() == pytest.approx(3600)


def test_waiting_for_nothing_is_an_error_and_no_hang() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run_virtually(wait(), VirtualClock())


def test_real_sockets_and_threads_are_served_before_time_goes_on() -> None:
    clock = VirtualClock()

    async def talk() -> tuple[bytes, int]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.sendall(b"hello")
            received = await asyncio.get_running_loop().sock_recv(ours, 16)
        return received, await asyncio.to_thread(lambda: 41 + 1)

    assert run_virtually(talk(), clock) == (b"hello", 42)


def test_virtual_time_stands_still_while_a_thread_works() -> None:
    clock = VirtualClock()
    may_end = threading.Event()

    def work() -> float:
        may_end.wait(10)
        return clock.seconds

    async def program() -> float:
        asyncio.get_running_loop().call_later(3600, lambda: None)
        threading.Timer(20 * REAL_WAIT_SECONDS, may_end.set).start()
        return await asyncio.to_thread(work)

    assert run_virtually(program(), clock) == 0


def test_two_runs_of_one_program_are_the_same_run() -> None:
    async def program() -> list[float]:
        times: list[float] = []

        async def tick(period: float) -> None:
            for _ in range(5):
                await asyncio.sleep(period)
                times.append(asyncio.get_running_loop().time())

        async with asyncio.TaskGroup() as group:
            group.create_task(tick(0.3))
            group.create_task(tick(0.7))
        return times

    assert run_virtually(program(), VirtualClock()) == run_virtually(program(), VirtualClock())
