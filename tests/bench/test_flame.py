"""Stacks as perf prints them become one picture."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from bench.flame import SHARES, Box, boxes, folded, picture, shares

SCRIPT = """    7
\tffffffff81000000 tcp_sendmsg+0x10 ([kernel.kallsyms])
\t00007f0000000001 write+0x5f (/usr/lib/libc.so.6)
\t00007f0000000002 uv__stream_io+0x20 (/venv/uvloop/loop.so)
\t00007f0000000003 main+0x1 (/usr/bin/python3)

    7
\t00007f0000000004 [unknown] (/venv/parser.so)
\t00007f0000000002 uv__stream_io+0x20 (/venv/uvloop/loop.so)
\t00007f0000000005 [unknown] ([unknown])

    8
\t00007f0000000006 idle+0x1 (/usr/bin/other)

"""


def test_equal_stacks_are_counted_together_from_the_loop_on() -> None:
    assert folded(SCRIPT, {7: "server"}) == {
        ("server", "uv__stream_io [loop.so]", "write [libc.so.6]", "tcp_sendmsg [kernel]"): 1,
        ("server", "uv__stream_io [loop.so]", "? [parser.so]"): 1,
    }


def test_each_process_has_its_shares_by_whose_code_it_was_in() -> None:
    stacks = {
        ("server", "a [x]", "tcp_sendmsg [kernel]"): 1,
        ("server", "f [libpython3.11.so.1.0]"): 2,
        ("server", "g [y.so]"): 1,
    }
    assert shares(stacks) == [
        ("process", *SHARES, "other"),
        ("server", "25", "50", "0", "0", "0", "0", "0", "25"),
    ]


def test_a_box_is_as_wide_as_the_samples_above_it() -> None:
    assert boxes({("a", "b"): 2, ("a", "c", "d"): 3, ("e",): 1}) == [
        Box(0, 0, 5, "a"),
        Box(1, 0, 2, "b"),
        Box(1, 2, 3, "c"),
        Box(2, 2, 3, "d"),
        Box(0, 5, 1, "e"),
    ]


def test_the_picture_is_one_well_formed_file_with_every_name_and_share() -> None:
    drawn = ET.fromstring(picture({("server", "operator<< [a.so]"): 3, ("agent",): 1}, "of <both>"))
    titles = [element.text for element in drawn.iter() if element.tag.endswith("}title")]
    assert titles == ["agent: 25.0 %", "server: 75.0 %", "operator<< [a.so]: 75.0 %"]


def test_what_nobody_could_see_is_left_out() -> None:
    assert "rare" not in picture({("often",): 100_000, ("rare",): 1}, "")
