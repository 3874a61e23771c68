"""Scenes of timeouts, dead workers, drains and ends."""

import pytest

from paddock.core.environment import RuntimeWorkers
from paddock.core.environment.slots import DEFAULT_SLOTS, SlotSettings
from paddock.model.states import EnvironmentPhase, StateReasonCode
from tests.core.environment.playbook import MULTIPLEXED, UNKNOWN, ready

# Timeouts


@pytest.mark.parametrize("post", ["respond", "error", "stream"])
def test_a_timed_out_invocation_keeps_its_slot_until_its_late_post_which_gets_410_once(post: str) -> None:
    scene = ready(slots=1, polls="a")
    scene.play(
        f"""
        >> invoke r1 timeout 3
        << deliver r1 to a
        >> at 2.9
        >> at 3
        << fail r1 Sandbox.Timedout: Task timed out after 3.00 seconds
        >> invoke r2
        << refuse r2 Runtime.Unavailable
        >> {post} r1
        << 410 InvokeTimeout
        << release r1
        >> {post} r1
        << 400 InvalidRequestID
        >> poll a
        >> invoke r2
        << deliver r2 to a
        """
    )


def test_the_other_invocations_do_not_notice_a_timeout() -> None:
    ready().play(
        """
        >> invoke slow timeout 3
        << deliver slow to b
        >> invoke quick timeout 9
        << deliver quick to a
        >> at 3
        << fail slow Sandbox.Timedout: Task timed out after 3.00 seconds
        >> respond quick
        >> finish quick
        """
    )


@pytest.mark.parametrize("post", ["respond", "stream"])
def test_an_answer_that_is_still_coming_in_when_time_is_up_comes_too_late(post: str) -> None:
    ready().play(
        f"""
        >> invoke r1
        << deliver r1 to b
        >> {post} r1
        >> at 3
        << fail r1 Sandbox.Timedout: Task timed out after 3.00 seconds
        >> finish r1
        << 410 InvokeTimeout
        << release r1
        >> finish r1
        << 400 InvalidRequestID
        """
    )


@pytest.mark.parametrize("event", ["lost b", "poll b"])
def test_the_slot_of_a_timed_out_handler_is_free_when_its_worker_is_gone_or_polls_again(event: str) -> None:
    scene = ready()
    scene.play(
        f"""
        >> invoke r1
        << deliver r1 to b
        >> at 3
        << fail r1 Sandbox.Timedout: Task timed out after 3.00 seconds
        >> {event}
        << release r1
        >> respond r1
        << 410 InvokeTimeout
        >> respond r1
        << 400 InvalidRequestID
        """
    )


def test_an_environment_whose_every_slot_leaks_is_replaced() -> None:
    scene = ready()
    scene.play(
        f"""
        >> invoke r1
        << deliver r1 to b
        >> at 1
        >> invoke r2
        << deliver r2 to a
        >> at 3
        << fail r1 Sandbox.Timedout: Task timed out after 3.00 seconds
        >> at 4
        << fail r2 Sandbox.Timedout: Task timed out after 3.00 seconds
        >> at {2 + DEFAULT_SLOTS.leaked_seconds}
        >> at {3 + DEFAULT_SLOTS.leaked_seconds}
        << recycle
        << release r1
        << release r2
        << end Sandbox.Timedout
        """
    )
    assert scene.machine.failure is not None
    assert not scene.machine.failure.init


def test_one_leaked_slot_of_several_is_borne() -> None:
    scene = ready()
    scene.do(["invoke", "r1"])
    scene.do(["at", "3"])
    scene.play(f">> at {4 + DEFAULT_SLOTS.leaked_seconds}\n>> at {9 * DEFAULT_SLOTS.leaked_seconds}")
    assert scene.machine.phase is EnvironmentPhase.READY


def test_how_long_leaked_slots_are_borne_can_be_set() -> None:
    scene = ready(slots=1, polls="a")
    scene.machine.settings = SlotSettings(leaked_seconds=5.0)
    scene.do(["invoke", "r1"])
    scene.do(["at", "3"])
    scene.play(
        """
        >> at 8
        << recycle
        << release r1
        << end Sandbox.Timedout
        """
    )


def test_it_wakes_for_whatever_is_due_first() -> None:
    scene = ready(slots=3, polls="abc")
    settles_at = scene.machine.next_wake()
    scene.do(["invoke", "slow", "timeout", "900"])
    scene.do(["invoke", "quick", "timeout", "3"])
    assert settles_at is None
    assert scene.machine.next_wake() == 3
    scene.do(["respond", "quick"])
    scene.do(["finish", "quick"])
    assert scene.machine.next_wake() == 900


# Workers that die


def test_the_caller_of_a_dead_worker_hears_at_once_and_the_slot_is_lost() -> None:
    scene = ready()
    scene.play(
        """
        >> invoke r1
        << deliver r1 to b
        >> lost b
        << fail r1 Runtime.ExitError: Runtime exited without providing a reason
        >> invoke r2
        << deliver r2 to a
        >> invoke r3
        << refuse r3 Runtime.Unavailable
        """
    )
    assert scene.machine.slots == 1


def test_a_worker_that_polls_without_having_answered_has_lost_its_invocation() -> None:
    ready().play(
        """
        >> invoke r1
        << deliver r1 to b
        >> poll b
        << fail r1 Runtime.ExitError: Runtime exited without providing a reason
        """
    )


