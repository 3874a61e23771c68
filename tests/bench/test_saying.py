"""A terminal sees one line that changes; a log gets one for each part, and no carriage returns."""

from __future__ import annotations

from io import StringIO

from bench import saying


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_that_is_written_over() -> None:
    terminal = _Terminal()
    saying.now("round 1", begins=True, to=terminal)
    saying.now("round 2", to=terminal)
    saying.done(terminal)
    first, second = terminal.getvalue().lstrip("\r").split("\r")
    assert (first.strip(), second.strip()) == ("round 1", "round 2")
    assert len(first) >= len("round 2")
    assert terminal.getvalue().endswith("\n")


def test_a_log_gets_a_line_for_what_begins() -> None:
    log = StringIO()
    saying.now("Python: round 1", begins=True, to=log)
    saying.now("Python: round 1, 8 in flight", to=log)
    saying.done(log)
    assert log.getvalue() == "Python: round 1\n"
