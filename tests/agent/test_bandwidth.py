import pytest

from paddock.agent.bandwidth import BURST_BYTES, BYTES_PER_SECOND, PAUSE_SECONDS, Bandwidth


def test_the_first_six_mebibytes_go_at_full_speed() -> None:
    bandwidth = Bandwidth(100.0)
    assert all(bandwidth.take(1024 * 1024, 100.0) == 0 for _ in range(6))
    assert bandwidth.take(1, 100.0) == PAUSE_SECONDS


def test_then_two_mebibytes_go_in_a_second() -> None:
    bandwidth = Bandwidth(0.0)
    bandwidth.take(BURST_BYTES, 0.0)
    now, sent = 0.0, 0
    while now < 10:
        sent += 64 * 1024
        now += bandwidth.take(64 * 1024, now)
    assert sent / now == pytest.approx(BYTES_PER_SECOND, rel=0.1)


def test_what_is_not_used_is_saved_up_to_the_burst() -> None:
    bandwidth = Bandwidth(0.0)
    assert bandwidth.take(BURST_BYTES, 1000.0) == 0
    assert bandwidth.take(BYTES_PER_SECOND, 1001.0) == 0
    assert bandwidth.take(BYTES_PER_SECOND, 1001.0) == 1.0
