import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.environment import EnvironmentMachine, Hold, Refuse, RuntimeWorkers
from paddock.core.environment.slots import DEFAULT_SLOTS, MAX_IDLE_POLLS, SlotSettings
from paddock.model.states import EnvironmentPhase, StateReasonCode
from tests.core.environment.playbook import ALL, MULTIPLEXED, OWN, UNKNOWN, Scene, ready

# Init


@pytest.mark.parametrize("workers", ALL)
def test_the_first_poll_ends_init_and_later_ones_may_come_later(workers: RuntimeWorkers) -> None:
    scene = Scene(workers)
    assert scene.machine.slots == 0
    scene.play(
        """
        >> invoke early
        << refuse early Client.InitIncomplete
        >> poll a
        << ready
        >> poll b
        >> invoke r1
        << deliver r1 to %s
        """
        % ("a" if workers is MULTIPLEXED else "b")
    )
    assert scene.machine.phase is EnvironmentPhase.READY
    assert scene.machine.slots == 2


def test_the_first_init_error_is_kept_and_the_process_that_then_ends_is_reported_with_it() -> None:
    scene = Scene()
    scene.play(
        """
        >> init error Runtime.ImportModuleError no module named app
        >> init error Runtime.Other later
        << 403 InvalidStateTransition
        >> exit 0
        << end Runtime.ImportModuleError
        """
    )
    failure = scene.machine.failure
    assert failure is not None
    assert failure.init
    assert failure.reason_code is StateReasonCode.RUNTIME_INIT_ERROR
    assert failure.text == "no module named app"


def test_an_init_error_after_init_is_refused() -> None:
    ready().play(">> init error Runtime.Late x\n<< 403 InvalidStateTransition")


@pytest.mark.parametrize(("status", "text"), [(0, "without providing a reason"), (3, "exit status 3"), (-9, "killed")])
def test_an_exit_during_init_is_a_failure_whatever_its_status(status: int, text: str) -> None:
    scene = Scene()
    scene.play(f">> exit {status}\n<< end Runtime.ExitError")
    assert scene.machine.failure is not None
    assert text in scene.machine.failure.text
    assert scene.machine.failure.init


def test_init_that_does_not_end_in_time_fails_with_the_timeout() -> None:
    scene = Scene(init_timeout_seconds=130)
    assert scene.machine.next_wake() == 130
    scene.play(">> at 129\n>> at 130\n<< end Sandbox.Timedout")
    assert scene.machine.failure is not None
    assert scene.machine.failure.reason_code is StateReasonCode.INIT_TIMEOUT


def test_a_posted_init_error_says_more_than_the_timeout_that_follows_it() -> None:
    scene = Scene(init_timeout_seconds=130)
    scene.play(">> init error Runtime.ImportModuleError x\n>> at 130\n<< end Runtime.ImportModuleError")


@pytest.mark.parametrize(
    ("error_type", "reason_code"),
    [
        ("Runtime.InvalidEntrypoint", StateReasonCode.INVALID_ENTRY_POINT),
        ("Runtime.InvalidWorkingDir", StateReasonCode.INVALID_WORKING_DIRECTORY),
        ("Runtime.InvalidZipFile", StateReasonCode.INVALID_ZIP_FILE),
        ("Runtime.InvalidRuntime", StateReasonCode.INVALID_RUNTIME),
        ("Sandbox.Failure", StateReasonCode.INTERNAL_ERROR),
    ],
)
def test_what_could_not_start_fails_init_with_awss_reason(error_type: str, reason_code: StateReasonCode) -> None:
    scene = Scene()
    scene.play(f">> cannot start {error_type} because\n<< end {error_type}")
    assert scene.machine.failure is not None
    assert scene.machine.failure.reason_code is reason_code


def test_memory_that_runs_out_during_init_has_its_own_reason() -> None:
    scene = Scene()
    scene.play(">> oom\n<< end Runtime.OutOfMemory")
    assert scene.machine.failure is not None
    assert scene.machine.failure.reason_code is StateReasonCode.INIT_RESOURCE_EXHAUSTED


def test_a_drain_before_init_ends_the_environment_without_a_failure() -> None:
    scene = Scene()
    scene.play(">> drain\n<< end\n>> invoke r1\n<< refuse r1 Client.ExecutionEnvironmentUnhealthy")


# Slots and polls


@pytest.mark.parametrize("workers", ALL)
def test_beyond_its_slots_it_refuses_at_once_even_with_polls_open(workers: RuntimeWorkers) -> None:
    scene = ready(workers, polls="abc")
    scene.do(["invoke", "r1"])
    scene.do(["invoke", "r2"])
    scene.play(">> invoke r3\n<< refuse r3 Runtime.Unavailable")
    assert scene.machine.open_polls == 1
    assert scene.machine.in_flight == 2