@pytest.mark.parametrize("workers", [MULTIPLEXED, UNKNOWN])
def test_a_closed_connection_proves_nothing_where_connections_are_pooled(workers: RuntimeWorkers) -> None:
    scene = ready(workers)
    scene.do(["invoke", "r1"])
    connection = scene.known["r1"].connection
    scene.play(f">> lost {connection}\n>> respond r1\n>> finish r1")
    assert scene.machine.slots == 2


def test_a_dead_multiplexing_worker_means_no_more_events_and_a_replacement() -> None:
    """Its poll is still open, and an event given to it would abort the process."""
    scene = ready(MULTIPLEXED, polls="a")
    scene.play(
        """
        >> invoke r1
        << deliver r1 to a
        >> invoke waits
        << hold
        >> worker lost
        << recycle
        << refuse waits Client.ExecutionEnvironmentUnhealthy
        >> worker lost
        >> poll a
        >> invoke r2
        << refuse r2 Client.ExecutionEnvironmentShutDown
        >> respond r1
        >> finish r1
        << end Runtime.ExitError
        """
    )


def test_a_worker_whose_post_was_refused_comes_back_on_a_new_connection() -> None:
    scene = ready(slots=1, polls="a")
    scene.do(["invoke", "r1"])
    scene.do(["respond", "r1"])
    scene.do(["finish", "r1"])
    scene.play(">> lost a\n>> invoke r2\n<< hold\n>> poll b\n<< deliver r2 to b")
    assert scene.machine.slots == 1


# Ends


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ("exit 0", "Runtime.ExitError: Runtime exited without providing a reason"),
        ("exit 7", "Runtime.ExitError: Runtime exited with error: exit status 7"),
        ("exit -11", "Runtime.ExitError: Runtime exited with error: signal: segmentation fault"),
        ("oom", "Runtime.OutOfMemory: Runtime exited with error: signal: killed"),
    ],
)
def test_the_end_of_the_process_ends_the_environment_and_fails_all_that_is_in_flight(event: str, error: str) -> None:
    scene = ready(slots=3, polls="ab")
    scene.play(
        f"""
        >> invoke late timeout 1
        << deliver late to b
        >> invoke r1
        << deliver r1 to a
        >> at 1
        << fail late Sandbox.Timedout: Task timed out after 1.00 seconds
        >> invoke waits
        << hold
        >> {event}
        << release late
        << fail r1 {error}
        << refuse waits Client.ExecutionEnvironmentUnhealthy
        << end {error.partition(":")[0]}
        >> exit 1
        >> stop
        >> invoke r2
        << refuse r2 Client.ExecutionEnvironmentUnhealthy
        >> poll c
        """
    )
    assert scene.machine.slots == 0
    assert scene.machine.failure is not None
    assert scene.machine.failure.reason_code is StateReasonCode.FUNCTION_ERROR


def test_a_drain_waits_for_what_is_in_flight_but_not_for_handlers_that_outlived_their_timeout() -> None:
    scene = ready(slots=3, polls="abc")
    scene.play(
        """
        >> invoke late timeout 1
        << deliver late to c
        >> invoke r1
        << deliver r1 to b
        >> drain
        >> drain
        >> invoke r2
        << refuse r2 Client.ExecutionEnvironmentShutDown
        >> at 1
        << fail late Sandbox.Timedout: Task timed out after 1.00 seconds
        >> respond r1
        >> finish r1
        << release late
        << end
        """
    )
    assert scene.machine.failure is None


@pytest.mark.parametrize(
    ("event", "effects"),
    [
        ("at 3", "<< fail r1 Sandbox.Timedout: Task timed out after 3.00 seconds\n<< release r1\n<< end"),
        ("lost b", "<< fail r1 Runtime.ExitError: Runtime exited without providing a reason\n<< end"),
    ],
)
def test_a_drain_is_over_when_the_last_caller_has_been_answered_somehow(event: str, effects: str) -> None:
    ready().play(f">> invoke r1\n<< deliver r1 to b\n>> drain\n>> {event}\n{effects}")


def test_an_invocation_that_waits_for_a_poll_is_served_by_a_draining_environment() -> None:
    scene = ready(polls="a")
    scene.do(["invoke", "r1"])
    scene.play(">> invoke r2\n<< hold\n>> drain\n>> poll b\n<< deliver r2 to b")
    assert scene.machine.slots == 2


def test_a_late_post_may_end_a_drain() -> None:
    scene = ready(slots=1, polls="a")
    scene.do(["invoke", "r1"])
    scene.do(["respond", "r1"])
    scene.play(
        """
        >> at 3
        << fail r1 Sandbox.Timedout: Task timed out after 3.00 seconds
        >> drain
        << release r1
        << end
        >> finish r1
        << 400 InvalidRequestID
        """
    )


def test_a_stop_answers_whoever_waits_before_it_ends() -> None:
    ready().play(
        """
        >> invoke r1
        << deliver r1 to b
        >> stop
        << fail r1 Client.ExecutionEnvironmentShutDown: The execution environment was shut down
        << end
        >> stop
        """
    )


def test_a_failure_after_init_is_the_environments_end_too() -> None:
    ready().play(">> cannot start Sandbox.Failure because\n<< end Sandbox.Failure")
