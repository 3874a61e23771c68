"""A peer that sends what is no frame: what it said before is taken, and then it is cut off."""

from __future__ import annotations

from pathlib import Path

from paddock.wire.agent import ResultHeader, encoder
from paddock.wire.frames import FrameKind
from paddock.wire.stream import frames_of
from tests.router.driving import driven, until
from tests.router.scripted_agent import Invocation, scripted_agent


async def test_an_answer_before_babble_reaches_its_caller(tmp_path: Path) -> None:
    """Both come with one read, and only then is the agent cut off."""

    def answer_and_babble(invocation: Invocation) -> None:
        frames = frames_of(FrameKind.RESULT, invocation.call, encoder.encode(ResultHeader("ok")), b'"done"')
        invocation.writer.write(b"".join(frames) + b"\xff" * 64)

    async with scripted_agent("i-1", tmp_path, answer_and_babble) as agent, driven(agent) as service:
        answer = await service.invoke()
        await until(lambda: len(agent.hellos) == 2)

    assert (answer.status, answer.body) == (200, b'"done"')