def test_the_worker_that_polled_last_is_given_the_next_event() -> None:
    ready(polls="ab").play(">> invoke r1\n<< deliver r1 to b\n>> invoke r2\n<< deliver r2 to a")


def test_multiplexing_workers_are_given_events_in_turn() -> None:
    ready(MULTIPLEXED, polls="ab").play(
        """
        >> invoke r1
        << deliver r1 to a
        >> poll a
        >> respond r1
        >> finish r1
        >> invoke r2
        << deliver r2 to b
        """
    )


def test_an_invocation_waits_for_a_worker_that_is_between_answer_and_poll() -> None:
    ready(polls="ab").play(
        """
        >> invoke r1
        << deliver r1 to b
        >> invoke r2
        << deliver r2 to a
        >> respond r1
        >> finish r1
        >> invoke r3
        << hold
        >> invoke r4
        << refuse r4 Runtime.Unavailable
        >> poll b
        << deliver r3 to b
        """
    )


def test_the_wait_for_a_poll_is_bounded() -> None:
    scene = ready(polls="ab")
    for name in ("r1", "r2"):
        scene.do(["invoke", name])
        scene.do(["respond", name])
        scene.do(["finish", name])
    scene.play(f">> invoke r3\n<< hold\n>> at {DEFAULT_SLOTS.poll_wait_seconds}\n<< refuse r3 Runtime.Unavailable")
    assert scene.machine.in_flight == 0


def test_how_long_a_poll_is_waited_for_can_be_set() -> None:
    scene = ready(slots=1, polls="a")
    scene.machine.settings = SlotSettings(poll_wait_seconds=0.25)
    scene.do(["invoke", "r1"])
    scene.do(["respond", "r1"])
    scene.do(["finish", "r1"])
    scene.play(">> invoke r2\n<< hold\n>> at 0.2\n>> at 0.25\n<< refuse r2 Runtime.Unavailable")


def test_a_request_id_in_flight_is_not_taken_twice() -> None:
    ready().play(">> invoke r1\n<< deliver r1 to b\n>> invoke r1\n<< refuse r1 Client.DuplicatedInvokeId")


def test_a_closed_poll_gets_no_event() -> None:
    ready(polls="ab").play(">> lost b\n>> invoke r1\n<< deliver r1 to a")


def test_an_event_whose_poll_had_gone_finds_another() -> None:
    ready(polls="ab").play(">> invoke r1\n<< deliver r1 to b\n>> undelivered r1\n<< deliver r1 to a")


def test_an_event_whose_poll_had_gone_waits_when_there_is_no_other() -> None:
    ready(polls="a").play(
        """
        >> invoke r1
        << deliver r1 to a
        >> undelivered r1
        >> poll b
        << deliver r1 to b
        >> respond r1
        >> finish r1
        """
    )


def test_polls_without_number_are_refused() -> None:
    scene = Scene(UNKNOWN)
    for number in range(MAX_IDLE_POLLS):
        scene.machine.poll(f"c{number}", 0.0)
    scene.play(">> poll one-more\n<< refuse poll one-more")


def test_the_peak_is_the_most_at_once_since_it_was_last_taken() -> None:
    scene = ready(polls="ab")
    scene.do(["invoke", "r1"])
    scene.do(["invoke", "r2"])
    scene.do(["respond", "r1"])
    scene.do(["finish", "r1"])
    assert scene.machine.take_peak() == 2
    assert scene.machine.take_peak() == 1


# Answers


def test_the_first_answer_stays_and_later_posts_are_refused() -> None:
    ready().play(
        """
        >> invoke r1
        << deliver r1 to b
        >> respond r1
        >> respond r1
        << 400 InvalidRequestID
        >> error r1
        << 400 InvalidRequestID
        >> finish r1
        >> respond r1
        << 400 InvalidRequestID
        >> error r1
        << 400 InvalidRequestID
        """
    )


def test_an_unknown_request_is_refused_in_both_posts() -> None:
    ready().play(">> respond r9\n<< 400 InvalidRequestID\n>> error r9\n<< 400 InvalidRequestID")


def test_an_event_that_waits_for_a_poll_cannot_be_answered() -> None:
    scene = ready(polls="a")
    scene.do(["invoke", "r1"])
    scene.play(">> invoke r2\n<< hold\n>> respond r2\n<< 400 InvalidRequestID")


def test_an_error_may_cut_off_a_stream() -> None:
    ready().play(">> invoke r1\n<< deliver r1 to b\n>> stream r1\n>> error r1\n>> finish r1")


