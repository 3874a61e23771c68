"""Scenes of default Lambda with extensions that hear of invocations: the slot outlasts the answer."""

from __future__ import annotations

import pytest

from tests.core.environment.playbook import UNKNOWN, Scene, ready


def lingering() -> Scene:
    """One slot, whose runtime has answered `r1` three seconds before its time is up."""
    scene = ready(slots=1, polls="a")
    scene.machine.ends_on_timeout = True
    scene.machine.lingers = True
    scene.play(
        """
        >> invoke r1 timeout 3
        << deliver r1 to a
        >> respond r1
        >> finish r1
        """
    )
    return scene


def test_an_answered_invocation_keeps_its_slot_until_runtime_and_extensions_are_back() -> None:
    scene = lingering()
    assert scene.machine.in_flight == 1
    scene.play(
        """
        >> invoke r2
        << refuse r2 Runtime.Unavailable
        >> extensions back
        >> poll a
        >> extensions back
        << release r1
        >> extensions back
        >> invoke r2
        << deliver r2 to a
        """
    )


def test_a_runtime_that_is_back_is_not_lost_with_what_it_answered() -> None:
    lingering().play(
        """
        >> poll a
        >> lost a
        >> poll b
        >> extensions back
        << release r1
        """
    )


def test_who_is_not_back_in_the_function_s_time_ends_the_environment() -> None:
    scene = lingering()
    assert scene.machine.next_wake() == 3
    scene.play(
        """
        >> at 3
        << release r1 Sandbox.Timedout
        << end Sandbox.Timedout
        """
    )


@pytest.mark.parametrize("post", ["respond", "stream", "error"])
def test_a_second_post_is_refused_while_extensions_are_busy(post: str) -> None:
    lingering().play(
        f"""
        >> {post} r1
        << 400 InvalidRequestID
        """
    )


def test_a_drain_waits_for_extensions() -> None:
    lingering().play(
        """
        >> drain
        >> poll a
        >> extensions back
        << release r1
        << end
        """
    )


@pytest.mark.parametrize(
    ("event", "error_type", "end"),
    [
        ("stop", "Client.ExecutionEnvironmentShutDown", "end"),
        ("exit 1", "Runtime.ExitError", "end Runtime.ExitError"),
    ],
)
def test_an_end_says_how_it_came(event: str, error_type: str, end: str) -> None:
    lingering().play(
        f"""
        >> {event}
        << release r1 {error_type}
        << {end}
        """
    )


def test_a_worker_that_is_lost_with_its_invocation_ends_the_environment() -> None:
    scene = ready(slots=1, polls="a")
    scene.machine.lingers = True
    scene.play(
        """
        >> invoke r1
        << deliver r1 to a
        >> lost a
        << fail r1 Runtime.ExitError: Runtime exited without providing a reason
        << end Runtime.ExitError
        """
    )


def test_a_runtime_that_polls_before_it_answers_is_back_already() -> None:
    scene = ready(UNKNOWN, slots=1, polls="a")
    scene.machine.lingers = True
    scene.play(
        """
        >> invoke r1
        << deliver r1 to a
        >> poll b
        >> respond r1
        >> finish r1
        >> extensions back
        << release r1
        """
    )
