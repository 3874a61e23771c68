"""What strace counts becomes calls by kind."""

from __future__ import annotations

from bench.syscalls import HEADINGS, cells, counted

SUMMARY = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 55.28    0.016482           2      6018           write
 30.00    0.008945           1      4000        12 recvfrom
 10.00    0.002982           1      2000           epoll_pwait
  4.72    0.001407           1       100         4 getsockname
------ ----------- ----------- --------- --------- ----------------
100.00    0.029816           2     12118        16 total
"""


def test_calls_are_counted_by_kind_with_and_without_errors() -> None:
    assert counted(SUMMARY) == {"reads": 4000, "writes": 6018, "polls": 2000, "futex": 0, "other calls": 100}


def test_a_line_holds_the_medians_of_its_rounds() -> None:
    rounds = [{"server": dict.fromkeys(HEADINGS[3:], value)} for value in (1.0, 3.0, 2.0)]
    assert cells({(16, "limit"): rounds}) == [
        HEADINGS,
        ("16", "limit", "server", *["2.00"] * 8, "2", "2"),
    ]