def test_the_nonce_of_this_delivery_is_accepted_another_is_gone_and_none_is_accepted() -> None:
    scene = ready()
    scene.do(["invoke", "r1"])
    nonce = scene.known["r1"].nonce
    scene.play(f">> respond r1 nonce x\n<< 410 InvokeTimeout\n>> respond r1 nonce {nonce}\n>> finish r1")
    scene.play(">> poll b\n>> invoke r2\n<< deliver r2 to b\n>> error r2 nonce x\n<< 410 InvokeTimeout\n>> error r2")
    assert scene.known["r2"].nonce != nonce


@pytest.mark.parametrize("workers", ALL)
def test_an_answer_that_came_whole_ends_its_invocation_in_one_step(workers: RuntimeWorkers) -> None:
    scene = ready(workers, slots=1, polls="a")
    scene.play(
        """
        >> invoke r1
        << deliver r1 to a
        >> complete r1
        << done
        >> complete r1
        << not done
        >> poll a
        >> invoke r2
        << deliver r2 to a
        """
    )
    assert scene.machine.in_flight == 1


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ("respond r1", ""),
        ("stream r1", ""),
        ("at 3", "<< fail r1 Sandbox.Timedout: Task timed out after 3.00 seconds"),
        ("drain", ""),
    ],
)
def test_what_is_more_than_an_answer_takes_the_longer_way(event: str, told: str) -> None:
    ready().play(f">> invoke r1\n<< deliver r1 to b\n>> {event}\n{told}\n>> complete r1\n<< not done")


# Whatever happens

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["poll", "lost", "invoke", "respond", "finish", "complete", "error", "at", "drain", "worker"]),
        st.integers(0, 5),
    ),
    max_size=60,
)


class Callers:
    """Counts the answers that each caller got."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.invoked = 0
        self.answers: dict[str, int] = {}

    def play(self, kind: str, number: int) -> None:
        names = list(self.scene.known)
        name = names[number % len(names)] if names else ""
        match kind:
            case "poll" | "lost":
                self.hear([kind, f"c{number}"])
            case "invoke":
                self.invoked += 1
                self.hear(["invoke", f"r{self.invoked}", "timeout", "1"])
            case "respond" | "error" if names:
                self.hear([kind, name])
            case "finish" if names and self.scene.known[name].phase.name in {"RESPONDING", "STREAMING"}:
                self.answers[name] = self.answers.get(name, 0) + 1
                self.hear(["finish", name])
            case "complete" if names and self.scene.do(["complete", name]) == ["done"]:
                self.answers[name] = self.answers.get(name, 0) + 1
            case "at":
                self.hear(["at", str(self.scene.now + number / 3)])
            case "drain":
                self.hear(["drain"])
            case "worker":
                self.hear(["worker", "lost"])

    def hear(self, event: list[str]) -> None:
        for told in self.scene.do(event):
            kind, name, *_ = [*told.split(), ""]
            if kind in {"fail", "refuse"} and name != "poll":
                self.answers[name] = self.answers.get(name, 0) + 1


@given(workers=st.sampled_from(ALL), events=EVENTS)
def test_no_more_than_the_maximum_is_ever_in_flight_and_every_caller_gets_one_answer(
    workers: RuntimeWorkers, events: list[tuple[str, int]]
) -> None:
    scene = Scene(workers, slots=3)
    callers = Callers(scene)
    for kind, number in events:
        callers.play(kind, number)
        assert scene.machine.in_flight <= 3
        assert scene.machine.slots <= 3
    callers.hear(["stop"])

    assert scene.machine.in_flight == 0
    assert callers.answers == {f"r{number}": 1 for number in range(1, callers.invoked + 1)}


def test_a_machine_without_slots_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        EnvironmentMachine[str, str](max_concurrency=0, workers=OWN, nonce_prefix="n")


def test_invoke_says_what_became_of_it() -> None:
    scene = ready(polls="a")
    assert isinstance(scene.machine.invoke("r1", "caller", math.inf, 0.0), tuple)
    assert isinstance(scene.machine.invoke("r2", "caller", math.inf, 0.0), Hold)
    assert scene.machine.invoke("r3", "caller", math.inf, 0.0) == Refuse("caller", "Runtime.Unavailable")


def test_default_lambda_ends_with_its_timeout() -> None:
    scene = Scene(slots=1)
    scene.machine.ends_on_timeout = True
    scene.play("""
        >> poll A
        << ready
        >> invoke R timeout 3
        << deliver R to A
        >> at 3
        << fail R Sandbox.Timedout: Task timed out after 3.00 seconds
        << release R
        << end Sandbox.Timedout
    """)


def test_which_kind_workers_are_may_be_said_before_the_first_poll() -> None:
    scene = Scene(UNKNOWN)
    scene.machine.workers_are(OWN, 2)
    scene.play(
        """
        >> poll a
        << ready
        >> invoke r1
        << deliver r1 to a
        >> lost a
        << fail r1 Runtime.ExitError: Runtime exited without providing a reason
        """
    )
